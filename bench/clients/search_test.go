//go:build integration

package clients

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// searchBackend reads every file, extended attribute and name in the backend's directory for the marker: the bucket, and
// what the server keeps beside its buckets in directories that begin with a dot.
func (c *session) searchBackend() {
	c.Helper()
	marker := []byte(c.marker)
	found := 0
	err := filepath.WalkDir(c.backend.Dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // a server tidies up while we read
			return nil
		case err != nil:
			return err
		case d.IsDir() && filepath.Dir(path) == c.backend.Dir && d.Name() != c.bucket && !strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case strings.Contains(path, c.marker):
			c.Errorf("the name %q is plaintext at the backend", path)
		}
		if attr, err := attributes(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		} else if bytes.Contains(attr, marker) {
			c.Errorf("an attribute of %q has plaintext at the backend", path)
		}
		if d.IsDir() {
			return nil
		}
		if strings.Contains(path, "/multipart/") {
			c.Errorf("%q was left of an upload at the backend", path)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		found++
		if bytes.Contains(b, marker) {
			c.Errorf("%q has plaintext at the backend", path)
		}
		return err
	})
	must(c.T, err)
	if found == 0 {
		c.Errorf("%s has no files: the search looked at nothing", c.backend.Dir)
	}
}

// attributes is every extended attribute of a file, one after the other.
func attributes(path string) ([]byte, error) {
	list := make([]byte, 64<<10)
	n, err := unix.Llistxattr(path, list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []byte
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		all = append(all, value[:n]...)
	}
	return all, nil
}
