package keyagent

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOnlyAllowedUsersGetTheKeys(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("starts children as other users: needs root")
	}
	const nobody = 65534
	binary := publicBinary(t)
	for name, c := range map[string]struct {
		group, uid, gid int
		uids            []int
		want            string
	}{
		"no file permission":         {0, nobody, nobody, []int{nobody}, "log key agent: cannot reach the key agent: dial unix"},
		"group member, wrong uid":    {nobody, nobody, nobody, nil, "log key agent: cannot talk to the key agent: the key agent refuses: this user may not have the keys"},
		"another allowed uid":        {nobody, nobody, nobody, []int{nobody - 1}, "log key agent: cannot talk to the key agent: the key agent refuses: this user may not have the keys"},
		"nobody is allowed":          {nobody, nobody, nobody, []int{}, "log key agent: cannot talk to the key agent: the key agent refuses: this user may not have the keys"},
		"root is not implied":        {nobody, 0, 0, []int{nobody}, "log key agent: cannot talk to the key agent: the key agent refuses: this user may not have the keys"},
		"allowed uid, group member":  {nobody, nobody, nobody, []int{nobody}, "ring 1 2 " + fingerprint(testKey(101))},
		"own uid without any policy": {0, 0, 0, nil, "ring 1 2 " + fingerprint(testKey(101))},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTestHolder(t)
			load(t, h, 1)
			socket := filepath.Join(publicDir(t), "s")
			ln, err := Listen(socket)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(socket, 0, c.group); err != nil {
				t.Fatal(err)
			}
			defer serveOn(t, ln, h, Policy{UIDs: c.uids})()
			child := startChild(t, binary, "hash-client", socket, asUser(uint32(c.uid), uint32(c.gid)))
			line := child.line(t)
			for strings.HasPrefix(line, "log key agent: connected") {
				line = child.line(t)
			}
			if !strings.HasPrefix(line, c.want) {
				t.Errorf("child says %q, want %q", line, c.want)
			}
		})
	}
}

func TestServeRefusesOneConnectionTooMany(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{MaxConns: 2})
	got := make(chan seen, 10)
	stop1 := runClient(t, ClientConfig{Socket: socket}, watch(got))
	stop2 := runClient(t, ClientConfig{Socket: socket}, watch(got))
	want(t, got, 1, 1)
	want(t, got, 1, 1)
	logged := make(chan string, 100)
	logf := func(format string, args ...any) { logged <- fmt.Sprintf(format, args...) }
	stop3 := runClient(t, ClientConfig{Socket: socket, Logf: logf}, watch(got))
	if line := receive(t, logged); !strings.Contains(line, "too many connections") {
		t.Errorf("third client logs %q", line)
	}
	h.Clear() // the first two are untouched
	want(t, got, 2, 0)
	want(t, got, 2, 0)
	stop1()
	want(t, got, 2, 0) // the third gets the free place
	stop2()
	stop3()
}

// rawClient is a client under the test's hand.
func rawClient(t *testing.T, socket string) *net.UnixConn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.UnixConn)
}

func TestServeEndsConnectionsThatBreakTheProtocol(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{})
	hello := appendClientHello(nil, "x")
	for name, c := range map[string]struct {
		send   []byte
		reason refusal
	}{
		"no hello":            {appendWait(nil, 0), refusedProtocol},
		"agent's hello":       {appendAgentHello(nil), refusedProtocol},
		"other version":       {edit(hello, 14, 2), refusedVersion},
		"other magic":         {edit(hello, 5, 'k'), refusedProtocol},
		"huge frame":          {[]byte{0xff, 0xff, 0xff, 0xff}, refusedProtocol},
		"empty frame":         {[]byte{0, 0, 0, 0}, refusedProtocol},
		"two hellos":          {slices.Concat(hello, hello), refusedProtocol},
		"ring to the agent":   {slices.Concat(hello, unhex(t, vectorCleared)), refusedProtocol},
		"wait in the future":  {slices.Concat(hello, appendWait(nil, 7)), refusedProtocol},
		"short wait":          {slices.Concat(hello, appendFrame(nil, msgWait, 0)), refusedProtocol},
		"http":                {[]byte("GET /key HTTP/1.1\r\n\r\n"), refusedProtocol},
		"frame above a HELLO": {appendFrame(nil, msgHello, make([]byte, 100)...), refusedProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			uc := rawClient(t, socket)
			r := &agentReader{uc: uc}
			if msg, _, _, err := r.next(time.Now().Add(10 * time.Second)); msg != msgHello || err != nil {
				t.Fatalf("message %d, %v", msg, err)
			}
			if _, err := uc.Write(c.send); err != nil {
				t.Fatal(err)
			}
			msg, body, fd, err := r.next(time.Now().Add(10 * time.Second))
			if fd >= 0 {
				closeFD(fd)
				t.Error("the agent sent a key")
			}
			if msg != msgRefused || err != nil || !bytes.Equal(body, []byte{byte(c.reason)}) {
				t.Errorf("message %d %x, %v; want REFUSED %d", msg, body, err, c.reason)
			}
			if msg, _, _, err := r.next(time.Now().Add(10 * time.Second)); err == nil {
				t.Errorf("message %d after REFUSED", msg)
			}
		})
	}
}

func edit(b []byte, at int, v byte) []byte {
	b = bytes.Clone(b)
	b[at] = v
	return b
}

func TestServeRefusesASecondWaitBeforeTheAnswer(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t) // never loaded: the first WAIT stays unanswered
	socket, _ := serveTest(t, h, Policy{})
	uc := rawClient(t, socket)
	r := &agentReader{uc: uc}
	if _, _, _, err := r.next(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := uc.Write(slices.Concat(appendClientHello(nil, ""), appendWait(nil, 0), appendWait(nil, 0))); err != nil {
		t.Fatal(err)
	}
	if msg, body, _, err := r.next(time.Now().Add(10 * time.Second)); msg != msgRefused || body[0] != byte(refusedProtocol) || err != nil {
		t.Errorf("message %d %x, %v", msg, body, err)
	}
}

func TestServeTakesNoDescriptorsFromClients(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{})
	uc := rawClient(t, socket)
	r := &agentReader{uc: uc}
	if _, _, _, err := r.next(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	defer closeFD(pipe[0])
	rights := unix.UnixRights(slices.Repeat([]int{pipe[1]}, 50)...)
	if _, _, err := uc.WriteMsgUnix(slices.Concat(appendClientHello(nil, ""), appendWait(nil, 0)), rights, nil); err != nil {
		t.Fatal(err)
	}
	closeFD(pipe[1])
	msg, _, fd, err := r.next(time.Now().Add(10 * time.Second))
	if msg != msgRing || fd < 0 || err != nil {
		t.Fatalf("message %d, descriptor %d, %v", msg, fd, err)
	}
	closeFD(fd)
	// All write ends are closed: a read says end of file, not "try again".
	if n, err := unix.Read(pipe[0], make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("the agent still holds the client's descriptors: %d, %v", n, err)
	}
}

func TestServeNeedsAUnixSocketAndAHolder(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
			c.Close()
		}
	}()
	if err := Serve(context.Background(), ln, NewHolder(), Policy{}); err == nil || !strings.Contains(err.Error(), "want a Unix socket") {
		t.Errorf("TCP: %v", err)
	}
	for name, f := range map[string]func(net.Listener) error{
		"holder":   func(ln net.Listener) error { return Serve(context.Background(), ln, nil, Policy{}) },
		"MaxConns": func(ln net.Listener) error { return Serve(context.Background(), ln, NewHolder(), Policy{MaxConns: -1}) },
		"UIDs": func(ln net.Listener) error {
			return Serve(context.Background(), ln, NewHolder(), Policy{UIDs: []int{-1}})
		},
	} {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := f(ln); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s: Serve did not close the listener", name)
		}
	}
}

// TestPeerIsWhatTheKernelSays: the ids of this very process, with its PID confirmed where the kernel can do that.
func TestPeerIsWhatTheKernelSays(t *testing.T) {
	checkLeaks(t)
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client := rawClient(t, socket)
	served, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	var pinnable error
	raw, err := client.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		pidfd, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PEERPIDFD)
		if pinnable = err; err == nil {
			closeFD(pidfd)
		}
	})
	if pinnable != nil {
		t.Logf("this kernel has no SO_PEERPIDFD: %v", pinnable)
	}
	want := Peer{UID: os.Geteuid(), GID: os.Getegid(), PID: os.Getpid(), Pinned: pinnable == nil}
	for side, uc := range map[string]*net.UnixConn{"client": client, "agent": served.(*net.UnixConn)} {
		if got, err := peerOf(uc); got != want || err != nil {
			t.Errorf("%s sees %+v, %v; want %+v", side, got, err, want)
		}
	}
	if !strings.HasPrefix(want.String(), fmt.Sprintf("uid %d pid %d", want.UID, want.PID)) {
		t.Errorf("peer prints as %v", want)
	}
}
