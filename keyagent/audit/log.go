package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// file is what a Log needs of its file.
type file interface {
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
}

// A Log is an open audit log. All methods are safe for concurrent use.
type Log struct {
	path  string
	limit int64 // bytes of a file before the next one begins

	mu     sync.Mutex
	file   file
	at     position
	torn   int
	broken error // why nothing can be appended any more
}

// Open opens the log at path, makes it if there is none (mode 0600), locks it against other processes and verifies its
// file, and that of the lines before. A chain that is broken is refused with the *LineError of Verify; what a power failure left of an unfinished last
// line is removed.
func Open(path string) (*Log, error) {
	l, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open the audit log %q: %w", path, err)
	}
	return l, nil
}

func open(path string) (*Log, error) {
	names, err := older(path)
	if err != nil {
		return nil, err
	}
	var from position
	if len(names) > 0 {
		if from, err = walkOlder(names[len(names)-1], nil, nil); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return nil, pathless(err)
	}
	l, err := adopt(f, from)
	if err == nil && l.at.size == 0 {
		err = syncDir(filepath.Dir(path)) // it may be new
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	l.path, l.limit = path, rotateSize
	return l, nil
}

func adopt(f *os.File, from position) (*Log, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, pathless(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("others can write to it (mode %#o)", info.Mode().Perm())
	}
	if err := lock(f); err != nil {
		return nil, err
	}
	at, err := walk(f, from, nil)
	l := &Log{file: f, at: at, torn: at.torn}
	if errors.Is(err, ErrTorn) {
		if err = f.Truncate(at.size); err == nil {
			err = f.Sync()
		}
	}
	return l, err
}

// Torn returns how many bytes of an unfinished last line Open removed.
func (l *Log) Torn() int { return l.torn }

// Head returns the number and the digest of the last line; 0 and zero for an empty log.
func (l *Log) Head() (seq uint64, head [32]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at.seq, l.at.head
}

// Append writes an entry and returns its number and digest once it is on disk. On an error the log is as it was, or
// broken (doc.go, "Failures"): the decision that the entry tells of must not take effect.
func (l *Log) Append(e Entry) (seq uint64, head [32]byte, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.append(e); err != nil {
		return 0, [32]byte{}, fmt.Errorf("cannot write the audit log: %w", err)
	}
	return l.at.seq, l.at.head, nil
}

func (l *Log) append(e Entry) error {
	if l.broken != nil {
		return l.broken
	}
	next, err := newLine(e, l.at.seq+1, l.at.head)
	if err != nil {
		return fmt.Errorf("unfit entry: %w", err)
	}
	b := next.encode()
	if len(b) >= maxLine {
		return fmt.Errorf("unfit entry: %d bytes", len(b))
	}
	d := digest(b)
	b = append(b, '\n')
	if _, err := l.file.WriteAt(b, l.at.size); err != nil {
		if undo := l.file.Truncate(l.at.size); undo != nil {
			l.broken = fmt.Errorf("%w: %w", ErrBroken, pathless(undo))
		}
		return pathless(err)
	}
	if err := l.file.Sync(); err != nil {
		// The kernel may have dropped the pages and report the fault only once: no later fsync proves anything.
		_ = l.file.Truncate(l.at.size) // so that the next Open finds no line that Append did not confirm, if it can be
		l.broken = fmt.Errorf("%w: %w", ErrBroken, pathless(err))
		return l.broken
	}
	l.at = position{seq: next.Seq, head: d, size: l.at.size + int64(len(b))}
	if l.limit > 0 && l.at.size >= l.limit {
		_ = l.rotate() // the line is on disk; the next one tries again, or finds the log broken
	}
	return nil
}

// Close closes the file and gives the lock back. Append fails from then on.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(l.broken, os.ErrClosed) {
		return nil
	}
	l.broken = fmt.Errorf("%w: %w", ErrBroken, os.ErrClosed)
	return pathless(l.file.Close())
}

// syncDir puts a new name on disk.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return pathless(err)
	}
	defer dir.Close()
	return pathless(dir.Sync())
}

// pathless drops the path from the errors of os: ours have it already.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}
