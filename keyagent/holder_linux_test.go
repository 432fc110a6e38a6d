package keyagent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestLoadRefusesWhatNoRingMayHaveAndChangesNothing(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 2)
	secret := func(n int) *Secret { return newTestSecret(t, testKey(n)) }
	wiped := secret(9)
	wiped.Wipe()
	same := secret(1)
	var many []Key
	for i := range MaxKeys + 1 {
		many = append(many, Key{Master: secret(i), Active: i == 0})
	}
	for name, keys := range map[string][]Key{
		"no keys":            nil,
		"too many":           many,
		"none active":        {{Master: secret(1)}, {Master: secret(2)}},
		"two active":         {{Master: secret(1), Active: true}, {Master: secret(2), Active: true}},
		"equal masters":      {{Master: secret(1), Active: true}, {Master: secret(2)}, {Master: secret(1)}},
		"the same twice":     {{Master: same, Active: true}, {Master: same}},
		"no master":          {{Active: true}},
		"wiped master":       {{Master: wiped, Active: true}},
		"long label":         {{Master: secret(1), Active: true, Label: strings.Repeat("x", MaxLabel+1)}},
		"control character":  {{Master: secret(1), Active: true, Label: "a\x1b[31m"}},
		"newline":            {{Master: secret(1), Active: true, Label: "a\nb"}},
		"label is not UTF-8": {{Master: secret(1), Active: true, Label: "\xff"}},
	} {
		generation, err := h.Load(keys)
		if !errors.Is(err, ErrBadRing) || generation != 0 {
			t.Errorf("%s: generation %d, %v; want ErrBadRing", name, generation, err)
		}
		for i, k := range keys { // still the caller's
			if k.Master == nil || k.Master == wiped {
				continue
			}
			if err := k.Master.Use(func([]byte) {}); err != nil {
				t.Errorf("%s: key %d after a refused Load: %v", name, i, err)
			}
		}
		defer Ring{Keys: keys}.Wipe()
	}
	ring := h.Snapshot()
	defer ring.Wipe()
	if n, err := checkTestRing(ring); n != 2 || err != nil || ring.Generation != 1 {
		t.Errorf("after refused loads: load %d generation %d, %v", n, ring.Generation, err)
	}
}

func TestLoadAcceptsTheLargestRing(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	var keys []Key
	for i := range MaxKeys {
		keys = append(keys, Key{Label: strings.Repeat("ä", MaxLabel/2), Master: newTestSecret(t, testKey(i)), Active: i == 15})
	}
	if _, err := h.Load(keys); err != nil {
		t.Fatal(err)
	}
	keys[0] = Key{} // the slice stays the caller's
	ring := h.Snapshot()
	defer ring.Wipe()
	if len(ring.Keys) != MaxKeys || ring.Keys[0].Master == nil || !ring.Keys[15].Active {
		t.Errorf("snapshot %v", ring)
	}
}

func TestLoadWipesTheOldKeysAndClearAll(t *testing.T) {
	checkLeaks(t)
	h := NewHolder()
	if ring := h.Snapshot(); ring.Generation != 0 || len(ring.Keys) != 0 {
		t.Errorf("new holder: %v", ring)
	}
	first, err := testRing(1)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := h.Load(first); g != 1 || err != nil {
		t.Fatalf("generation %d, %v", g, err)
	}
	snapshot := h.Snapshot()
	if g := load(t, h, 2); g != 2 {
		t.Errorf("generation %d, want 2", g)
	}
	if err := first[0].Master.Use(func([]byte) {}); err != ErrWiped {
		t.Errorf("old key after Load: %v, want ErrWiped", err)
	}
	if n, err := checkTestRing(snapshot); n != 1 || err != nil {
		t.Errorf("snapshot after Load: load %d, %v", n, err)
	}
	snapshot.Wipe()
	if g := h.Clear(); g != 3 {
		t.Errorf("generation %d, want 3", g)
	}
	if ring := h.Snapshot(); ring.Generation != 3 || len(ring.Keys) != 0 {
		t.Errorf("cleared holder: %v", ring)
	}
	if g := h.Clear(); g != 4 {
		t.Errorf("a second Clear: generation %d, want 4", g)
	}
	if kb := lockedKB(); kb != 0 {
		t.Errorf("%d KiB locked after Clear", kb)
	}
}

func TestWaitReturnsAtOnceOrWithTheNextChangeOrWithTheContext(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	load(t, h, 1)
	ring, err := h.Wait(context.Background(), 0)
	if n, _ := checkTestRing(ring); n != 1 || err != nil {
		t.Errorf("load %d, %v", n, err)
	}
	ring.Wipe()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if ring, err := h.Wait(ctx, 1); err != context.DeadlineExceeded || len(ring.Keys) != 0 {
		t.Errorf("%v, %v; want DeadlineExceeded", ring, err)
	}
	if _, err := h.Wait(ctx, 0); err != context.DeadlineExceeded {
		t.Errorf("ended context: %v", err)
	}
	got := make(chan Ring)
	go func() {
		ring, err := h.Wait(context.Background(), 1)
		if err != nil {
			t.Error(err)
		}
		got <- ring
	}()
	time.Sleep(10 * time.Millisecond)
	h.Clear()
	if ring := receive(t, got); ring.Generation != 2 || len(ring.Keys) != 0 {
		t.Errorf("%v, want the cleared ring", ring)
	}
}

// TestWaitLosesNoChange: a waiter that always asks for the next generation ends at the last one, whatever the timing.
func TestWaitLosesNoChange(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	const changes = 500
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			seen, last := uint64(0), 0
			for seen < changes {
				ring, err := h.Wait(context.Background(), seen)
				if err != nil {
					t.Error(err)
					return
				}
				n, err := checkTestRing(ring)
				if err == nil && ring.Generation <= seen {
					err = fmt.Errorf("generation %d after %d", ring.Generation, seen)
				}
				if err == nil && len(ring.Keys) > 0 && n <= last {
					err = fmt.Errorf("load %d after %d", n, last)
				}
				if err != nil {
					t.Error(err)
				}
				seen, last = ring.Generation, max(n, last)
				ring.Wipe()
			}
		})
	}
	for i := 1; i <= changes; i++ {
		if i%5 == 0 {
			h.Clear()
		} else {
			load(t, h, i)
		}
	}
	all.Wait()
}
