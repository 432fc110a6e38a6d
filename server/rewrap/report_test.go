package rewrap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func (r *Report) key(id format.KeyID) KeyReport {
	for _, k := range r.Keys {
		if k.ID == id.String() {
			return k
		}
	}
	return KeyReport{}
}

func TestOldKeyIsRetirableOnlyWhenNothingNamesIt(t *testing.T) {
	a := keyID(t, 'A')
	try := func(what string, want bool, change func(*fake)) {
		t.Helper()
		f := rotated(t, 3)
		change(f)
		if _, err := run(t.Context(), t, f); err != nil {
			t.Fatal(err)
		}
		report, err := run(t.Context(), t, f, func(c *Config) { c.Survey = true })
		if err != nil {
			t.Fatal(err)
		}
		if got := report.key(a); got.Retirable != want || !got.Recorded || !got.Loaded || got.Active {
			t.Errorf("%s: %+v", what, got)
		}
		if b := report.key(keyID(t, 'B')); b.Retirable || !b.Active || b.Objects == 0 {
			t.Errorf("%s: the active key: %+v", what, b)
		}
	}
	try("all rewrapped", true, func(*fake) {})
	try("something unsealed", true, func(f *fake) { f.put(t, "x", []byte("not sealed at all")) })
	try("a moved object", false, func(f *fake) { f.put(t, "x", sealed(t, ringOf(t, 'A'), "elsewhere", nil)) })
	try("an edited object", false, func(f *fake) {
		data := sealed(t, ringOf(t, 'A'), "x", nil)
		data[200] ^= 1
		f.put(t, "x", data)
	})
	try("an object of a later version", false, func(f *fake) {
		data := sealed(t, ringOf(t, 'A'), "x", nil)
		data[5] = 9
		f.put(t, "x", data)
	})
	// In the walk that rewrapped all, it is retirable already; in half a walk never.
	f := rotated(t, 3)
	report, err := run(t.Context(), t, f)
	if k := report.key(a); err != nil || !k.Retirable || k.Objects != 0 {
		t.Errorf("%v %+v", err, k)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := Prepare(t.Context(), Config{Store: f, Ring: ringOf(t, 'B', 'A'), Bucket: name})
	if err != nil {
		t.Fatal(err)
	}
	if report, err := r.Walk(ctx); err == nil || report.key(a).Retirable {
		t.Errorf("%v %+v", err, report)
	}
}

func TestRetireTakesAKeyOutOfTheState(t *testing.T) {
	f := rotated(t, 3)
	a, cfg := keyID(t, 'A'), Config{Store: f, Ring: ringOf(t, 'B', 'A'), Bucket: name}
	if _, err := Retire(t.Context(), cfg, a); !errors.Is(err, ErrInUse) {
		t.Errorf("a key in use: %v", err)
	}
	if _, err := run(t.Context(), t, f); err != nil {
		t.Fatal(err)
	}
	for _, id := range []format.KeyID{keyID(t, 'B'), keyID(t, 'Z')} {
		if _, err := Retire(t.Context(), cfg, id); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", id, err)
		}
	}
	behind := cfg
	behind.Ring = ringOf(t, 'A', 'B')
	if _, err := Retire(t.Context(), behind, a); !errors.Is(err, ErrKeys) {
		t.Errorf("with a ring that is behind: %v", err)
	}
	f.noPut = true
	before := f.objects[format.StateKey]
	if _, err := Retire(t.Context(), cfg, a); !errors.Is(err, ErrNoConditions) || f.objects[format.StateKey].etag != before.etag {
		t.Errorf("on a store without conditions: %v", err)
	}
	f.noPut = false
	// Another proxy changes the state meanwhile: nothing of it is lost.
	var once sync.Once
	f.before = func(_ int, op, key string) error {
		if op == "Put" && key == format.StateKey {
			once.Do(func() { f.setState(t, ringOf(t, 'C', 'B', 'A')) })
		}
		return nil
	}
	raced := cfg
	raced.Ring = ringOf(t, 'B', 'A', 'C')
	if _, err := Retire(t.Context(), raced, a); !errors.Is(err, ErrRotated) {
		t.Errorf("after a rotation meanwhile: %v", err)
	}
	f.before = nil
	f.mu.Lock()
	f.objects[format.StateKey] = before
	f.mu.Unlock()
	f.after = func(_ int, op, key string) error {
		if op == "Put" && key == format.StateKey {
			return errBusy // the answer is lost
		}
		return nil
	}
	if _, err := Retire(t.Context(), cfg, a); err != nil {
		t.Fatal(err)
	}
	f.after = nil
	st, err := readState(t.Context(), f, ringOf(t, 'B'), name)
	if err != nil || st.active != keyID(t, 'B') || len(st.Keys) != 1 || st.BucketID != bucketID {
		t.Errorf("%+v %v", st, err)
	}
	if report, err := run(t.Context(), t, f, func(c *Config) { c.Ring = ringOf(t, 'B') }); err != nil || !report.Clean() {
		t.Errorf("with a ring without the key: %v %+v", err, report)
	}
}

func TestNamesAndKeysAreBounded(t *testing.T) {
	tot := newTotals()
	recorded := map[format.KeyID][32]byte{keyID(t, 'A'): {}}
	for i := range maxNamed + 500 {
		var id format.KeyID
		binary.BigEndian.PutUint32(id[:], uint32(i))
		tot.add(Outcome{Key: fmt.Sprint(i), Kind: Unreadable, Err: format.ErrCommit, KeyID: id, Named: true, Size: 10}, recorded)
	}
	tot.add(Outcome{Key: "a", Kind: Current, KeyID: keyID(t, 'A'), Named: true, Size: 10}, recorded)
	if len(tot.Trouble) != maxNamed || tot.Unnamed != 500 || len(tot.Keys) != maxKeys+1 || tot.Further.Objects != maxNamed+500-maxKeys {
		t.Errorf("%d named, %d not, %d keys, %d further", len(tot.Trouble), tot.Unnamed, len(tot.Keys), tot.Further.Objects)
	}
	if tot.Keys[keyID(t, 'A').String()].Objects != 1 {
		t.Error("a recorded key had no room")
	}
	c := &checkpoint{Version: checkpointVersion, After: "k", Totals: tot}
	for i := range tot.Trouble {
		tot.Trouble[i] = Trouble{string(bytes.Repeat([]byte{1}, 1024)), Failed, string(bytes.Repeat([]byte{1}, maxReason))}
	}
	if b, err := c.encode(); err != nil || len(b) > maxCheckpoint {
		t.Errorf("the largest checkpoint has %d bytes, %v", len(b), err)
	}
	long := Outcome{Kind: Failed, Err: errors.New(string(make([]byte, 10000)))}
	if n := len(long.reason()); n != maxReason {
		t.Errorf("a reason of %d bytes", n)
	}
}

func TestOutcomesWaitInABoundedWindow(t *testing.T) {
	var entered []string
	l := newLedger(8, "", func(o Outcome) { entered = append(entered, o.Key) })
	stop := make(chan struct{})
	var jobs []*job
	for i := range 8 {
		j, ok := l.begin(fmt.Sprint(i), stop)
		if !ok {
			t.Fatal("no room")
		}
		jobs = append(jobs, j)
	}
	for _, j := range jobs[1:] {
		l.finish(j, Outcome{Key: j.key})
	}
	time.AfterFunc(20*time.Millisecond, func() { close(stop) })
	if _, ok := l.begin("8", stop); ok || len(entered) != 0 {
		t.Errorf("the window grew: %v", entered)
	}
	l.finish(jobs[0], Outcome{Key: "0"})
	if fmt.Sprint(entered) != "[0 1 2 3 4 5 6 7]" || l.after != "7" {
		t.Errorf("entered %v, after %q", entered, l.after)
	}
	if _, ok := l.begin("8", nil); !ok {
		t.Error("no room again")
	}
}

// TestLedgerEntersInOrder finishes jobs in random orders, some failed.
func TestLedgerEntersInOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var entered []string
		l := newLedger(64, "", func(o Outcome) { entered = append(entered, o.Key) })
		jobs := make([]*job, 40)
		for i := range jobs {
			jobs[i], _ = l.begin(fmt.Sprintf("%02d", i), nil)
		}
		failed := map[int]bool{}
		for _, i := range rnd.Perm(40) {
			kind := Current
			if rnd.IntN(4) == 0 {
				kind, failed[i] = Failed, true
			}
			l.finish(jobs[i], Outcome{Key: jobs[i].key, Kind: kind})
		}
		n := 40
		for failed[n-1] {
			n--
		}
		if len(entered) != n || !isSorted(entered) {
			t.Fatalf("entered %v, want the first %d", entered, n)
		}
		if l.end(); len(entered) != 40 {
			t.Fatalf("entered %d at the end", len(entered))
		}
	}
}

// fakeClock jumps.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) clock() clock {
	return clock{
		now: func() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now },
		sleep: func(_ context.Context, d time.Duration) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.now = c.now.Add(d)
			return nil
		},
	}
}

func TestLimiterHoldsTheAverage(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 50, 1e6} {
		for _, piece := range []int64{1, 100, 1 << 20} {
			c := &fakeClock{now: time.Unix(1e9, 0)}
			l := newLimiter(rate, c.clock())
			const n = 200
			for range n {
				if err := l.spend(t.Context(), piece); err != nil {
					t.Fatal(err)
				}
			}
			took := c.now.Sub(time.Unix(1e9, 0)).Seconds()
			// All but a second's burst and the last piece are paid for.
			least := (n-1)*float64(piece)/rate - 1 - 1/rate
			if most := n * float64(piece) / rate; took < least*0.999 || took > most*1.001+1 {
				t.Errorf("%v a second, %d pieces of %d: took %v s, want %v to %v", rate, n, piece, took, least, most)
			}
		}
	}
	l := newLimiter(0, clock{time.Now, sleep})
	if err := l.spend(t.Context(), 1<<50); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l = newLimiter(1, clock{time.Now, sleep})
	if err := l.spend(ctx, 100); err != nil {
		t.Error(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := l.spend(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait goes on after its end: %v", err)
	}
}

func TestRatesAreForObjectsLookedAtAndBytesWritten(t *testing.T) {
	took := func(change func(*Config)) time.Duration {
		f := rotated(t, 48)
		c := &fakeClock{now: time.Unix(1e9, 0)}
		if _, err := run(t.Context(), t, f, func(cfg *Config) { cfg.clock = c.clock(); change(cfg) }); err != nil {
			t.Fatal(err)
		}
		return c.now.Sub(time.Unix(1e9, 0))
	}
	if d := took(func(*Config) {}); d != 0 {
		t.Errorf("without a rate: %v", d)
	}
	if d := took(func(c *Config) { c.Objects = 10 }); d < 3900*time.Millisecond || d > 5*time.Second {
		t.Errorf("50 objects at 10 a second: %v", d)
	}
	if d := took(func(c *Config) { c.Bytes, c.Parallel = 10_000, 1 }); d < time.Second || d > 6*time.Second {
		t.Errorf("about 32 KB at 10 KB a second: %v", d)
	}
}

func TestProgressAndCount(t *testing.T) {
	f := rotated(t, 20)
	f.put(t, "x", []byte("x"))
	r, err := Prepare(t.Context(), Config{Store: f, Ring: ringOf(t, 'B', 'A'), Bucket: name})
	if err != nil {
		t.Fatal(err)
	}
	n, err := r.Count(t.Context())
	if err != nil || n.Objects != 23 {
		t.Errorf("%+v %v", n, err)
	}
	if p := r.Progress(); p != (Progress{}) {
		t.Errorf("%+v", p)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() { // beside the walk, for the race detector
		for {
			select {
			case <-done:
				return
			default:
				r.Progress()
				r.Report()
			}
		}
	})
	if _, err := r.Walk(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(done)
	wg.Wait()
	if p := r.Progress(); p.Seen != n || p.Rewrapped.Objects != 20 || p.Trouble != 1 {
		t.Errorf("%+v", p)
	}
	f.before = func(int, string, string) error { return errBusy }
	if _, err := r.Count(t.Context()); backend.KindOf(err) != backend.Busy {
		t.Errorf("%v", err)
	}
}

func TestOutcomesNameTheirReason(t *testing.T) {
	for err, want := range map[error]string{
		format.ErrKeyUnknown: "not in the ring", format.ErrNotSealed: "not sealed", format.ErrForeign: "size", format.ErrVersion: "version",
		format.ErrUnsupported: "feature", format.ErrCommit: "under this name", format.ErrIntegrity: "changed", errBusy: "busy",
	} {
		o := Outcome{Key: "secret name", Kind: Unreadable, Err: fmt.Errorf("x: %w", err)}
		if got := o.reason(); !bytes.Contains([]byte(got), []byte(want)) {
			t.Errorf("%v: %q", err, got)
		}
	}
	if (Outcome{}).reason() != "" || (Outcome{Kind: Changed, Err: errBusy}).reason() != "kept changing" {
		t.Error("reasons")
	}
}
