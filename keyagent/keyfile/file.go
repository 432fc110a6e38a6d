package keyfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Read returns the bytes of a file of at most MaxFile bytes (ErrFormat for a larger one, and for what is no regular file).
func Read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > MaxFile {
		return nil, fmt.Errorf("cannot read %s: not a regular file of at most %d bytes: %w", path, MaxFile, ErrFormat)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("cannot read %s: it grows: %w", path, ErrFormat)
	}
	return data, nil
}

// Write replaces the file at path (mode 0600), or makes it. At every moment there is the old file or the new one, whole;
// when Write returns nil, the new one is on the disk and the old one is beside it as path.1. After an error the old one
// is still there. A symbolic link at path stays one; its target is replaced. Writers of the same path exclude each other
// by Lock.
func Write(path string, data []byte) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	old, err := Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case bytes.Equal(old, data):
		return nil // else path.1 would be lost for nothing
	default:
		if err := place(path+".1", old, os.Rename); err != nil {
			return fmt.Errorf("cannot keep the previous file: %w", err)
		}
	}
	return place(path, data, os.Rename)
}

// Create makes the file at path (mode 0600) as Write does, and leaves alone what is there (ErrExists).
func Create(path string, data []byte) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("cannot make %s: %w", path, ErrExists)
	}
	return place(path, data, func(temp, path string) error {
		// A link, unlike a rename, never replaces anything.
		if err := os.Link(temp, path); err == nil {
			_ = os.Remove(temp) // a second name; it is swept by the next write
			return nil
		} else if errors.Is(err, fs.ErrExist) {
			return ErrExists
		}
		return os.Rename(temp, path) // a file system without links; callers hold the lock
	})
}

// target follows a symbolic link.
func target(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, nil // what is wrong with it is found by who uses it
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("cannot follow the link %s: %w", path, err)
	}
	return resolved, nil
}

// place writes data to a temporary file, reads it back, and lets put give it its name.
func place(path string, data []byte, put func(temp, path string) error) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	sweep(dir, base)
	f, err := os.CreateTemp(dir, tempName(base)) // 0600
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	temp := f.Name()
	defer func() {
		if err != nil {
			_ = os.Remove(temp) // the error is already there
			err = fmt.Errorf("cannot write %s: %w", path, err)
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if got, err := os.ReadFile(temp); err != nil || !bytes.Equal(got, data) {
		return errors.Join(err, errors.New("the file reads back differently"))
	}
	if err := put(temp, path); err != nil {
		return err
	}
	return syncDir(dir)
}

func tempName(base string) string { return "." + base + ".tmp-*" }

// Sweep removes the temporary files of writers of path that were killed: they hold what the file holds. Its caller has the
// lock, so nobody is writing.
func Sweep(path string) {
	if path, err := target(path); err == nil {
		dir, base := filepath.Split(path)
		if dir == "" {
			dir = "."
		}
		sweep(dir, base)
		sweep(dir, base+".1")
	}
}

// sweep removes what writers that were killed left behind.
func sweep(dir, base string) {
	left, err := filepath.Glob(filepath.Join(escape(dir), escape(tempName(base)[:len(tempName(base))-1])+"*"))
	if err != nil {
		return // a pattern that Glob does not take: nothing is swept
	}
	for _, path := range left {
		_ = os.Remove(path) // it is in nobody's way
	}
}

// escape makes every character of name stand for itself in a Glob pattern.
func escape(name string) string {
	var b []byte
	for i := range len(name) {
		if bytes.IndexByte([]byte(`*?[\`), name[i]) >= 0 && os.PathSeparator == '/' {
			b = append(b, '\\')
		}
		b = append(b, name[i])
	}
	return string(b)
}
