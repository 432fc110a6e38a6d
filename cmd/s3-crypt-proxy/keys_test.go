package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// ring makes a ring of masters that repeat a byte; the first is the active one.
func ring(t *testing.T, generation uint64, fill ...byte) keyagent.Ring {
	t.Helper()
	r := keyagent.Ring{Generation: generation}
	for i, b := range fill {
		s, err := keyagent.NewSecret(bytes.Repeat([]byte{b}, keyagent.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		r.Keys = append(r.Keys, keyagent.Key{Master: s, Active: i == 0})
	}
	t.Cleanup(r.Wipe)
	return r
}

func wantID(t *testing.T, b byte) format.KeyID {
	t.Helper()
	k, err := format.DeriveKeys(bytes.Repeat([]byte{b}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k.ID()
}

func TestKeysFollowTheHolder(t *testing.T) {
	var log bytes.Buffer
	k := &keys{log: zerolog.New(&log)}
	if _, err := k.Ring(); !errors.Is(err, format.ErrNoKey) || k.KeyStatus().Loaded {
		t.Errorf("at first: %v, %+v", err, k.KeyStatus())
	}

	r := ring(t, 1, 'a', 'b', 'c')
	// The active key need not be the first one.
	r.Keys[0], r.Keys[2] = r.Keys[2], r.Keys[0]
	if err := k.apply(r); err != nil {
		t.Fatal(err)
	}
	r.Wipe() // as the client does after apply: the keyring must not need it
	got, err := k.Ring()
	if err != nil {
		t.Fatal(err)
	}
	want := []format.KeyID{wantID(t, 'a'), wantID(t, 'c'), wantID(t, 'b')}
	if fmt.Sprint(got.IDs()) != fmt.Sprint(want) {
		t.Errorf("ids %v, want %v", got.IDs(), want)
	}
	var head [54]byte
	copy(head[10:], want[2][:])
	where, err := format.NewContext(format.BucketID{1}, "k")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.BlockKeys(want[2], head, where); err != nil {
		t.Errorf("an older key is unusable: %v", err)
	}
	if s := k.KeyStatus(); !s.Loaded || s.ID != want[0].String() || time.Since(s.LoadedAt) > time.Minute {
		t.Errorf("status %+v", s)
	}

	// A request that began keeps its ring through a clear.
	if err := k.apply(keyagent.Ring{Generation: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Ring(); !errors.Is(err, format.ErrNoKey) || k.KeyStatus().Loaded || k.KeyStatus().ID != "" {
		t.Errorf("after a clear: %v, %+v", err, k.KeyStatus())
	}
	if _, err := got.BlockKeys(want[2], head, where); err != nil {
		t.Errorf("the clear took the key of a running request: %v", err)
	}
	for _, text := range []string{"keys loaded", want[0].String(), `"older_keys":2`, "keys cleared"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("the log lacks %q", text)
		}
	}
	for _, b := range "abc" {
		if strings.Contains(log.String(), strings.Repeat(string(b), 8)) || strings.Contains(log.String(), strings.Repeat(fmt.Sprintf("%x", b), 8)) {
			t.Error("the log has key bytes")
		}
	}
}

func TestKeysStayThroughARepeatedRing(t *testing.T) {
	k := &keys{log: zerolog.Nop()}
	for generation := uint64(1); generation < 4; generation++ {
		if err := k.apply(ring(t, generation, 'a', 'b')); err != nil {
			t.Fatal(err)
		}
	}
	first := k.current.Load()
	if err := k.apply(ring(t, 9, 'a', 'b')); err != nil || k.current.Load() != first {
		t.Error("the same ring again changed something")
	}
	for _, changed := range []keyagent.Ring{ring(t, 10, 'a'), ring(t, 11, 'a', 'c'), ring(t, 12, 'c', 'a')} {
		before := k.current.Load()
		if err := k.apply(changed); err != nil || k.current.Load() == before {
			t.Errorf("generation %d was not taken: %v", changed.Generation, err)
		}
	}
}

func TestKeysThatCannotBeUsedLeaveTheOldOnes(t *testing.T) {
	k := &keys{log: zerolog.Nop()}
	if err := k.apply(ring(t, 1, 'a')); err != nil {
		t.Fatal(err)
	}
	before := k.current.Load()
	wiped := ring(t, 2, 'b')
	wiped.Wipe()
	inactive := ring(t, 3, 'b', 'c')
	inactive.Keys[0].Active = false
	twoActive := ring(t, 4, 'b', 'c')
	twoActive.Keys[1].Active = true
	twice := ring(t, 5, 'b', 'b')
	for name, r := range map[string]keyagent.Ring{"wiped": wiped, "no active key": inactive, "two active keys": twoActive, "the same key twice": twice} {
		if err := k.apply(r); err == nil {
			t.Errorf("%s: taken", name)
		}
		if k.current.Load() != before {
			t.Errorf("%s: the old keys are gone", name)
		}
	}
}

// TestKeysComeOverTheSocket joins the real client and the real agent.
func TestKeysComeOverTheSocket(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := keyagent.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	holder := keyagent.NewHolder()
	wg.Go(func() { _ = keyagent.Serve(ctx, ln, holder, keyagent.Policy{}) }) // ends with ctx
	client, err := keyagent.NewClient(keyagent.ClientConfig{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	k := &keys{log: zerolog.Nop()}
	k.holder.Store(client)
	if k.supplied() {
		t.Error("supplied before there was a connection")
	}
	wg.Go(func() { _ = client.Run(ctx, k.apply) }) // ends with ctx
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			if ok() {
				return
			}
		}
		t.Fatalf("never: %s", what)
	}
	for _, fill := range []byte("ab") {
		r := ring(t, 1, fill)
		if _, err := holder.Load(r.Keys); err != nil {
			t.Fatal(err)
		}
		until("key "+string(fill), func() bool { return k.KeyStatus().ID == wantID(t, fill).String() })
	}
	until("supplied", k.supplied)
	holder.Clear()
	until("cleared", func() bool { return !k.KeyStatus().Loaded })
}

// TestAHolderWithoutKeysIsTold: the holder is killed and comes back without keys. The proxy goes on, and says that its own
// restart would be without.
func TestAHolderWithoutKeysIsTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	socket := filepath.Join(t.TempDir(), "s")
	serve := func(holder *keyagent.Holder) (stop func()) {
		t.Helper()
		ln, err := keyagent.Listen(socket)
		if err != nil {
			t.Fatal(err)
		}
		life, end := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { defer close(done); _ = keyagent.Serve(life, ln, holder, keyagent.Policy{}) }() // ends with life
		return func() { end(); <-done }
	}
	holder := keyagent.NewHolder()
	if _, err := holder.Load(ring(t, 1, 'a').Keys); err != nil {
		t.Fatal(err)
	}
	stop := serve(holder)
	client, err := keyagent.NewClient(keyagent.ClientConfig{Socket: socket, MaxBackoff: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	k := &keys{log: zerolog.Nop(), mode: "export"}
	k.holder.Store(client)
	wg.Go(func() { _ = client.Run(ctx, k.apply) }) // ends with ctx
	told := func(text string) func() bool {
		return func() bool {
			mode, err := k.ProbeKeys()
			return err == nil && mode == "mode export"+text
		}
	}
	const away = "; memkey-server is away or has no key: deliver one before this proxy restarts"
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if ok() {
				return
			}
		}
		t.Fatalf("never: %s", what)
	}
	until("supplied", told(""))
	stop()
	until("away", told(away))
	empty := keyagent.NewHolder()
	stop = serve(empty)
	defer stop()
	time.Sleep(300 * time.Millisecond) // several attempts: it is connected, and nothing comes
	if !told(away)() {
		t.Error("a holder without keys counts as one that supplies")
	}
	if _, err := empty.Load(ring(t, 1, 'a').Keys); err != nil {
		t.Fatal(err)
	}
	until("supplied again", told(""))
}

func TestKeysUnderConcurrentUse(t *testing.T) {
	k := &keys{log: zerolog.Nop()}
	a, b := ring(t, 1, 'a'), ring(t, 2, 'b')
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for range 200 {
			for _, r := range []keyagent.Ring{a, {Generation: 2}, b} {
				if err := k.apply(r); err != nil {
					t.Error(err)
				}
			}
		}
	})
	ids := map[format.KeyID]bool{wantID(t, 'a'): true, wantID(t, 'b'): true}
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r, err := k.Ring()
				if err != nil {
					continue
				}
				if id, err := r.Active(); err != nil || !ids[id] {
					t.Errorf("a half-changed ring: %v %v", id, err)
					return
				}
				_ = k.KeyStatus()
			}
		})
	}
	wg.Wait()
}
