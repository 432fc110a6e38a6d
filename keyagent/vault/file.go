package vault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// storage is the three steps that put pins on disk; tests let each of them fail.
type storage interface {
	// write makes the file temp anew, with content, mode 0600, on disk.
	write(temp string, content []byte) error
	rename(from, to string) error
	remove(name string) error
	// syncDir puts the names of a directory on disk.
	syncDir(dir string) error
}

type disk struct{}

func (disk) write(temp string, content []byte) error {
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(temp) // a full disk needs every byte
	}
	return err
}

func (disk) rename(from, to string) error { return os.Rename(from, to) }

func (disk) remove(name string) error { return os.Remove(name) }

func (disk) syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// pinsFile is the pins on disk.
type pinsFile struct {
	path    string
	storage storage
}

// errUnknown says that neither the old nor the new pins can be relied on to be on disk.
var errUnknown = errors.New("the pins file is in doubt until the agent starts again")

// put replaces old by next. On an error the file still says old, unless the error is errUnknown: then it says one of the
// two, whole, and nobody knows which a power failure would leave.
func (f pinsFile) put(old, next Pins) error {
	temp := f.path + ".new"
	if err := f.storage.write(temp, next.encode()); err != nil {
		return err
	}
	if err := f.storage.rename(temp, f.path); err != nil {
		_ = f.storage.remove(temp) // the next put does it otherwise
		return err
	}
	err := f.storage.syncDir(filepath.Dir(f.path))
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", f.back(old, err), errUnknown)
}

// back puts the old pins to their name again, after a directory that would not go to disk. That it fails too, or may
// not last, is why the vault takes no more changes.
func (f pinsFile) back(old Pins, why error) error {
	if old.Empty() {
		return errors.Join(why, f.storage.remove(f.path))
	}
	temp := f.path + ".new"
	if err := f.storage.write(temp, old.encode()); err != nil {
		return errors.Join(why, err)
	}
	return errors.Join(why, f.storage.rename(temp, f.path))
}

// readPins reads and checks a pins file; no file is the empty pins.
func readPins(path string) (Pins, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return Pins{}, nil
	}
	if err != nil {
		return Pins{}, pathless(err)
	}
	if !info.Mode().IsRegular() {
		return Pins{}, errors.New("it is not a regular file")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return Pins{}, fmt.Errorf("others can write to it (mode %#o)", info.Mode().Perm())
	}
	f, err := os.Open(path)
	if err != nil {
		return Pins{}, pathless(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPinsFile+1))
	if err != nil {
		return Pins{}, pathless(err)
	}
	if len(b) > maxPinsFile {
		return Pins{}, fmt.Errorf("it has more than %d bytes", maxPinsFile)
	}
	return parsePins(b)
}

// ReadPins reads a pins file as Open does, without opening a vault: for the operator's eyes.
func ReadPins(path string) (Pins, error) {
	p, err := readPins(path)
	if err != nil {
		return Pins{}, fmt.Errorf("cannot read the pins %q: %w", path, err)
	}
	return p, nil
}

// pathless drops the path from the errors of os: ours have it already.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}
