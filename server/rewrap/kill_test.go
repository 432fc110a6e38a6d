package rewrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// TestKilledAfterAnyCall ends a run before and after every single call to the
// store, as a killed process or a cut connection would: the call took effect or
// not, nothing comes after it. Then every object is whole, old or new, and a run
// from the checkpoint finishes.
func TestKilledAfterAnyCall(t *testing.T) {
	base := rotated(t, 6).addLarge(t)
	full := ringOf(t, 'B', 'A')
	step := 1
	if testing.Short() {
		step = 5
	}
	for n := 0; ; n += step {
		reached := false
		for _, took := range []bool{false, true} {
			f := base.copy()
			ctx, cancel := context.WithCancelCause(t.Context())
			kill := func(i int, _, _ string) error {
				if i >= n {
					cancel(errStop)
					return errBusy
				}
				return nil
			}
			if took {
				f.after = kill
			} else {
				f.before = kill
			}
			file := t.TempDir() + "/checkpoint"
			_, err := run(ctx, t, f, func(c *Config) { c.Checkpoint, c.Parallel = file, 1+n%3 })
			if err != nil {
				reached = true
			}
			sameObjects(t, f, base, full)
			f.before, f.after = nil, nil
			report, err := run(t.Context(), t, f, func(c *Config) { c.Checkpoint = file })
			if err != nil || !report.Clean() || report.Seen.Objects != 9 {
				t.Fatalf("cut at call %d: the next run: %v %+v", n, err, report)
			}
			if keys := sameObjects(t, f, base, ringOf(t, 'B', 'A')); keys[keyID(t, 'B')] != 9 {
				t.Fatalf("cut at call %d: %v", n, keys)
			}
			cancel(nil)
		}
		if !reached {
			if n < 20 {
				t.Fatalf("a run has only %d calls", n)
			}
			return
		}
	}
}

// TestAnswersLostAtRandom loses answers of writes, so that a run does not know
// what took effect.
func TestAnswersLostAtRandom(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		f := rotated(t, 12)
		want := f.copy()
		var mu sync.Mutex
		f.after = func(_ int, op, key string) error {
			mu.Lock()
			defer mu.Unlock()
			if op != "Put" || key[0] == '_' || rnd.IntN(3) > 0 {
				return nil
			}
			if rnd.IntN(2) == 0 { // what the client's own look afterwards makes of it
				return &backend.Error{Kind: backend.Precondition, Op: "PutObject", Unsure: true}
			}
			return errBusy
		}
		if _, err := run(t.Context(), t, f); err != nil {
			t.Fatal(err)
		}
		sameObjects(t, f, want, ringOf(t, 'B', 'A'))
		f.after = nil
		if report, err := run(t.Context(), t, f); err != nil || !report.Clean() {
			t.Errorf("%v %+v", err, report)
		}
	}
}

func TestTwoRunsAtOnce(t *testing.T) {
	f := rotated(t, 120).addLarge(t)
	want := f.copy()
	var wg sync.WaitGroup
	reports := make([]Report, 3)
	for i := range reports {
		wg.Go(func() {
			var err error
			reports[i], err = run(t.Context(), t, f, func(c *Config) { c.Parallel = 3 })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if keys := sameObjects(t, f, want, ringOf(t, 'B', 'A')); keys[keyID(t, 'B')] != 123 {
		t.Errorf("%v", keys)
	}
	var rewrapped int64
	for _, r := range reports {
		if !r.Clean() {
			t.Errorf("%+v", r)
		}
		rewrapped += r.Kinds.Rewrapped.Objects
	}
	if rewrapped != 121 {
		t.Errorf("%d objects were rewrapped, of 121", rewrapped)
	}
	if len(f.uploads) != 0 {
		t.Error("an upload is left")
	}
}

// TestConcurrentPutsAlwaysWin writes while the bucket is rewrapped: what was
// acknowledged last is what is there in the end.
func TestConcurrentPutsAlwaysWin(t *testing.T) {
	f := rotated(t, 40).addLarge(t)
	full := ringOf(t, 'B', 'A')
	before := f.copy()
	var wg sync.WaitGroup
	last := make([]map[string]stored, 3)
	done := make(chan struct{})
	for w := range last {
		last[w] = map[string]stored{}
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 7))
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				key := fmt.Sprintf("a%04d", rnd.IntN(13)*3+w) // each has its own keys
				if i%50 == 49 && w == 0 {
					key = "large"
				}
				// Clients of a proxy that is up to date, and of one that is not yet.
				data := sealed(t, ringOf(t, []byte("AB")[i%2]), key, fmt.Appendf(nil, "writer %d, version %d", w, i))
				f.mu.Lock()
				_, _ = f.set(key, data, backend.Conditions{})
				last[w][key] = f.objects[key]
				f.mu.Unlock()
			}
		})
	}
	for range 8 {
		if _, err := run(t.Context(), t, f); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
	expect := before
	for _, m := range last {
		for key, o := range m {
			expect.objects[key] = o
		}
	}
	sameObjects(t, f, expect, full)
	for _, m := range last {
		for key, o := range m {
			if !bytes.Equal(f.objects[key].data[18:34], o.data[18:34]) { // the body's id
				t.Errorf("%s is not what was acknowledged last", key)
			}
		}
	}
	report, err := run(t.Context(), t, f)
	if err != nil || !report.Clean() {
		t.Errorf("%v %+v", err, report)
	}
}

func TestLostIsOnlyWhatProvesAChange(t *testing.T) {
	for err, want := range map[error]bool{
		nil: false, errBusy: false, kind(backend.Denied): false, kind(backend.Invalid): false, errors.New("x"): false, format.ErrIntegrity: false,
		kind(backend.Precondition): true, kind(backend.Conflict): true, kind(backend.NotFound): true,
		&backend.Error{Kind: backend.Busy, Code: "NoSuchKey"}: true,
	} {
		if lost(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
