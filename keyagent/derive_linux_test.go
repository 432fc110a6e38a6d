package keyagent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hashDeriver names a master by its hash and derives the hash of master and request.
type hashDeriver struct{}

func (hashDeriver) Name(master []byte) (id [8]byte, kvt [32]byte, err error) {
	kvt = sha256.Sum256(append([]byte("name"), master...))
	copy(id[:], kvt[:])
	return id, kvt, nil
}

func (hashDeriver) Derive(master, request []byte) ([]byte, error) {
	if string(request) == "refuse" {
		return nil, errors.New("refused")
	}
	sum := sha256.Sum256(bytes.Join([][]byte{master, request}, []byte{0}))
	return sum[:], nil
}

// expect is what the agent must answer.
func expect(key, request []byte) []byte {
	out, _ := hashDeriver{}.Derive(key, request)
	return out
}

func idOf(key []byte) [8]byte {
	id, _, _ := hashDeriver{}.Name(key)
	return id
}

func deriveClient(t *testing.T, socket string) *Client {
	t.Helper()
	c, err := NewClient(ClientConfig{Socket: socket, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

func TestWatchGivesNamesAndEveryChange(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{Deriver: hashDeriver{}})
	c := deriveClient(t, socket)
	ctx, cancel := context.WithCancel(context.Background())
	got, ended := make(chan Names, 10), make(chan error, 1)
	go func() { ended <- c.Watch(ctx, func(n Names) error { got <- n; return nil }) }()
	n := receive(t, got)
	if n.Generation != 1 || len(n.Keys) != 2 || n.Keys[0].ID != idOf(testKey(100)) || !n.Keys[1].Active || n.Keys[0].Active || n.Keys[0].Label != "load 1 key 0" {
		t.Errorf("%+v", n)
	}
	h.Clear()
	if n = receive(t, got); n.Generation != 2 || len(n.Keys) != 0 {
		t.Errorf("after clear: %+v", n)
	}
	load(t, h, 2)
	if n = receive(t, got); n.Generation != 3 || len(n.Keys) != 3 {
		t.Errorf("after load: %+v", n)
	}
	cancel()
	if err := receive(t, ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDeriveAnswersEachItsOwn(t *testing.T) {
	h := newTestHolder(t)
	load(t, h, 3) // 4 keys
	socket, _ := serveTest(t, h, Policy{Deriver: hashDeriver{}})
	c := deriveClient(t, socket)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 50 {
				key := testKey(300 + (g+i)%4)
				request := fmt.Appendf(nil, "%d/%d", g, i)
				got, err := c.Derive(idOf(key), request)
				if err != nil || !bytes.Equal(got, expect(key, request)) {
					t.Errorf("%s: %x, %v", request, got, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := len(c.derivers.idle); n > maxDeriveConns {
		t.Errorf("%d connections", n)
	}
	for _, f := range []struct {
		id      [8]byte
		request []byte
		want    error
	}{
		{idOf(testKey(9999)), nil, ErrUnknownKey},
		{idOf(testKey(300)), []byte("refuse"), ErrBadRequest},
		{idOf(testKey(300)), make([]byte, MaxRequest+1), ErrBadRequest},
		{idOf(testKey(300)), make([]byte, MaxRequest), nil},
	} {
		if _, err := c.Derive(f.id, f.request); !errors.Is(err, f.want) {
			t.Errorf("%x: %v, want %v", f.id, err, f.want)
		}
	}
	h.Clear()
	if _, err := c.Derive(idOf(testKey(300)), nil); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("after clear: %v", err)
	}
}

// TestDerivationsThatAreGivenUpDisturbNoOther: 64 at once on 16 connections, most of them given up at a random moment,
// and the agent restarted meanwhile. What is answered is right.
func TestDerivationsThatAreGivenUpDisturbNoOther(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 3)
	socket := t.TempDir() + "/s"
	stop := serveAt(t, socket, h, Policy{Deriver: hashDeriver{}})
	c := deriveClient(t, socket)
	var wg sync.WaitGroup
	var answered, givenUp atomic.Int64
	for g := range 64 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			for i := range 60 {
				key := testKey(300 + (g+i)%4)
				request := fmt.Appendf(nil, "%d/%d", g, i)
				limit := time.Minute
				if random.IntN(4) > 0 {
					limit = time.Duration(random.IntN(3000)) * time.Microsecond
				}
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				got, err := c.derive(ctx, idOf(key), request)
				cancel()
				switch {
				case err == nil && bytes.Equal(got, expect(key, request)):
					answered.Add(1)
				case errors.Is(err, ErrUnavailable) && got == nil:
					givenUp.Add(1)
				default:
					t.Errorf("%s: %x, %v", request, got, err)
					return
				}
			}
		})
	}
	for range 3 {
		time.Sleep(5 * time.Millisecond)
		stop()
		stop = serveAt(t, socket, h, Policy{Deriver: hashDeriver{}})
	}
	wg.Wait()
	if answered.Load() < 100 || givenUp.Load() < 10 {
		t.Errorf("%d answered, %d given up: nothing was tried", answered.Load(), givenUp.Load())
	}
	c.CloseIdle()
	stop()
}

// TestDerivationsDuringChangesAreOfOneWholeKey: whatever happens to the ring, an
// answer is right for the key that was named, or there is none.
func TestDerivationsDuringChangesAreOfOneWholeKey(t *testing.T) {
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{Deriver: hashDeriver{}})
	c := deriveClient(t, socket)
	stop := make(chan struct{})
	var changes, answers atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 2; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if n%5 == 0 {
				h.Clear()
			} else {
				load(t, h, 1+n%3)
			}
			changes.Add(1)
			time.Sleep(200 * time.Microsecond)
		}
	})
	var workers sync.WaitGroup
	for g := range 8 {
		workers.Go(func() {
			for i := range 400 {
				key := testKey(100*(1+i%3) + i%2)
				request := fmt.Appendf(nil, "%d %d", g, i)
				got, err := c.Derive(idOf(key), request)
				switch {
				case err == nil && bytes.Equal(got, expect(key, request)):
					answers.Add(1)
				case !errors.Is(err, ErrUnknownKey):
					t.Errorf("%x, %v", got, err)
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	wg.Wait()
	if changes.Load() < 10 || answers.Load() < 100 {
		t.Errorf("%d changes, %d answers: nothing was tried", changes.Load(), answers.Load())
	}
}

func TestDeriveFailsWhenItCannotAsk(t *testing.T) {
	h := newTestHolder(t)
	load(t, h, 1)
	socket := t.TempDir() + "/s"
	stop := serveAt(t, socket, h, Policy{Deriver: hashDeriver{}})
	c := deriveClient(t, socket)
	key := testKey(100)
	if _, err := c.Derive(idOf(key), nil); err != nil {
		t.Fatal(err)
	}
	stop()
	began := time.Now()
	if _, err := c.Derive(idOf(key), nil); !errors.Is(err, ErrUnavailable) || time.Since(began) > deriveTime {
		t.Errorf("agent gone: %v after %v", err, time.Since(began))
	}
	stop = serveAt(t, socket, h, Policy{Deriver: hashDeriver{}})
	if got, err := c.Derive(idOf(key), nil); err != nil || !bytes.Equal(got, expect(key, nil)) {
		t.Errorf("agent back: %v", err)
	}
	stop()
	stop = serveAt(t, socket, h, Policy{})
	if _, err := c.Derive(idOf(key), nil); !errors.Is(err, ErrBadRequest) {
		t.Errorf("an agent that derives nothing: %v", err)
	}
	stop()
}

func TestAgentOnlyUsersGetNoMasters(t *testing.T) {
	h := newTestHolder(t)
	load(t, h, 1)
	socket, _ := serveTest(t, h, Policy{Deriver: hashDeriver{}, AgentOnlyUIDs: []int{os.Geteuid()}})
	logs := make(chan string, 100)
	c, err := NewClient(ClientConfig{Socket: socket, Logf: func(f string, a ...any) { logs <- fmt.Sprintf(f, a...) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx, func(Ring) error { t.Error("got a ring"); return nil }) // its only error is ctx's
	}()
	for !strings.Contains(receive(t, logs), refusedMode.String()) {
	}
	cancel()
	receive(t, ended)
	if _, err := deriveClient(t, socket).Derive(idOf(testKey(100)), nil); err != nil {
		t.Errorf("derive: %v", err)
	}
}

func TestDeriveRateIsBounded(t *testing.T) {
	h := newTestHolder(t)
	load(t, h, 1)
	var good, bad atomic.Int64
	socket, _ := serveTest(t, h, Policy{Deriver: hashDeriver{}, DeriveRate: 5, Derived: func(_ Peer, err error) {
		if err == nil {
			good.Add(1)
		} else {
			bad.Add(1)
		}
	}})
	c := deriveClient(t, socket)
	refused := 0
	for end := time.Now().Add(30 * time.Second); refused < 20 && time.Now().Before(end); {
		if _, err := c.Derive(idOf(testKey(100)), nil); errors.Is(err, ErrBusy) {
			refused++
		}
	}
	if refused < 20 || good.Load() < 5 || bad.Load() < 20 {
		t.Errorf("%d refused; counted %d good, %d bad", refused, good.Load(), bad.Load())
	}
	r := newRate(10)
	now := time.Now()
	for range 10 {
		if !r.take(now) {
			t.Fatal("the first second's worth was refused")
		}
	}
	if r.take(now) || !r.take(now.Add(time.Second)) {
		t.Error("not ten a second")
	}
}

func FuzzNames(f *testing.F) {
	n, err := namesOf(hashDeriver{}, 7, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(appendNames(nil, n)[5:])
	f.Add(appendNames(nil, Names{Generation: 8, Keys: []KeyName{{ID: [8]byte{1}, KVT: [32]byte{1}, Label: "a", Active: true}, {ID: [8]byte{2}, KVT: [32]byte{2}}}})[5:])
	f.Fuzz(func(t *testing.T, in []byte) {
		n, err := parseNames(in)
		if err == nil && !bytes.Equal(appendNames(nil, n)[5:], in) {
			t.Errorf("%x reads as %+v", in, n)
		}
	})
}

// BenchmarkDerive is one derivation through the socket.
func BenchmarkDerive(b *testing.B) {
	h := newTestHolder(b)
	keys, err := testRing(1)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := h.Load(keys); err != nil {
		b.Fatal(err)
	}
	socket := b.TempDir() + "/s"
	ln, err := Listen(socket)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, ln, h, Policy{Deriver: hashDeriver{}}) }()
	c, err := NewClient(ClientConfig{Socket: socket})
	if err != nil {
		b.Fatal(err)
	}
	id := idOf(testKey(100))
	request := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Derive(id, request); err != nil {
			b.Fatal(err)
		}
	}
	c.CloseIdle()
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
