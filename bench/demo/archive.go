package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// archive is a snapshot of a directory tree in one file, so that files which change meanwhile do not matter.
type archive struct {
	file    *os.File
	size    int64
	entries int
	skipped int // could not be read
}

// defaultDir is the Go installation's source tree.
func defaultDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find a directory to send: go env GOROOT: %w (name one with DIR=)", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "src"), nil
}

// checkDir says what is wrong with the directory to send, before anything starts.
func checkDir(dir string) error {
	switch st, err := os.Stat(dir); {
	case err != nil:
		return fmt.Errorf("cannot use DIR=%s: %w", dir, pathless(err))
	case !st.IsDir():
		return fmt.Errorf("cannot use DIR=%s: it is no directory", dir)
	}
	if _, err := os.ReadDir(dir); err != nil {
		return fmt.Errorf("cannot use DIR=%s: %w", dir, pathless(err))
	}
	return nil
}

// pathless drops the path that os puts into its errors: ours have it already.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// snapshot writes the tree below dir as a tar into file.
func snapshot(ctx context.Context, dir string, file *os.File) (*archive, error) {
	if err := checkDir(dir); err != nil {
		return nil, err
	}
	a := &archive{file: file}
	buf := bufio.NewWriterSize(file, 1<<20)
	tw := tar.NewWriter(buf)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			a.skipped++
			if d != nil && d.IsDir() && path != dir {
				return fs.SkipDir
			}
			return nil
		}
		if path == dir {
			return nil
		}
		return a.add(tw, dir, path, d)
	})
	for _, f := range []func() error{tw.Close, buf.Flush} {
		err = errors.Join(err, f())
	}
	if err != nil {
		return nil, fmt.Errorf("cannot snapshot %s: %w", dir, err)
	}
	a.size, err = file.Seek(0, io.SeekEnd)
	return a, err
}

// add writes one entry: directories, regular files and symbolic links; others and what cannot be read is skipped.
func (a *archive) add(tw *tar.Writer, dir, path string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil || info.Mode()&(fs.ModeDevice|fs.ModeNamedPipe|fs.ModeSocket|fs.ModeIrregular) != 0 {
		a.skipped++
		return nil
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(path); err != nil {
			a.skipped++
			return nil
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	if h.Name, err = filepath.Rel(dir, path); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		a.entries++
		return tw.WriteHeader(h)
	}
	f, err := os.Open(path)
	if err != nil {
		a.skipped++
		return nil
	}
	defer f.Close()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyN(tw, f, h.Size)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	a.entries++
	_, err = io.CopyN(tw, zeros{}, h.Size-n) // the file shrank while it was read
	return err
}

// reader reads the snapshot from its start.
func (a *archive) reader() io.Reader { return io.NewSectionReader(a.file, 0, a.size) }

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// comparer is a writer that compares what it gets with the snapshot.
type comparer struct {
	want io.Reader
	buf  []byte
	off  int64
}

func (a *archive) comparer() *comparer {
	return &comparer{want: a.reader(), buf: make([]byte, 1<<20)}
}

func (c *comparer) Write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		n := min(len(b)-done, len(c.buf))
		if _, err := io.ReadFull(c.want, c.buf[:n]); err != nil {
			return done, fmt.Errorf("more came back than was sent: byte %d and on", c.off)
		}
		for i := range n {
			if b[done+i] != c.buf[i] {
				return done, fmt.Errorf("byte %d of the archive came back as %#02x, sent was %#02x", c.off+int64(i), b[done+i], c.buf[i])
			}
		}
		done += n
		c.off += int64(n)
	}
	return len(b), nil
}
