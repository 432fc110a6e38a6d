package rewrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func TestResumeGoesOnAfterTheCheckpoint(t *testing.T) {
	f := rotated(t, 60)
	f.put(t, "a0007x", []byte("not sealed"))
	want := f.copy()
	delete(want.objects, "a0007x")
	file := filepath.Join(t.TempDir(), "checkpoint")
	ctx, cancel := context.WithCancelCause(t.Context())
	f.after = func(_ int, op, key string) error {
		if op == "Put" && key == "a0030" {
			cancel(errStop)
		}
		return nil
	}
	first, err := run(ctx, t, f, func(c *Config) { c.Checkpoint, c.Parallel = file, 1 })
	if !errors.Is(err, errStop) || first.Resumed {
		t.Fatalf("%v", err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	f.after = nil
	f.calls = nil
	report, err := run(t.Context(), t, f, func(c *Config) { c.Checkpoint = file })
	if err != nil || !report.Complete || !report.Resumed {
		t.Fatalf("%v %+v", err, report)
	}
	for _, c := range f.calls {
		if strings.HasPrefix(c, "Get a") && c <= "Get a0030" {
			t.Errorf("%s: done before the checkpoint", c)
		}
	}
	// The report is of the whole bucket, what the first part found included.
	if report.Seen.Objects != 63 || report.Kinds.Rewrapped.Objects != 60 || len(report.Trouble) != 1 || report.Trouble[0].Key != "a0007x" {
		t.Errorf("%+v", report)
	}
	sameObjects(t, f, want, ringOf(t, 'B', 'A'))
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the checkpoint is still there after a whole walk: %v", err)
	}
}

func TestCheckpointOfAnotherRunIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "checkpoint")
	good := checkpoint{checkpointVersion, name, bucketID.String(), keyID(t, 'B').String(), "a", newTotals()}
	for what, change := range map[string]func(*checkpoint){
		"bucket":    func(c *checkpoint) { c.Bucket = "another" },
		"bucket id": func(c *checkpoint) { c.BucketID = strings.Repeat("0", 32) },
		"key":       func(c *checkpoint) { c.Active = keyID(t, 'A').String() },
	} {
		c := good
		change(&c)
		if err := c.save(file); err != nil {
			t.Fatal(err)
		}
		if _, err := Prepare(t.Context(), Config{Store: rotated(t, 1), Ring: ringOf(t, 'B', 'A'), Bucket: name, Checkpoint: file}); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, text := range []string{"", "{", "{}", "null", strings.Repeat(" ", maxCheckpoint+1), `{"version":2,"after":"a","totals":{"kinds":{},"keys":{}}}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Prepare(t.Context(), Config{Store: rotated(t, 1), Ring: ringOf(t, 'B', 'A'), Bucket: name, Checkpoint: file}); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := Prepare(t.Context(), Config{Store: rotated(t, 1), Ring: ringOf(t, 'B', 'A'), Bucket: name, Checkpoint: t.TempDir()}); !errors.Is(err, ErrCheckpoint) {
		t.Error("a directory was taken for a checkpoint")
	}
}

func TestCheckpointIsWholeOrOld(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "checkpoint")
	var wg sync.WaitGroup
	done := make(chan struct{})
	c := func(i int) *checkpoint {
		c := &checkpoint{checkpointVersion, name, bucketID.String(), keyID(t, 'B').String(), fmt.Sprintf("k%d", i), newTotals()}
		c.Totals.Kinds[Current] = Count{int64(i), int64(i)}
		for j := range i % 50 {
			c.Totals.Trouble = append(c.Totals.Trouble, Trouble{fmt.Sprint(j), Failed, "because"})
		}
		return c
	}
	if err := c(0).save(file); err != nil {
		t.Fatal(err)
	}
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			got, err := loadCheckpoint(file)
			if err != nil || got == nil {
				t.Errorf("a reader found %v, %v", got, err)
				return
			}
			if n := got.Totals.Kinds[Current].Objects; got.After != fmt.Sprintf("k%d", n) || len(got.Totals.Trouble) != int(n%50) {
				t.Errorf("a reader found a mixture")
			}
		}
	})
	for i := range 60 {
		if err := c(i).save(file); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	wg.Wait()
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
	// A directory that is gone, and a name that is none: an error, nothing left.
	if err := c(1).save(filepath.Join(dir, "none", "x")); err == nil {
		t.Error("written to nowhere")
	}
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c(1).save(filepath.Join(dir, "d")); err == nil {
		t.Error("written over a directory")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("%d files are left", len(left))
	}
}

// A key that JSON cannot hold must not become another one.
func TestCheckpointKeepsKeysExactly(t *testing.T) {
	for after, ok := range map[string]bool{"a\x00b": true, "ü/\u2028": true, "<&>": true, "\xff": false} {
		c := &checkpoint{checkpointVersion, name, bucketID.String(), "", after, newTotals()}
		if b, err := c.encode(); (err == nil) != ok {
			t.Errorf("%q: %v", after, err)
		} else if ok {
			if back, err := decodeCheckpoint(b); err != nil || !reflect.DeepEqual(back, c) {
				t.Errorf("%q: %+v %v", after, back, err)
			}
		}
	}
}

func TestCheckpointThatCannotBeWrittenIsAWarning(t *testing.T) {
	f := rotated(t, 10)
	ctx, cancel := context.WithCancelCause(t.Context())
	f.after = func(_ int, op, key string) error {
		if op == "Put" && key == "a0005" {
			cancel(errStop)
		}
		return nil
	}
	var warned error
	_, err := run(ctx, t, f, func(c *Config) {
		c.Parallel, c.Checkpoint, c.Warn = 1, filepath.Join(t.TempDir(), "none", "x"), func(err error) { warned = err }
	})
	if !errors.Is(err, errStop) || warned == nil {
		t.Errorf("%v, warned of %v", err, warned)
	}
}

// A store that lists in an order of its own cannot be resumed.
func TestListingOutOfOrderHasNoCheckpoint(t *testing.T) {
	f := shuffled{rotated(t, 10)}
	file := filepath.Join(t.TempDir(), "checkpoint")
	if _, err := run(t.Context(), t, f, func(c *Config) { c.Checkpoint = file }); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("%v", err)
	}
	if report, err := run(t.Context(), t, f); err != nil || !report.Clean() {
		t.Errorf("without: %v", err)
	}
}

type shuffled struct{ *fake }

func (s shuffled) List(ctx context.Context, b string, opt backend.ListOptions) (*backend.Page, error) {
	page, err := s.fake.List(ctx, b, opt)
	if err == nil && len(page.Objects) > 3 {
		page.Objects[1], page.Objects[3] = page.Objects[3], page.Objects[1]
	}
	return page, err
}

func FuzzCheckpoint(f *testing.F) {
	t := newTotals()
	t.add(Outcome{Key: "k", Kind: Unreadable, Err: format.ErrCommit}, nil)
	b, err := (&checkpoint{checkpointVersion, name, bucketID.String(), "00", "k", t}).encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"version":1,"after":"a","totals":{"kinds":{"current":{"objects":-1}},"keys":{}}}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCheckpoint(b)
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		back, err := decodeCheckpoint(again)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Fatalf("%+v became %+v, %v", c, back, err)
		}
	})
}
