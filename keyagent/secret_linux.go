package keyagent

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lockedPage is one page of locked memory between two guard pages. The key lies at the very end of the page, so that
// the first byte read or written past it is in the guard.
//
//	base          base+P                     base+2P       base+3P
//	| PROT_NONE   | zeros …       | key 32 B | PROT_NONE   |
type lockedPage struct {
	base unsafe.Pointer // 3 pages; nil after free
	size uintptr        // P, the page size
	kind string
}

// newLockedPage gives a writable page of zeros. Refusing to work without protection is deliberate: an error here is the
// operator's to solve (LimitMEMLOCK), not a reason to put a master key on the heap.
func newLockedPage() (lockedPage, error) {
	size := uintptr(os.Getpagesize())
	base, err := unix.MmapPtr(-1, 0, nil, 3*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return lockedPage{}, fmt.Errorf("cannot reserve guard pages: %w", err)
	}
	p := lockedPage{base: base, size: size}
	err = p.mapSecret()
	if secretMemoryMissing(err) {
		err = p.mapLocked()
	}
	if err != nil {
		p.free()
		return lockedPage{}, err
	}
	return p, nil
}

// secretMemoryMissing tells whether the kernel has no memfd_secret, or whether a sandbox forbids it.
func secretMemoryMissing(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) ||
		errors.Is(err, unix.EOPNOTSUPP)
}

// mapSecret puts a memfd_secret(2) page between the guards: it is not in the kernel's direct map, cannot be read through
// /proc/pid/mem, ptrace or a core dump, and is locked by nature.
func (p *lockedPage) mapSecret() error {
	fd, err := memfdSecret()
	if err != nil {
		return fmt.Errorf("cannot create secret memory: %w", err)
	}
	defer unix.Close(fd) // the mapping keeps the memory
	if err := unix.Ftruncate(fd, int64(p.size)); err != nil {
		return fmt.Errorf("cannot size secret memory: %w", err)
	}
	_, err = unix.MmapPtr(fd, 0, unsafe.Add(p.base, p.size), p.size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_SHARED|unix.MAP_FIXED)
	if err != nil {
		return lockLimit(err)
	}
	p.kind = "memfd_secret"
	if err := unix.Madvise(p.page(), unix.MADV_DONTFORK); err != nil {
		return fmt.Errorf("cannot keep a key from forked children: %w", err)
	}
	return nil
}

// mapLocked puts ordinary memory between the guards: not swapped, not dumped, not inherited.
func (p *lockedPage) mapLocked() error {
	_, err := unix.MmapPtr(-1, 0, unsafe.Add(p.base, p.size), p.size, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("cannot map memory: %w", err)
	}
	p.kind = "mlock"
	if err := unix.Mlock(p.page()); err != nil {
		return lockLimit(err)
	}
	// WIPEONFORK is what counts should DONTFORK be undone; with both, a forked child has nothing to read.
	for _, advice := range []int{unix.MADV_DONTDUMP, unix.MADV_WIPEONFORK, unix.MADV_DONTFORK} {
		if err := unix.Madvise(p.page(), advice); err != nil {
			return fmt.Errorf("cannot keep a key from dumps and children (madvise %d): %w", advice, err)
		}
	}
	return nil
}

func lockLimit(err error) error {
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EPERM) {
		// %v: an EPERM from mlock must not look like a missing memfd_secret.
		return fmt.Errorf("cannot lock memory: %v (raise the limit: ulimit -l, or LimitMEMLOCK= of the unit)", err)
	}
	return fmt.Errorf("cannot lock memory: %w", err)
}

func (p *lockedPage) page() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(p.base, p.size)), p.size)
}

func (p *lockedPage) key() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(p.base, 2*p.size-KeySize)), KeySize)
}

// freeze makes the page read-only: a stray write must be a crash, never a slightly different key.
func (p *lockedPage) freeze() error { return unix.Mprotect(p.page(), unix.PROT_READ) }

func (p *lockedPage) thaw() {
	if err := unix.Mprotect(p.page(), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		panic("BUG: cannot unprotect a key page: " + err.Error())
	}
}

func (p *lockedPage) free() {
	if p.base == nil {
		panic("BUG: key page freed twice")
	}
	if err := unix.MunmapPtr(p.base, 3*p.size); err != nil {
		panic("BUG: cannot unmap a key page: " + err.Error())
	}
	p.base = nil
}
