package rewrap

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// killer ends a run before or after its n-th call to the store: nothing comes after.
func killer(f *fake, n int, took bool) (ctx context.Context, reached *atomic.Bool) {
	ctx, cancel := context.WithCancelCause(context.Background())
	reached = new(atomic.Bool)
	kill := func(i int, _, _ string) error {
		if i >= n {
			reached.Store(true)
			cancel(errStop)
			return errBusy
		}
		return nil
	}
	if f.before, f.after = kill, nil; took {
		f.before, f.after = nil, kill
	}
	return ctx, reached
}

// TestKilledWhilePartsAreMoved: an object that was uploaded in parts, of which the store
// moves all but the end, is the old one or the new one after a kill at any call, its bytes
// before the tail untouched, and the next run finishes.
func TestKilledWhilePartsAreMoved(t *testing.T) {
	base := rotated(t, 1)
	was := sealedParts(t, ringOf(t, 'A'), "parts", 5<<20, 5<<20, 1)
	base.put(t, "parts", was)
	for n, more := 0, true; more; n++ {
		more = false
		for _, took := range []bool{false, true} {
			f := base.copy()
			ctx, reached := killer(f, n, took)
			_, _ = run(ctx, t, f, func(c *Config) { c.Parallel = 1 })
			more = reached.Load() || more
			whole := func() format.KeyID {
				now := f.objects["parts"].data
				if len(now) != len(was) || !bytes.Equal(now[:len(now)-512], was[:len(was)-512]) {
					t.Fatalf("cut at call %d: the object's body was touched", n)
				}
				return tailKey(t, "parts", now)
			}
			whole()
			f.before, f.after = nil, nil
			if report, err := run(t.Context(), t, f); err != nil || !report.Clean() {
				t.Fatalf("cut at call %d: the next run: %v %+v", n, err, report)
			}
			if whole() != keyID(t, 'B') {
				t.Fatalf("cut at call %d: the next run left the old key", n)
			}
		}
	}
}

// TestKilledWhileAKeyIsRetired: the state names both keys, or the new one alone, and every
// object opens with what it names; asked again, the key is retired.
func TestKilledWhileAKeyIsRetired(t *testing.T) {
	base := rotated(t, 4)
	if report, err := run(t.Context(), t, base); err != nil || !report.Clean() {
		t.Fatal(err, report)
	}
	retire := func(ctx context.Context, f *fake) error {
		_, err := Retire(ctx, Config{Store: f, Ring: ringOf(t, 'B', 'A'), Bucket: name, Warn: func(error) {}}, keyID(t, 'A'))
		return err
	}
	for n, more := 0, true; more; n++ {
		more = false
		for _, took := range []bool{false, true} {
			f := base.copy()
			ctx, reached := killer(f, n, took)
			_ = retire(ctx, f)
			more = reached.Load() || more
			f.before, f.after = nil, nil
			st, err := format.OpenState(ringOf(t, 'B', 'A'), f.objects[format.StateKey].data)
			if err != nil || len(st.Keys) != 1 && len(st.Keys) != 2 {
				t.Fatalf("cut at call %d: the state: %v", n, err)
			}
			if _, ok := st.Keys[keyID(t, 'B')]; !ok {
				t.Fatalf("cut at call %d: the active key was retired", n)
			}
			sameObjects(t, f, base, ringOf(t, 'B'))
			if err := retire(t.Context(), f); err != nil && len(st.Keys) == 2 {
				t.Fatalf("cut at call %d: the next try: %v", n, err)
			}
			if st, err = format.OpenState(ringOf(t, 'B'), f.objects[format.StateKey].data); err != nil || len(st.Keys) != 1 {
				t.Fatalf("cut at call %d: after the next try: %v", n, err)
			}
		}
	}
}
