package audit

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A log is one chain in several files: path has the newest lines, path.N older ones, up to line N (20 digits).

// seqDigits is how N is written, so that names sort as numbers.
const seqDigits = 20

// older returns the files of older lines, the oldest first.
func older(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, pathless(err)
	}
	var names []string
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		if _, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && len(digits) == seqDigits {
			names = append(names, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(names)
	return names, nil
}

// walkOlder verifies a file of older lines. from is where the one before it ended, or nil: then it may begin anywhere.
func walkOlder(path string, from *position, each func(seq uint64, d [32]byte)) (position, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return position{}, pathless(err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, maxLine)
	if from == nil {
		if from, err = begins(in); err != nil {
			return position{}, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
	}
	at, err := walk(in, *from, each)
	if err == nil && !strings.HasSuffix(path, fmt.Sprintf(".%0*d", seqDigits, at.seq)) {
		err = &LineError{at.seq, "its file is named after another line"}
	}
	if err != nil {
		return at, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return at, nil
}

// begins looks at the first line and returns what it says it follows.
func begins(in *bufio.Reader) (*position, error) {
	b, err := in.Peek(maxLine)
	first, _, whole := bytes.Cut(b, []byte("\n"))
	if !whole {
		return nil, errors.Join(&LineError{1, "it is no line"}, err)
	}
	l, err := decode(first)
	if err != nil {
		return nil, &LineError{1, err.Error()}
	}
	at := &position{seq: l.Seq - 1}
	_, err = hex.Decode(at.head[:], []byte(l.Prev))
	if at.seq == 0 && at.head != [32]byte{} {
		err = errors.New("the first line follows another one")
	}
	if err != nil {
		return nil, &LineError{l.Seq, err.Error()}
	}
	return at, nil
}

// VerifyFiles is Verify for the log at path with all its files. first is the number of the oldest line that is still
// there; older files may be removed. It may run beside the process that writes.
func VerifyFiles(path string) (first, last uint64, head [32]byte, err error) {
	return verifyFiles(path, nil)
}

// WitnessFiles is Witness for the log at path with all its files. A line before the oldest one that is still there is not
// found.
func WitnessFiles(path string, seq uint64, want [32]byte) (first, last uint64, head [32]byte, err error) {
	found := false
	first, last, head, err = verifyFiles(path, func(at uint64, d [32]byte) { found = found || at == seq && d == want })
	if err == nil && !found {
		err = fmt.Errorf("line %d: %w", seq, ErrWitness)
	}
	return first, last, head, err
}

// verifyFiles walks until no file was added meanwhile.
func verifyFiles(path string, each func(seq uint64, d [32]byte)) (first, last uint64, head [32]byte, err error) {
	for {
		names, err := older(path)
		if err != nil {
			return 0, 0, head, err
		}
		first, at, err := walkFiles(path, names, each)
		if err != nil {
			if now, listErr := older(path); listErr == nil && !slices.Equal(now, names) {
				continue
			}
		}
		return first, at.seq, at.head, err
	}
}

func walkFiles(path string, names []string, each func(seq uint64, d [32]byte)) (first uint64, at position, err error) {
	var from *position
	told := func(seq uint64, d [32]byte) {
		if first == 0 {
			first = seq
		}
		if each != nil {
			each(seq, d)
		}
	}
	for _, name := range names {
		if at, err = walkOlder(name, from, told); err != nil {
			return first, at, err
		}
		from = &position{seq: at.seq, head: at.head}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && from != nil {
		return first, *from, nil // death came between two steps of a rotation
	}
	if err != nil {
		return first, at, pathless(err)
	}
	defer f.Close()
	if from == nil {
		from = new(position)
	}
	at, err = walk(f, *from, told)
	return first, at, err
}

// rotate gives the file the name of its last line, and goes on in a new one. Death between two steps leaves a chain that
// Open goes on with. On an error the log is as it was, or broken.
func (l *Log) rotate() error {
	name := fmt.Sprintf("%s.%0*d", l.path, seqDigits, l.at.seq)
	temp := l.path + ".next"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return pathless(err)
	}
	next, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if err != nil {
		return pathless(err)
	}
	if err := errors.Join(lock(next), os.Rename(l.path, name)); err != nil {
		return errors.Join(err, next.Close(), os.Remove(temp))
	}
	if err := os.Rename(temp, l.path); err != nil {
		if undo := os.Rename(name, l.path); undo != nil {
			l.broken = fmt.Errorf("%w: %w", ErrBroken, undo)
		}
		return errors.Join(err, next.Close(), os.Remove(temp))
	}
	_ = l.file.Close() // every line in it is on disk
	l.file, l.at.size = next, 0
	if err := syncDir(filepath.Dir(l.path)); err != nil {
		l.broken = fmt.Errorf("%w: %w", ErrBroken, err)
		return err
	}
	names, err := older(l.path)
	if err != nil {
		return err
	}
	for len(names) > keepFiles {
		if err := os.Remove(names[0]); err != nil {
			return pathless(err)
		}
		names = names[1:]
	}
	return nil
}
