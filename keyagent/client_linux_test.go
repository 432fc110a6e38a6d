package keyagent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestClientRingIsWipedAfterApplyButNotItsClones(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{})
	got := make(chan []*Secret, 1)
	stop := runClient(t, ClientConfig{Socket: socket}, func(ring Ring) error {
		clone, err := ring.Keys[0].Master.Clone()
		got <- []*Secret{ring.Keys[0].Master, ring.Keys[1].Master, clone}
		clear(ring.Keys) // the callee may do what it likes with the slice
		return err
	})
	secrets := receive(t, got)
	stop() // apply has returned
	for i, want := range []error{ErrWiped, ErrWiped, nil} {
		if err := secrets[i].Use(func([]byte) {}); err != want {
			t.Errorf("secret %d after apply: %v, want %v", i, err, want)
		}
	}
	secrets[2].Wipe()
}

func TestClientKeepsItsRingWhileTheAgentIsGoneAndGetsTheNewOne(t *testing.T) {
	checkLeaks(t)
	socket := filepath.Join(t.TempDir(), "s")
	h := newTestHolder(t)
	load(t, h, 1)
	load(t, h, 2)
	stop := serveAt(t, socket, h, Policy{})
	got := make(chan seen, 10)
	defer runClient(t, ClientConfig{Socket: socket}, watch(got))()
	want(t, got, 2, 2)
	stop()
	fresh := newTestHolder(t) // a restarted agent: generation 0, no keys
	stop = serveAt(t, socket, fresh, Policy{})
	select {
	case s := <-got:
		t.Errorf("the restart of the agent gave %+v", s)
	case <-time.After(200 * time.Millisecond): // several pauses of the client
	}
	load(t, fresh, 3) // generation 1, below the 2 that the client has seen
	want(t, got, 1, 3)
	fresh.Clear()
	want(t, got, 2, 0)
	stop()
}

func TestClientTriesAgainWhenApplyFailsAndStillHearsClearAtOnce(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{})
	got, taken := make(chan seen, 100), make(chan struct{}, 100)
	var fail atomic.Bool
	fail.Store(true)
	stop := runClient(t, ClientConfig{Socket: socket, MinBackoff: 10 * time.Millisecond, MaxBackoff: 20 * time.Millisecond},
		func(ring Ring) error {
			n, err := checkTestRing(ring)
			got <- seen{ring.Generation, n, err}
			if fail.Load() {
				return errors.New("not now")
			}
			taken <- struct{}{}
			return nil
		})
	for range 3 {
		want(t, got, 1, 1)
	}
	fail.Store(false)
	receive(t, taken)
	for len(got) > 0 {
		<-got
	}
	time.Sleep(100 * time.Millisecond)
	if len(got) != 0 {
		t.Error("a ring that was taken came again")
	}
	stop()

	fail.Store(true)
	stop = runClient(t, ClientConfig{Socket: socket, MinBackoff: time.Hour, MaxBackoff: time.Hour}, func(ring Ring) error {
		return watch(got)(ring)
	})
	want(t, got, 1, 1)
	stop()
	failing := runClient(t, ClientConfig{Socket: socket, MinBackoff: time.Hour, MaxBackoff: time.Hour}, func(ring Ring) error {
		_ = watch(got)(ring)
		return errors.New("never")
	})
	want(t, got, 1, 1)
	h.Clear() // while the client waits an hour before its next attempt
	want(t, got, 2, 0)
	load(t, h, 2)
	want(t, got, 3, 2)
	failing()
}

func TestClientTakesNoKeyFromAForeignServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("starts a server as another user: needs root")
	}
	const nobody = 65534
	dir := publicDir(t)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	server := startChild(t, publicBinary(t), "foreign-server", socket, asUser(nobody, nobody))
	server.line(t)
	got, logged := make(chan seen, 10), make(chan string, 100)
	logf := func(format string, args ...any) { logged <- fmt.Sprintf(format, args...) }
	stop := runClient(t, ClientConfig{Socket: socket, Logf: logf}, watch(got))
	if line := receive(t, logged); !strings.Contains(line, "is served by uid 65534") {
		t.Errorf("client logs %q", line)
	}
	time.Sleep(100 * time.Millisecond)
	stop()
	if len(got) != 0 {
		t.Error("a foreign server's ring was applied")
	}
	stop = runClient(t, ClientConfig{Socket: socket, ServerUIDs: []int{nobody}}, watch(got))
	want(t, got, 1, 1)
	stop()
}

func TestNewClientNamesTheBadField(t *testing.T) {
	for field, config := range map[string]ClientConfig{
		"Socket":     {Socket: "relative"},
		"Name":       {Socket: "/s", Name: "a\nb"},
		"MinBackoff": {Socket: "/s", MinBackoff: -1},
		"MaxBackoff": {Socket: "/s", MinBackoff: 2, MaxBackoff: 1},
	} {
		if _, err := NewClient(config); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := NewClient(ClientConfig{Socket: "/s", MinBackoff: time.Hour}); err != nil {
		t.Error(err)
	}
}

// evilAgent answers each connection with HELLO and then with what answer does.
func evilAgent(t *testing.T, answer func(*net.UnixConn)) (socket string) {
	socket = filepath.Join(t.TempDir(), "s")
	ln, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			uc := c.(*net.UnixConn)
			if _, err := uc.Write(appendAgentHello(nil)); err == nil {
				answer(uc)
			}
			uc.Close()
		}
	})
	t.Cleanup(func() {
		ln.Close()
		all.Wait()
	})
	return socket
}

// TestClientRefusesEveryWrongRing: whatever an agent sends that is not exactly a ring, apply is not called, and no
// descriptor or memory is left.
func TestClientRefusesEveryWrongRing(t *testing.T) {
	keys, err := testRing(1)
	if err != nil {
		t.Fatal(err)
	}
	defer Ring{Keys: keys}.Wipe()
	head := headOf(5, keys)
	region := func(generation uint64, size int) int {
		fd, err := newRegion(size, func(b []byte) error {
			full := make([]byte, regionSize(len(keys)))
			defer clear(full)
			err := fillRegion(full, generation, keys)
			copy(b, full)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	right := regionSize(len(keys))
	short := head
	short.labels = head.labels[:1]
	for name, answer := range map[string]func(*net.UnixConn){
		"no descriptor":    func(uc *net.UnixConn) { _ = sendRing(uc, head, -1) },
		"cleared with key": func(uc *net.UnixConn) { _ = sendRing(uc, ringHead{generation: 5, active: -1}, region(5, right)) },
		"other generation": func(uc *net.UnixConn) { _ = sendRing(uc, head, region(6, right)) },
		"region too long":  func(uc *net.UnixConn) { _ = sendRing(uc, head, region(5, right+1)) },
		"region too short": func(uc *net.UnixConn) { _ = sendRing(uc, head, region(5, right-1)) },
		"fewer labels":     func(uc *net.UnixConn) { _ = sendRing(uc, short, region(5, right)) },
		"a pipe":           func(uc *net.UnixConn) { var p [2]int; _ = unix.Pipe(p[:]); closeFD(p[1]); _ = sendRing(uc, head, p[0]) },
		"refused with key": func(uc *net.UnixConn) {
			fd := region(5, right)
			_ = writeWithFD(uc, appendRefused(nil, 1), fd)
			closeFD(fd)
		},
		"hello again":        func(uc *net.UnixConn) { _, _ = uc.Write(appendAgentHello(nil)) },
		"unknown message":    func(uc *net.UnixConn) { _, _ = uc.Write(appendFrame(nil, 99)) },
		"half a frame":       func(uc *net.UnixConn) { _, _ = uc.Write(appendRing(nil, head)[:9]) },
		"a huge frame":       func(uc *net.UnixConn) { _, _ = uc.Write(binary.BigEndian.AppendUint32(nil, 1<<30)) },
		"two descriptors":    func(uc *net.UnixConn) { sendTwo(uc, appendRing(nil, head), region(5, right), region(5, right)) },
		"twenty descriptors": func(uc *net.UnixConn) { sendMany(uc, appendRing(nil, head), region(5, right)) },
		"nothing":            func(uc *net.UnixConn) {},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			rounds := make(chan struct{}, 1000)
			socket := evilAgent(t, func(uc *net.UnixConn) {
				answer(uc)
				_ = uc.CloseWrite()
				_, _ = uc.Read(make([]byte, 100)) // let the client end it
				rounds <- struct{}{}
			})
			stop := runClient(t, ClientConfig{Socket: socket, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond},
				func(ring Ring) error {
					t.Errorf("apply was called with %v", ring)
					return nil
				})
			for range 3 {
				receive(t, rounds)
			}
			stop()
		})
	}
}

func sendTwo(uc *net.UnixConn, frame []byte, a, b int) {
	_, _, _ = uc.WriteMsgUnix(frame[:2], unix.UnixRights(a), nil)
	_, _, _ = uc.WriteMsgUnix(frame[2:], unix.UnixRights(b), nil)
	closeFD(a)
	closeFD(b)
}

func sendMany(uc *net.UnixConn, frame []byte, fd int) {
	_, _, _ = uc.WriteMsgUnix(frame, unix.UnixRights(slices.Repeat([]int{fd}, 20)...), nil)
	closeFD(fd)
}

func TestBackoffGrowsWithinItsBoundsAndStartsAgain(t *testing.T) {
	b := newBackoff(50*time.Millisecond, 5*time.Second)
	for range 2 {
		step := 50 * time.Millisecond
		for range 12 {
			if got := b.next(); got < step/2 || got > step {
				t.Errorf("pause %v, want %v to %v", got, step/2, step)
			}
			step = min(2*step, 5*time.Second)
		}
		b.reset()
	}
}

// TestClientWaitsOncePerFailedApply: between two attempts lies one pause, spent on the connection, where a newer ring can
// come at any time, and no second one without a connection.
func TestClientWaitsOncePerFailedApply(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{})
	got := make(chan seen, 100)
	const pause = time.Second // so one lasts 0.5 to 1 s, and two 1 to 2 s
	stop := runClient(t, ClientConfig{Socket: socket, MinBackoff: pause, MaxBackoff: pause}, func(ring Ring) error {
		_ = watch(got)(ring)
		return errors.New("never")
	})
	want(t, got, 1, 1)
	// A busy machine makes every gap longer: one that is short enough proves it.
	for n, once := 0, false; !once; n++ {
		began := time.Now()
		want(t, got, 1, 1)
		gap := time.Since(began)
		if gap < pause/4 || n == 30 {
			t.Fatalf("attempt %d came after %v, want %v to %v", n, gap, pause/2, pause)
		}
		once = gap < pause
	}
	stop()
}
