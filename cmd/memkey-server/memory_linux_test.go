package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

const nobody = 65534

// TestRunningServerIsHardened starts the server as another user, if it can, so that reading it is a question of the
// server's own protection and not of root.
func TestRunningServerIsHardened(t *testing.T) {
	o := rigOptions{}
	var attr *syscall.SysProcAttr
	if os.Geteuid() == 0 {
		o.binary, o.dir = copyBinary(t, nobody)
		o.uid = nobody
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	r := startRig(t, o)
	r.must(memkey.OpEnroll, 1, "A")
	proc := fmt.Sprintf("/proc/%d/", r.cmd.Process.Pid)
	for _, name := range []string{"mem", "maps", "smaps", "environ", "auxv", "fd/0"} {
		reader := exec.Command("head", "-c", "1", proc+name)
		reader.SysProcAttr = attr
		if out, err := reader.CombinedOutput(); err == nil || !strings.Contains(string(out), "ermission denied") {
			t.Errorf("a process of the same user reads %s: %v, %q", name, err, out)
		}
	}
	// That the reader can read what is not protected, or the test above proves nothing.
	reader := exec.Command("sh", "-c", "head -c 1 /proc/$$/maps")
	reader.SysProcAttr = attr
	if out, err := reader.CombinedOutput(); err != nil || len(out) != 1 {
		t.Errorf("the reader cannot read itself: %v, %q", err, out)
	}
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max core file size"); ok && !slices.Equal(strings.Fields(rest)[:2], []string{"0", "0"}) {
			t.Errorf("core limit %s", rest)
		}
	}
	if err := r.cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	<-r.done
	if status := r.cmd.ProcessState.Sys().(syscall.WaitStatus); status.CoreDump() {
		t.Errorf("a core dump: %v", r.cmd.ProcessState)
	}
	if left, err := filepath.Glob(filepath.Join(r.dir, "core*")); err != nil || len(left) != 0 {
		t.Errorf("core files %v, %v", left, err)
	}
	for form, needle := range forms(masterBytes('a')) {
		if bytes.Contains([]byte(r.text()), needle) {
			t.Errorf("the trace of the dying server has the key, %s", form)
		}
	}
}

// TestNoKeyBytesOutsideTheRegion brings keys to a server in every way, has a proxy take them, and searches all memory
// of the server for them, as only root can. The decoy is the name of the administrator, which the server has on its heap.
func TestNoKeyBytesOutsideTheRegion(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("reading a hardened process needs root")
	}
	if raceEnabled {
		t.Skip("the race detector's shadow memory cannot be searched in reasonable time")
	}
	r := startRig(t, rigOptions{})
	r.must(memkey.OpEnroll, 1, "A")
	r.must(memkey.OpEnroll, 2, "aB")
	client, err := keyagent.NewClient(keyagent.ClientConfig{Socket: r.socket})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := make(chan int, 64)
	go func() { _ = client.Run(ctx, func(ring keyagent.Ring) error { got <- len(ring.Keys); return nil }) }() // it ends with ctx
	waitFor(t, got, 2)
	searchServer(t, r, "after enrolments", true)

	// A wrong key, too: it came as far as the vault.
	if _, err := send(r.client, memkey.OpDeliver, 2, "aC"); err == nil {
		t.Fatal("a foreign key is accepted")
	}
	r.must(memkey.OpDeliver, 2, "aB")
	searchServer(t, r, "after deliveries", true)

	if _, err := r.client.Send(ctx, &memkey.Package{Op: memkey.OpClear}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, got, 0)
	searchServer(t, r, "after a clear", false)

	sendShares(t, r)
	waitFor(t, got, 2)
	searchServer(t, r, "after shares", true)
}

// sendShares splits the ring and sends two shares, as anna and as a second administrator.
func sendShares(t *testing.T, r *rig) {
	t.Helper()
	p, err := ringPackage(memkey.OpDeliver, 2, "aB")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Wipe()
	ring := &shares.Keyring{Generation: 2}
	for _, k := range p.Keys {
		ring.Keys = append(ring.Keys, shares.Key{ID: k.ID, KVT: k.KVT, Master: k.Master, Active: k.Active})
	}
	set, err := shares.Split(ring, 2, 2)
	if err != nil {
		t.Fatal(err)
	}
	addAdminTo(t, r, "bert")
	for i, name := range []string{"anna", "bert"} {
		c, err := connect(r.url, r.fingerprint, name)
		if err != nil {
			t.Fatal(err)
		}
		content, err := set[i].MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		set[i].Wipe()
		if _, err := c.Send(context.Background(), &memkey.Package{Op: memkey.OpShare, Share: content}); err != nil {
			t.Fatalf("share of %s: %v\n%s", name, err, r.text())
		}
	}
}

// addAdminTo puts a line on the list and has the server read it.
func addAdminTo(t *testing.T, r *rig, name string) {
	t.Helper()
	if err := editList(filepath.Join(r.dir, "memkey.admins"), func(l *adminList) error {
		return l.put(memkey.Admin{Public: adminKey(name).Public().(ed25519.PublicKey), Roles: memkey.Roles(memkey.RoleShare), Name: name})
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.await("administrators reloaded"); !ok {
		t.Fatal(r.text())
	}
}

func waitFor(t *testing.T, got <-chan int, want int) {
	t.Helper()
	for end := time.After(10 * time.Second); ; {
		select {
		case n := <-got:
			if n == want {
				return
			}
		case <-end:
			t.Fatalf("the proxy does not get a ring of %d keys", want)
		}
	}
}

// searchServer wants the decoy found, and no form of any key but in the pages that are for it.
func searchServer(t *testing.T, r *rig, when string, loaded bool) {
	t.Helper()
	needles := map[string][]byte{"decoy": []byte(r.fingerprint)}
	for _, name := range []byte("abc") {
		for form, needle := range forms(masterBytes(name)) {
			needles[fmt.Sprintf("key %c, %s", name, form)] = needle
		}
	}
	found := searchMemory(t, r.cmd.Process.Pid, needles)
	if len(found["decoy"]) == 0 {
		t.Errorf("%s: the decoy is not found: the search is blind", when)
	}
	for name, places := range found {
		for _, p := range places {
			own := p.keyPage && loaded && strings.Contains(name, "raw half")
			if name != "decoy" && !own {
				t.Errorf("%s: %s at %x in %s", when, name, p.at, p.region)
			}
		}
	}
}

// place is where something was found.
type place struct {
	at      uint64
	region  string
	keyPage bool // locked, not dumped, a few pages: where a key belongs without memfd_secret
}

// searchMemory looks through everything that can be read of a process.
func searchMemory(t *testing.T, pid int, needles map[string][]byte) map[string][]place {
	t.Helper()
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]place{}
	buf := make([]byte, 1<<20)
	const overlap = 128
	var from, to uint64
	var header string
	used := false
	for line := range strings.Lines(string(smaps)) {
		var a, b uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &a, &b); n == 2 && !strings.HasPrefix(line, "VmFlags") {
			from, to, header, used = a, b, strings.TrimSpace(line), false
		}
		for _, size := range []string{"Rss:", "Swap:"} {
			if value, ok := strings.CutPrefix(line, size); ok && strings.Fields(value)[0] != "0" {
				used = true
			}
		}
		flags, ok := strings.CutPrefix(line, "VmFlags:")
		if !ok || !used {
			continue
		}
		has := strings.Fields(flags)
		keyPage := slices.Contains(has, "lo") && slices.Contains(has, "dd") && to-from <= 4*4096
		for at := from; at < to; at += uint64(len(buf)) - overlap {
			n, err := mem.ReadAt(buf[:min(uint64(len(buf)), to-at)], int64(at))
			for name, needle := range needles {
				if i := bytes.Index(buf[:n], needle); i >= 0 {
					found[name] = append(found[name], place{at + uint64(i), header, keyPage})
				}
			}
			if err != nil {
				break // secret memory, or unmapped meanwhile
			}
		}
	}
	return found
}
