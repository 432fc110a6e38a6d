package keyagent

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// needles gives the forms in which a key could lie around, masked, so that a search does not find its own question:
// halves of the raw bytes, of hex in both cases, and of base64 in both alphabets at every alignment.
func needles(key []byte) [][]byte {
	forms := [][]byte{key[:16], key[16:]}
	for _, half := range [][]byte{key[:16], key[16:]} {
		text := hex.EncodeToString(half)
		forms = append(forms, []byte(text), []byte(strings.ToUpper(text)))
	}
	for skip := range 3 {
		whole := key[skip : skip+27]
		forms = append(forms, []byte(base64.StdEncoding.EncodeToString(whole)), []byte(base64.URLEncoding.EncodeToString(whole)))
	}
	for i, f := range forms {
		forms[i] = masked(f)
	}
	return forms
}

func masked(b []byte) []byte {
	b = bytes.Clone(b)
	for i := range b {
		b[i] ^= testMask
	}
	return b
}

func needlesText(needles [][]byte) string {
	var text []string
	for _, n := range needles {
		text = append(text, hex.EncodeToString(n))
	}
	return strings.Join(text, " ")
}

// searchMemory looks for masked needles in all memory of a process that it can read and returns "form:region" per find.
// The region is "locked" for a page that is locked and not dumped, which is where a key belongs without memfd_secret, and
// "open" for any other.
func searchMemory(pid string, needles [][]byte) (found []string, err error) {
	mem, err := os.Open("/proc/" + pid + "/mem")
	if err != nil {
		return nil, err
	}
	defer mem.Close()
	pagemap, err := os.Open("/proc/" + pid + "/pagemap")
	if err != nil {
		return nil, err
	}
	defer pagemap.Close()
	smaps, err := os.ReadFile("/proc/" + pid + "/smaps")
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 1<<20)
	var from, to uint64
	used := false
	for line := range strings.Lines(string(smaps)) {
		var a, b uint64
		if n, _ := fmt.Sscanf(line, "%x-%x ", &a, &b); n == 2 {
			from, to, used = a, b, false
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
		region := "open"
		if has := strings.Fields(flags); slices.Contains(has, "lo") && slices.Contains(has, "dd") && to-from <= 4*4096 {
			region = "locked"
		}
		if region == "locked" && pid == "self" {
			// Where a key may be. A search of it would leave half the key in a vector register, from where the next
			// signal writes it to a signal stack.
			continue
		}
		for _, run := range usedPages(pagemap, from, to) {
			const overlap = 64
			for at := run[0]; at < run[1]; at += uint64(len(buf)) - overlap {
				n, err := mem.ReadAt(buf[:min(uint64(len(buf)), run[1]-at)], int64(at))
				for i, needle := range needles {
					if in := indexMasked(buf[:n], needle); in >= 0 {
						found = append(found, fmt.Sprintf("%d:%s:%x+%x", i, region, from, at-from+uint64(in)))
					}
				}
				if err != nil {
					break // secret memory, or unmapped meanwhile
				}
			}
		}
	}
	return found, nil
}

// usedPages gives the parts of a mapping that have pages in memory or swap: most of what Go maps has never been touched.
func usedPages(pagemap *os.File, from, to uint64) (runs [][2]uint64) {
	page := uint64(os.Getpagesize())
	entries := make([]byte, 8*1024)
	for at := from; at < to; {
		n, err := pagemap.ReadAt(entries[:min(uint64(len(entries)), (to-at)/page*8)], int64(at/page*8))
		if err != nil || n < 8 {
			return append(runs, [2]uint64{at, to}) // not told: search it all
		}
		for e := entries[:n/8*8]; len(e) > 0; e = e[8:] {
			const presentOrSwapped = 1<<63 | 1<<62
			if binary.LittleEndian.Uint64(e)&presentOrSwapped != 0 {
				if len(runs) > 0 && runs[len(runs)-1][1] == at {
					runs[len(runs)-1][1] += page
				} else {
					runs = append(runs, [2]uint64{at, at + page})
				}
			}
			at += page
		}
	}
	return runs
}

// indexMasked tells where needle begins in b, or -1. It unmasks one byte at a time: a search of the own memory must not
// lay out what it looks for.
func indexMasked(b, needle []byte) int {
	pivot := 0
	for pivot < len(needle)-1 && needle[pivot] == testMask { // a zero, of which memory is full
		pivot++
	}
	for at := 0; ; at++ {
		n := bytes.IndexByte(b[at:], needle[pivot]^testMask)
		if n < 0 {
			return -1
		}
		at += n
		start := at - pivot
		if start < 0 || start+len(needle) > len(b) {
			continue
		}
		i := 0
		for i < len(needle) && b[start+i]^testMask == needle[i] {
			i++
		}
		if i == len(needle) {
			return start
		}
	}
}

// TestNoKeyBytesOutsideTheKeyMemory runs an agent and a client as processes, hands a key over, and searches the memory
// of both, from inside and from outside, for the key in its usual forms. The decoy, which both keep on the heap, shows
// that the search finds what is there.
func TestNoKeyBytesOutsideTheKeyMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's shadow memory cannot be searched in reasonable time")
	}
	for _, forbid := range []string{"", "1"} {
		t.Run(map[string]string{"": "as the kernel allows", "1": "without memfd_secret"}[forbid], func(t *testing.T) {
			key, decoy := randomKey(t), randomKey(t)
			forms := needles(key)
			forms = append(forms, needles(decoy)[:2]...)
			options := []childOption{withEnv(needlesEnv, needlesText(forms)), withEnv(noSecretEnv, forbid), withEnv("GOTRACEBACK", "crash"),
				func(cmd *execCmd) { cmd.Dir = t.TempDir() }}
			socket := filepath.Join(t.TempDir(), "s")
			agent := startChild(t, testBinary(t), "agent", socket, options...)
			send(t, agent, decoy, key)
			kind, _ := strings.CutPrefix(agent.line(t), "ready ")
			t.Logf("key memory: %s", kind)
			client := startChild(t, testBinary(t), "holding-client", socket, options...)
			send(t, client, decoy)
			for !strings.HasPrefix(client.line(t), "ring 1 1 ") {
			}
			for name, c := range map[string]*child{"agent": agent, "client": client} {
				send(t, c, []byte("s"))
				line := c.line(t)
				for !strings.HasPrefix(line, "found") {
					line = c.line(t)
				}
				checkFinds(t, name+" from inside", kind, len(forms), strings.Fields(line)[1:])
				found, err := searchMemory(strconv.Itoa(c.Process.Pid), forms)
				if err != nil {
					t.Fatal(err)
				}
				checkFinds(t, name+" from outside", kind, len(forms), found)
				checkCoreDump(t, name, c, forms)
			}
		})
	}
}

func checkFinds(t *testing.T, where, kind string, forms int, found []string) {
	t.Helper()
	decoys := 0
	for _, f := range found {
		part := strings.Split(f, ":")
		region := part[1]
		n, err := strconv.Atoi(part[0])
		switch {
		case err != nil:
			t.Fatal(err)
		case n >= forms-2:
			decoys++
		case region == "locked" && kind == "mlock" && n < 2: // the key in its place
		default:
			t.Errorf("%s: key form %d in %s memory at %s", where, n, region, part[2])
		}
	}
	if decoys < 2 {
		t.Errorf("%s: the decoy was not found: the search is blind (%v)", where, found)
	}
}

// checkCoreDump lets a process that has a key and is not hardened dump its core, where the kernel writes cores to files.
func checkCoreDump(t *testing.T, name string, c *child, forms [][]byte) {
	t.Helper()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil || strings.ContainsAny(string(pattern), "|/%") || os.Geteuid() != 0 {
		t.Logf("%s: no core dump to search: core_pattern %q, uid %d", name, pattern, os.Geteuid())
		return
	}
	send(t, c, []byte("a"))
	_ = c.Wait()
	c.ended = true
	if !c.ProcessState.Sys().(syscall.WaitStatus).CoreDump() {
		t.Errorf("%s: no core dump, though nothing forbids it: %v", name, c.ProcessState)
		return
	}
	cores, err := filepath.Glob(filepath.Join(c.Dir, "core*"))
	if err != nil || len(cores) == 0 {
		t.Fatalf("%s: no core file (%v)", name, err)
	}
	for _, file := range cores {
		core, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(file)
		for i := range core {
			core[i] ^= testMask
		}
		for i, form := range forms {
			found, decoy := bytes.Contains(core, form), i >= len(forms)-2
			if found && !decoy {
				t.Errorf("%s: key form %d in the core dump", name, i)
			}
			if !found && decoy {
				t.Errorf("%s: decoy %d is not in the core dump: the search is blind", name, i)
			}
		}
	}
}

func send(t *testing.T, c *child, parts ...[]byte) {
	t.Helper()
	for _, p := range parts {
		if _, err := c.in.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}
