package reblock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

const blockSize = 512

// object is what a sealed object of plain bytes looks like to a mover: a legal
// size, a block, and bytes that differ wherever a cut could be wrong.
func object(plain int64) []byte {
	return filled(format.SealedSize(blockSize, plain), 'o')
}

// filled is n bytes whose pattern repeats at no distance that a cut has.
func filled(n int64, seed byte) []byte {
	period := make([]byte, 65521) // a prime
	rand.NewChaCha8([32]byte{seed}).Read(period)
	b := make([]byte, n)
	for at := 0; at < len(b); {
		at += copy(b[at:], period)
	}
	return b
}

// world is a store with one object, and a move of it.
type world struct {
	f     *fake
	cfg   Config
	old   []byte
	block []byte
	from  Source
	to    Destination
}

func newWorld(plain int64) *world {
	w := &world{f: newFake(), old: object(plain), block: bytes.Repeat([]byte("NEWBLOCK"), 1024/8)}
	made, err := w.f.set("src/k", w.old, backend.Conditions{})
	if err != nil {
		panic(err)
	}
	w.cfg.Store = w.f
	w.from = Source{Bucket: "src", Key: "k", Size: int64(len(w.old)), BlockSize: blockSize, ETag: made.ETag}
	w.to = Destination{Bucket: "dst", Key: "d", Block: w.block}
	return w
}

// onto makes the destination the source itself, bound to its ETag.
func (w *world) onto() *world {
	w.to.Bucket, w.to.Key, w.to.Cond = "src", "k", backend.Conditions{IfMatch: w.from.ETag}
	return w
}

func (w *world) move(ctx context.Context, t testing.TB) (backend.Written, error) {
	t.Helper()
	m, err := New(w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m.Move(ctx, w.from, w.to)
}

// at says which object lies at the destination: "old", "new", "" for none, or
// something that must not be.
func (w *world) at() string {
	o, ok := w.f.objects[w.to.Bucket+"/"+w.to.Key]
	switch {
	case !ok:
		return ""
	case bytes.Equal(o.data, w.old):
		return "old"
	case len(o.data) > len(w.block) && bytes.Equal(o.data[:len(w.block)], w.block) && bytes.Equal(o.data[len(w.block):], w.old[blockSize:]):
		return "new"
	}
	return fmt.Sprintf("%d strange bytes", len(o.data))
}

var sizes = []int64{0, 1, 65536, 5 << 20, 16<<20 - 100_000, 16 << 20, 17 << 20, 26 << 20}

func TestMovePutsTheBodyBehindTheBlock(t *testing.T) {
	for _, n := range sizes {
		for _, given := range []bool{false, true} {
			for _, w := range []*world{newWorld(n), newWorld(n).onto()} {
				body := &watched{Reader: bytes.NewReader(w.old[blockSize:])}
				if given {
					w.from.Body = body
				}
				made, err := w.move(t.Context(), t)
				if err != nil || w.at() != "new" || made.ETag != w.f.objects[w.to.Bucket+"/"+w.to.Key].etag {
					t.Errorf("%d bytes to %s: %v, %s", n, w.to.Bucket, err, w.at())
				}
				if given && !body.closed {
					t.Errorf("%d bytes: the body was not closed", n)
				}
				if len(w.f.uploads) != 0 {
					t.Error("an upload is left")
				}
			}
		}
	}
}

type watched struct {
	io.Reader
	closed bool
}

func (w *watched) Close() error { w.closed = true; return nil }

func TestFailureAfterAnyCallLeavesOldOrNew(t *testing.T) {
	for _, size := range []int64{3000, 20 << 20} {
		for n := 0; ; n++ {
			reached := false
			for _, took := range []bool{false, true} {
				w := newWorld(size).onto()
				fail := func(i int, op string) error {
					if i == n && op != "AbortUpload" {
						reached = true
						return fault(backend.Busy)
					}
					return nil
				}
				if took {
					w.f.after = fail
				} else {
					w.f.before = fail
				}
				_, err := w.move(t.Context(), t)
				if got := w.at(); err == nil && got != "new" || got != "old" && got != "new" {
					t.Errorf("%d bytes, call %d (took effect: %v): %v, %s", size, n, took, err, got)
				}
				if len(w.f.uploads) != 0 && !(took && w.f.calls[n] == "CreateUpload") { // its id was lost
					t.Errorf("call %d: an upload is left", n)
				}
			}
			if !reached {
				break
			}
		}
	}
}

func TestSourceThatChangesIsNeverMixed(t *testing.T) {
	other := filled(21<<20, 'x')
	for _, lax := range []bool{false, true} {
		for _, size := range []int64{3000, 20 << 20} {
			for n := range 4 {
				w := newWorld(size)
				w.f.lax = lax
				changed := false
				w.f.before = func(i int, op string) error {
					if i == n && (op == "Get" || op == "CopyPart" || op == "UploadPart") {
						changed = true
						_, err := w.f.set("src/k", other[:len(w.old)], backend.Conditions{})
						return err
					}
					return nil
				}
				_, err := w.move(t.Context(), t)
				if changed && (!errors.Is(err, ErrSourceChanged) || w.at() != "") {
					t.Errorf("%d bytes changed before call %d: %v, %s", size, n, err, w.at())
				}
				if !changed && n == 0 {
					t.Error("the test changed nothing")
				}
				if len(w.f.uploads) != 0 {
					t.Error("an upload is left")
				}
			}
		}
	}
	// One that became shorter than its block.
	w := newWorld(3000)
	w.f.lax = true
	_, _ = w.f.set("src/k", []byte("x"), backend.Conditions{})
	if _, err := w.move(t.Context(), t); !errors.Is(err, ErrSourceChanged) {
		t.Errorf("%v", err)
	}
}

func TestDestinationThatChangedStays(t *testing.T) {
	for _, size := range []int64{3000, 20 << 20} {
		w := newWorld(size).onto()
		w.f.before = func(_ int, op string) error {
			if op == "Put" || op == "CompleteUpload" {
				_, err := w.f.set("src/k", []byte("newer"), backend.Conditions{})
				return err
			}
			return nil
		}
		_, err := w.move(t.Context(), t)
		if backend.KindOf(err) != backend.Precondition || string(w.f.objects["src/k"].data) != "newer" {
			t.Errorf("%d bytes: %v, %s", size, err, w.at())
		}
		if len(w.f.uploads) != 0 {
			t.Error("an upload is left")
		}
	}
}

func TestFailedMoveRemovesItsUpload(t *testing.T) {
	w := newWorld(20 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	w.f.after = func(_ int, op string) error {
		if op == "UploadPart" {
			cancel()
		}
		return nil
	}
	if _, err := w.move(ctx, t); backend.KindOf(err) != backend.ClientAbort || len(w.f.uploads) != 0 {
		t.Errorf("%v, %d uploads", err, len(w.f.uploads))
	}
	var left error
	w = newWorld(20 << 20)
	w.cfg.Left = func(err error) { left = err }
	w.f.before = func(_ int, op string) error {
		if op == "CopyPart" || op == "AbortUpload" {
			return fault(backend.Denied)
		}
		return nil
	}
	if _, err := w.move(t.Context(), t); backend.KindOf(err) != backend.Denied || backend.KindOf(left) != backend.Denied {
		t.Errorf("%v, left %v", err, left)
	}
}

func TestReserveAndSpendAreAskedFirst(t *testing.T) {
	for _, size := range []int64{3000, 20 << 20} {
		w := newWorld(size)
		var reserved, released, spent int64
		w.cfg.Reserve = func(_ context.Context, n int64) (func(), error) {
			reserved += n
			if w.f.n > 0 {
				t.Error("the store was asked before the memory was")
			}
			return func() { released += n }, nil
		}
		w.cfg.Spend = func(_ context.Context, n int64) error { spent += n; return nil }
		if _, err := w.move(t.Context(), t); err != nil {
			t.Fatal(err)
		}
		if want := min(int64(len(w.old)-blockSize), minPart); reserved != want || released != want {
			t.Errorf("%d bytes: reserved %d, released %d", size, reserved, released)
		}
		if want := int64(len(w.old) - blockSize + len(w.block)); spent != want {
			t.Errorf("%d bytes: spent %d, want %d", size, spent, want)
		}
		no := errors.New("no")
		w = newWorld(size)
		w.cfg.Reserve = func(context.Context, int64) (func(), error) { return nil, no }
		if _, err := w.move(t.Context(), t); !errors.Is(err, no) || w.f.n != 0 {
			t.Errorf("%v after %d calls", err, w.f.n)
		}
		for stop := range 3 { // before the first, the second, the third piece
			w = newWorld(size)
			w.cfg.Spend = func(context.Context, int64) error {
				if stop--; stop < 0 {
					return no
				}
				return nil
			}
			if _, err := w.move(t.Context(), t); err != nil && (!errors.Is(err, no) || w.at() != "" || len(w.f.uploads) != 0) {
				t.Errorf("%v, %s", err, w.at())
			}
		}
	}
}

func TestWithoutAnETagOnlyWhatIsAtHandMoves(t *testing.T) {
	for size, ok := range map[int64]bool{3000: true, 20 << 20: false} {
		w := newWorld(size)
		w.from.ETag = ""
		if _, err := w.move(t.Context(), t); !errors.Is(err, ErrNoETag) {
			t.Errorf("%d bytes to fetch: %v", size, err)
		}
		w.from.Body = io.NopCloser(bytes.NewReader(w.old[blockSize:]))
		if _, err := w.move(t.Context(), t); (err == nil) != ok || !ok && !errors.Is(err, ErrNoETag) {
			t.Errorf("%d bytes given: %v", size, err)
		}
	}
}

func TestMoveRefusesSizesOfNoObject(t *testing.T) {
	w := newWorld(3000)
	w.from.Size++
	w.from.BlockSize = 512
	w.from.Size = blockSize + 3
	if _, err := w.move(t.Context(), t); !errors.Is(err, format.ErrForeign) || w.f.n != 0 {
		t.Errorf("%v", err)
	}
	w = newWorld(3000)
	w.from.Body = io.NopCloser(bytes.NewReader(w.old[blockSize:700]))
	if _, err := w.move(t.Context(), t); !errors.Is(err, io.ErrUnexpectedEOF) || w.at() != "" {
		t.Errorf("a body that ends early: %v", err)
	}
}

func TestNewNamesTheBadField(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("no store")
	}
	for _, whole := range []int64{-1, 1, minWhole - 1} {
		if _, err := New(Config{Store: newFake(), Whole: whole}); err == nil {
			t.Errorf("Whole %d", whole)
		}
	}
	if _, err := New(Config{Store: newFake(), Whole: minWhole}); err != nil {
		t.Error(err)
	}
}

// TestMoveTailPutsTheTailBehindTheBody: nothing but the tail goes through here, and an
// upload that fails after any call leaves the destination as it was.
func TestMoveTailPutsTheTailBehindTheBody(t *testing.T) {
	for _, size := range []int64{5 << 20, 20 << 20} {
		for fail := -1; fail < 4; fail++ {
			w := newWorld(size).onto()
			w.block = bytes.Repeat([]byte("TAIL"), blockSize/4)
			w.to.Block = w.block
			w.f.before = func(i int, op string) error {
				if i == fail && op != "AbortUpload" {
					return fault(backend.Busy)
				}
				return nil
			}
			m, err := New(w.cfg)
			if err != nil {
				t.Fatal(err)
			}
			etag, err := m.MoveTail(t.Context(), w.from, w.to)
			now := w.f.objects["src/k"]
			want := append(bytes.Clone(w.old[:len(w.old)-blockSize]), w.block...)
			if fail < 0 && (err != nil || etag.ETag != now.etag || !bytes.Equal(now.data, want)) {
				t.Errorf("%d bytes: %v, %d bytes stored", size, err, len(now.data))
			}
			if fail >= 0 && (err == nil || !bytes.Equal(now.data, w.old) || len(w.f.uploads) != 0) {
				t.Errorf("%d bytes, call %d failed: %v, %d uploads left", size, fail, err, len(w.f.uploads))
			}
			if w.f.n > 5 {
				t.Errorf("%d calls", w.f.n)
			}
		}
	}
	for _, size := range []int64{0, 3000, 5<<20 - 70_000} {
		w := newWorld(size)
		m, _ := New(w.cfg)
		if _, err := m.MoveTail(t.Context(), w.from, w.to); !errors.Is(err, format.ErrForeign) || w.f.n != 0 {
			t.Errorf("%d bytes: %v after %d calls", size, err, w.f.n)
		}
	}
	w := newWorld(6 << 20)
	w.from.ETag = ""
	m, _ := New(w.cfg)
	if _, err := m.MoveTail(t.Context(), w.from, w.to); !errors.Is(err, ErrNoETag) || w.f.n != 0 {
		t.Errorf("without an ETag: %v", err)
	}
}
