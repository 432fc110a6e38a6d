package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEntropy(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for name, c := range map[string]struct {
		b    []byte
		want float64
	}{"zeros": {make([]byte, 100), 0}, "all": {all, 8}, "two": {[]byte("abababab"), 1}, "none": {nil, 0}} {
		if got := entropy(c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %f, want %f", name, got, c.want)
		}
	}
}

func TestHexdump(t *testing.T) {
	got := strings.Join(hexdump([]byte("SCPX\x00\x02 and more than one line\xff")), "\n")
	want := "00000000  53 43 50 58 00 02 20 61  6e 64 20 6d 6f 72 65 20  |SCPX.. and more |\n" +
		"00000010  74 68 61 6e 20 6f 6e 65  20 6c 69 6e 65 ff        |than one line.|"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 4195376: "4,195,376", -1234: "-1,234"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for n, want := range map[int]string{0: "0 chunks", 1: "1 chunk", 1200: "1,200 chunks"} {
		if got := counted(n, "chunk", "chunks"); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	for n, want := range map[int64]string{12: "12 B", 1536: "1.5 KiB", 4 << 20: "4.0 MiB", 3 << 30: "3.00 GiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

// tree makes a directory with a bit of everything.
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	os.MkdirAll(filepath.Join(dir, "a/b"), 0o755)
	os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("content"), 0o644)
	os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600)
	os.Symlink("empty", filepath.Join(dir, "link"))
	os.Symlink("nowhere", filepath.Join(dir, "dangling"))
	return dir
}

func snapshotOf(t *testing.T, dir string) *archive {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "t.tar"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	a, err := snapshot(context.Background(), dir, f)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSnapshotHoldsTheTree(t *testing.T) {
	a := snapshotOf(t, tree(t))
	got := map[string]string{}
	for tr := tar.NewReader(a.reader()); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(tr)
		got[h.Name] = string(b) + h.Linkname
	}
	if len(got) != a.entries || a.skipped != 0 || got["a/b/file"] != "content" || got["link"] != "empty" || got["dangling"] != "nowhere" {
		t.Errorf("%d entries: %v", a.entries, got)
	}
	f, _ := os.Create(filepath.Join(t.TempDir(), "x"))
	defer f.Close()
	if _, err := snapshot(context.Background(), filepath.Join(t.TempDir(), "missing"), f); err == nil {
		t.Error("a missing directory was taken")
	}
	if _, err := snapshot(context.Background(), f.Name(), f); err == nil {
		t.Error("a file was taken for a directory")
	}
}

func TestComparerSeesEveryDifference(t *testing.T) {
	a := snapshotOf(t, tree(t))
	all, err := io.ReadAll(a.reader())
	if err != nil {
		t.Fatal(err)
	}
	c := a.comparer()
	for rest := all; len(rest) > 0; {
		n := min(1000, len(rest))
		if _, err := c.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	if c.off != a.size {
		t.Errorf("%d of %d bytes compared", c.off, a.size)
	}
	if _, err := c.Write([]byte{0}); err == nil {
		t.Error("a byte too many was accepted")
	}
	for _, at := range []int{0, 700, len(all) - 1} {
		bad := bytes.Clone(all)
		bad[at] ^= 1
		if _, err := a.comparer().Write(bad); err == nil {
			t.Errorf("a difference at %d was not seen", at)
		}
	}
}

// TestSmallTreesAreNotMeasured: with nothing started, an upload could only fail.
func TestSmallTreesAreNotMeasured(t *testing.T) {
	var b strings.Builder
	s := &show{screen: &screen{w: &b}, archive: &archive{size: enoughToCompare - 1}}
	if err := s.compare(context.Background()); err != nil || !strings.Contains(b.String(), "no throughput: 32.0 MiB is too little") || s.step != 0 {
		t.Errorf("step %d, %v, %q", s.step, err, b.String())
	}
}

func TestPlainOutputHasNoEscapes(t *testing.T) {
	var b strings.Builder
	s := &screen{w: &b}
	s.title("Look %d", 1)
	s.pair("name", "value")
	s.table([][]string{{"object", "plain"}, {"chunk", "4,194,316"}, {"ü", "1"}})
	add, done := s.progress("upload", 100)
	add(50)
	done()
	s.passed("demo passed")
	s.failed("demo", errors.New("two\nlines"))
	want := "\n1. Look 1\n   name           value\n   object       plain\n   chunk    4,194,316\n   ü                1\n\ndemo passed\n\ndemo failed\n   two\n   lines\n"
	if b.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.String(), want)
	}
	s.tty = true
	s.title("x")
	if !strings.Contains(b.String(), "\x1b[1m") {
		t.Error("a terminal gets no colours")
	}
}
