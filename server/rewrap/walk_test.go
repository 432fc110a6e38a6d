package rewrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func TestWalkBringsAllUnderTheActiveKey(t *testing.T) {
	f := rotated(t, 25).addLarge(t)
	f.page = 7
	want := f.copy()
	var order []string
	report, err := run(t.Context(), t, f, func(c *Config) { c.Each = func(o Outcome) { order = append(order, o.Key) } })
	if err != nil {
		t.Fatal(err)
	}
	keys := sameObjects(t, f, want, ringOf(t, 'B', 'A'))
	if keys[keyID(t, 'B')] != 28 || len(keys) != 1 {
		t.Errorf("keys %v", keys)
	}
	if !report.Clean() || report.Kinds.Rewrapped.Objects != 26 || report.Kinds.Current.Objects != 2 || report.Seen.Objects != 28 {
		t.Errorf("%+v", report)
	}
	if len(f.uploads) != 0 {
		t.Error("an upload is left")
	}
	if len(order) != 28 || !isSorted(order) {
		t.Errorf("outcomes came in the order %v", order)
	}
	for key := range f.objects {
		if strings.HasPrefix(key, format.ReservedPrefix) && key != format.StateKey {
			t.Errorf("%s is left", key)
		}
	}
	n := f.count("Put") + f.count("CompleteUpload")
	report, err = run(t.Context(), t, f)
	if err != nil || report.Kinds.Current.Objects != 28 || f.count("Put")+f.count("CompleteUpload") != n {
		t.Errorf("the second run wrote, or %v: %+v", err, report.Kinds)
	}
}

func isSorted(s []string) bool {
	for i := range s[1:] {
		if s[i] >= s[i+1] {
			return false
		}
	}
	return true
}

func TestSurveyWritesNothing(t *testing.T) {
	f := rotated(t, 5)
	want := f.copy()
	report, err := run(t.Context(), t, f, func(c *Config) { c.Survey, c.Ring = true, ringOf(t, 'C', 'A', 'B') }) // C is not recorded yet
	if err != nil {
		t.Fatal(err)
	}
	if report.Kinds.Older.Objects != 5 || report.Kinds.Current.Objects != 2 || report.Active != keyID(t, 'B').String() {
		t.Errorf("%+v", report)
	}
	for _, op := range []string{"Put", "Delete", "CreateUpload"} {
		if f.count(op) > 0 {
			t.Errorf("a survey called %s", op)
		}
	}
	sameObjects(t, f, want, ringOf(t, 'B', 'A'))
}

func TestPrepareRefuses(t *testing.T) {
	try := func(what string, is error, change func(*fake, *Config)) {
		t.Helper()
		f := rotated(t, 1)
		cfg := Config{Store: f, Ring: ringOf(t, 'B', 'A'), Bucket: name}
		change(f, &cfg)
		_, err := Prepare(t.Context(), cfg)
		if err == nil || is != nil && !errors.Is(err, is) {
			t.Errorf("%s: %v", what, err)
		}
	}
	try("no store", nil, func(_ *fake, c *Config) { c.Store = nil })
	try("no ring", nil, func(_ *fake, c *Config) { c.Ring = nil })
	try("no bucket", nil, func(_ *fake, c *Config) { c.Bucket = "" })
	try("parallel", nil, func(_ *fake, c *Config) { c.Parallel = 1000 })
	try("objects", nil, func(_ *fake, c *Config) { c.Objects = -1 })
	try("bytes", nil, func(_ *fake, c *Config) { c.Bytes = -1 })
	try("checkpoint of a survey", nil, func(_ *fake, c *Config) { c.Survey, c.Checkpoint = true, "x" })
	try("no state", ErrState, func(f *fake, _ *Config) { delete(f.objects, format.StateKey) })
	try("huge state", ErrState, func(f *fake, _ *Config) {
		f.objects[format.StateKey] = stored{data: make([]byte, maxState+1), etag: `"x"`}
	})
	try("damaged state", ErrState, func(f *fake, _ *Config) {
		o := f.objects[format.StateKey]
		o.data = bytes.Clone(o.data)
		o.data[len(o.data)-1] ^= 1
		f.objects[format.StateKey] = o
	})
	try("another bucket's state", ErrState, func(_ *fake, c *Config) { c.Bucket = "another" })
	try("foreign ring", ErrKeys, func(_ *fake, c *Config) { c.Ring = ringOf(t, 'Z') })
	try("ring without the active key", ErrKeys, func(_ *fake, c *Config) { c.Ring = ringOf(t, 'A') })
	try("twin", ErrKeys, func(_ *fake, c *Config) { c.Ring = twin{ringOf(t, 'B', 'A')} })
	try("key not recorded", ErrNotRecorded, func(_ *fake, c *Config) { c.Ring = ringOf(t, 'C', 'B', 'A') })
	try("store down", nil, func(f *fake, _ *Config) { f.before = func(int, string, string) error { return errBusy } })
}

// twin has another tag under every id.
type twin struct{ *format.Keyring }

func (twin) KVT(format.KeyID) ([32]byte, bool) { return [32]byte{1}, true }

// A ring that is behind must not take objects back to its own active key.
func TestRingThatIsBehindRewrapsToTheBucketsKey(t *testing.T) {
	f := rotated(t, 5)
	report, err := run(t.Context(), t, f, func(c *Config) { c.Ring = ringOf(t, 'A', 'B') })
	if err != nil || report.Kinds.Rewrapped.Objects != 5 {
		t.Errorf("%v %+v", err, report)
	}
	if keys := sameObjects(t, f, rotatedCopy(f), ringOf(t, 'B')); keys[keyID(t, 'B')] != 7 {
		t.Errorf("%v", keys)
	}
}

func rotatedCopy(f *fake) *fake { return f.copy() }

func TestUnreadableObjectsAreNamedAndLeft(t *testing.T) {
	f := rotated(t, 4)
	a := ringOf(t, 'A')
	bad := map[string][]byte{
		"x-plain":    bytes.Repeat([]byte("not sealed "), 200),
		"x-empty":    {},
		"x-short":    []byte("SCPX"),
		"x-foreign":  append(sealed(t, a, "x-foreign", []byte("x")), make([]byte, 7)...),
		"x-moved":    sealed(t, a, "elsewhere", []byte("x")),
		"x-lost-key": sealed(t, ringOf(t, 'Z'), "x-lost-key", []byte("x")),
	}
	flipped := sealed(t, a, "x-flipped", []byte("x"))
	flipped[300] ^= 1
	bad["x-flipped"] = flipped
	part := sealed(t, a, "x-part", []byte("x"))
	part[6] = format.ClassPart
	clear(part[10:18])
	clear(part[50:54])
	bad["x-part"] = part
	for key, data := range bad {
		f.put(t, key, data)
	}
	report, err := run(t.Context(), t, f)
	if err != nil {
		t.Fatal(err)
	}
	if report.Kinds.Unreadable.Objects != int64(len(bad)) || report.Kinds.Rewrapped.Objects != 4 || !report.Complete || report.Clean() {
		t.Errorf("%+v", report.Kinds)
	}
	named := map[string]bool{}
	for _, x := range report.Trouble {
		named[x.Key] = x.Kind == Unreadable && x.Reason != ""
	}
	for key, data := range bad {
		if !named[key] {
			t.Errorf("%s is not named", key)
		}
		if !bytes.Equal(f.objects[key].data, data) {
			t.Errorf("%s was touched", key)
		}
	}
}

func TestObjectsOfAllSizesKeepTheirBodies(t *testing.T) {
	f := newFake()
	f.setState(t, ringOf(t, 'B', 'A'))
	for _, n := range []int{0, 1, format.SegmentSize - 1, format.SegmentSize, format.SegmentSize + 1, 5 << 20, 5<<20 + 1, 16<<20 - 4096, 16 << 20, 21 << 20} {
		key := fmt.Sprintf("k%09d", n)
		f.put(t, key, sealed(t, ringOf(t, 'A'), key, make([]byte, n)))
	}
	want := f.copy()
	report, err := run(t.Context(), t, f)
	if err != nil || !report.Clean() {
		t.Fatalf("%v %+v", err, report)
	}
	if keys := sameObjects(t, f, want, ringOf(t, 'B', 'A')); keys[keyID(t, 'B')] != 10 {
		t.Errorf("%v", keys)
	}
}

func TestStoreThatIgnoresConditionsIsNotWritten(t *testing.T) {
	f := rotated(t, 30)
	f.noPut = true
	want := f.copy()
	report, err := run(t.Context(), t, f)
	if !errors.Is(err, ErrNoConditions) || report.Complete || report.Kinds.Rewrapped.Objects != 0 {
		t.Errorf("%v %+v", err, report.Kinds)
	}
	for key, o := range want.objects {
		if f.objects[key].etag != o.etag {
			t.Errorf("%s was written", key)
		}
	}
	// Where only multipart uploads ignore them, only large objects stay.
	f = rotated(t, 3).addLarge(t)
	f.noComplete = true
	etag := f.objects["large"].etag
	report, err = run(t.Context(), t, f)
	if err != nil || report.Kinds.Rewrapped.Objects != 3 || report.Kinds.Held.Objects != 1 || f.objects["large"].etag != etag {
		t.Errorf("%v %+v", err, report.Kinds)
	}
	if len(report.Trouble) != 1 || !strings.Contains(report.Trouble[0].Reason, "If-Match") {
		t.Errorf("%+v", report.Trouble)
	}
}

func TestRunEndsWhenTheStoreIsGone(t *testing.T) {
	f := rotated(t, 200)
	f.before = func(_ int, op, key string) error {
		if op == "Get" && key > "a0100" && key[0] == 'a' {
			return errBusy
		}
		return nil
	}
	file := t.TempDir() + "/checkpoint"
	report, err := run(t.Context(), t, f, func(c *Config) { c.Checkpoint, c.Parallel = file, 1 })
	if !errors.Is(err, ErrStoreGone) || report.Kinds.Rewrapped.Objects != 101 || report.Kinds.Failed.Objects != 0 {
		t.Fatalf("%v %+v", err, report.Kinds)
	}
	if n := f.count("Get"); n > 400 {
		t.Errorf("%d reads of a store that is gone", n)
	}
	f.before = nil
	report, err = run(t.Context(), t, f, func(c *Config) { c.Checkpoint = file })
	if err != nil || !report.Clean() || !report.Resumed || report.Kinds.Rewrapped.Objects != 200 {
		t.Errorf("after the store came back: %v %+v", err, report)
	}
}

func TestRotationDuringARunIsTold(t *testing.T) {
	f := rotated(t, 5)
	var once sync.Once
	f.after = func(_ int, op, key string) error {
		if key == "a0002" {
			once.Do(func() { f.setState(t, ringOf(t, 'C', 'B', 'A')) })
		}
		return nil
	}
	file := t.TempDir() + "/checkpoint"
	report, err := run(t.Context(), t, f, func(c *Config) { c.Checkpoint = file })
	if !errors.Is(err, ErrRotated) || report.Complete {
		t.Errorf("%v %+v", err, report)
	}
	if _, err := Prepare(t.Context(), Config{Store: f, Ring: ringOf(t, 'C', 'B', 'A'), Bucket: name, Checkpoint: file}); err != nil {
		t.Errorf("the next run: %v", err)
	}
}

func TestListedObjectsThatGoAreNoTrouble(t *testing.T) {
	f := rotated(t, 5)
	f.before = func(_ int, op, key string) error {
		if op == "Get" && key == "a0003" {
			f.mu.Lock()
			delete(f.objects, key)
			f.mu.Unlock()
		}
		return nil
	}
	report, err := run(t.Context(), t, f)
	if err != nil || !report.Clean() || report.Kinds.Gone.Objects != 1 {
		t.Errorf("%v %+v", err, report)
	}
}

// Objects that change between the read and each write are left to who changes
// them.
func TestObjectThatKeepsChangingIsLeft(t *testing.T) {
	f := rotated(t, 3)
	a := ringOf(t, 'A')
	n := 0
	f.before = func(_ int, op, key string) error {
		if op == "Put" && key == "a0001" {
			n++
			data := sealed(t, a, key, []byte(fmt.Sprint("version ", n)))
			f.mu.Lock()
			defer f.mu.Unlock()
			_, _ = f.set(key, data, backend.Conditions{})
		}
		return nil
	}
	report, err := run(t.Context(), t, f)
	if err != nil || report.Kinds.Changed.Objects != 1 || report.Kinds.Rewrapped.Objects != 2 || n != maxTries {
		t.Errorf("%v %+v after %d tries", err, report.Kinds, n)
	}
	for _, k := range report.Keys {
		if k.Retirable {
			t.Errorf("%s is retirable though an object's key was not seen", k.ID)
		}
	}
}

func TestCancelledRunTellsWhatItDid(t *testing.T) {
	f := rotated(t, 50)
	ctx, cancel := context.WithCancelCause(t.Context())
	f.after = func(_ int, op, key string) error {
		if op == "Put" && key == "a0020" {
			cancel(errStop)
		}
		return nil
	}
	report, err := run(ctx, t, f, func(c *Config) { c.Parallel = 1 })
	if !errors.Is(err, errStop) || report.Complete || report.Kinds.Rewrapped.Objects != 21 || report.Kinds.Failed.Objects != 0 {
		t.Errorf("%v %+v", err, report.Kinds)
	}
}
