//go:build integration

package clients

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	randv2 "math/rand/v2"
)

// files are a set of objects: the name below a prefix, with slashes, and what is in it.
type files map[string][]byte

// names are what a client must carry unharmed in a key, each in a directory of its own kind so that no file system
// has to hold two spellings of one name side by side.
var names = []string{
	"nfc/caf\u00e9 \u65e5\u672c \U0001f512.txt",
	"nfd/cafe\u0301.txt",
	"plus/a+b c++.txt",
	"percent/100%25 of %2F.txt",
	"hash/#1?x=y&z.txt",
	"quotes/'\"<&>;.txt",
	"punctuation/a=b,c@d$e!f*(g)~h:i.txt",
	"  blanks  /two  blanks .txt",
	"long/" + strings.Repeat("long-name-", 20),
	"deep/" + strings.Repeat("d/", 40) + "leaf",
}

// sizes are the edges of what seals and splits: an empty object, the segment, the client's part.
var sizes = map[string]int{
	"size/empty": 0, "size/one": 1, "size/1023": 1023, "size/1024": 1024, "size/1025": 1025,
	"size/64k-1": 64<<10 - 1, "size/64k": 64 << 10, "size/64k+1": 64<<10 + 1, "size/1m+7": 1<<20 + 7,
	"size/8m": 8 << 20, "size/17m+3": 17<<20 + 3,
}

// marker is in every file again and again, and in user metadata: it must be nowhere at the backend.
func newMarker() string {
	var b [16]byte
	rand.Read(b[:])
	return "MARKER" + hex.EncodeToString(b[:])
}

// body is n bytes that do not repeat, with the marker in every 2 KiB.
func body(marker string, n int) []byte {
	var seed [32]byte
	rand.Read(seed[:])
	b := make([]byte, n)
	randv2.NewChaCha8(seed).Read(b)
	for i := 64; i+len(marker) <= n; i += 2048 {
		copy(b[i:], marker)
	}
	return b
}

// newTree is every name and every size.
func newTree(marker string) files {
	tree := files{}
	for i, name := range names {
		tree[name] = body(marker, 300+i)
	}
	for name, n := range sizes {
		tree[name] = body(marker, n)
	}
	return tree
}

// shorten replaces the longest names by the longest that fit once they are sealed: a stored name has 4/3 of the bytes,
// and at least 23 for each part.
func (f files) shorten() {
	for _, name := range names {
		kind, rest, _ := strings.Cut(name, "/")
		switch kind {
		case "long":
			f["long/"+rest[:175]] = f[name]
		case "deep":
			f["deep/"+strings.Repeat("d/", 35)+"leaf"] = f[name]
		default:
			continue
		}
		delete(f, name)
	}
}

// write puts the files under dir.
func (f files) write(t *testing.T, dir string) {
	t.Helper()
	for name, b := range f {
		path := filepath.Join(dir, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, b, 0o600))
	}
}

// under is the same files with a prefix before each name.
func (f files) under(prefix string) files {
	out := files{}
	for name, b := range f {
		out[prefix+name] = b
	}
	return out
}

// and is both sets.
func (f files) and(more files) files {
	out := f.under("")
	for name, b := range more {
		out[name] = b
	}
	return out
}

// sameIn compares the files with what is under dir, byte for byte: nothing differs, misses or is too much.
func (f files) sameIn(t *testing.T, dir string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		want, ok := f[filepath.ToSlash(rel)]
		if !ok {
			t.Errorf("%q came back and was never sent", rel)
			return nil
		}
		got, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		if !bytes.Equal(got, want) {
			t.Errorf("%q came back with %d bytes that are not the %d sent", rel, len(got), len(want))
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.New("nothing came back at all")
	}
	must(t, err)
	if seen != len(f) {
		t.Errorf("%d of %d files came back", seen, len(f))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
