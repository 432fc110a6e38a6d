//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package keyagent

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockedPage is one locked page between two guard pages, as on Linux, without secret memory.
type lockedPage struct {
	all  []byte // 3 pages; nil after free
	size int
	kind string
}

func newLockedPage() (lockedPage, error) {
	size := os.Getpagesize()
	all, err := unix.Mmap(-1, 0, 3*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return lockedPage{}, fmt.Errorf("cannot reserve guard pages: %w", err)
	}
	p := lockedPage{all: all, size: size, kind: "mlock"}
	if err := unix.Mprotect(p.page(), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		p.free()
		return lockedPage{}, fmt.Errorf("cannot map memory: %w", err)
	}
	if err := unix.Mlock(p.page()); err != nil {
		p.free()
		return lockedPage{}, fmt.Errorf("cannot lock memory: %w (raise the limit: ulimit -l)", err)
	}
	return p, nil
}

func (p *lockedPage) page() []byte { return p.all[p.size : 2*p.size : 2*p.size] }

func (p *lockedPage) key() []byte { return p.all[2*p.size-KeySize : 2*p.size : 2*p.size] }

func (p *lockedPage) freeze() error { return unix.Mprotect(p.page(), unix.PROT_READ) }

func (p *lockedPage) thaw() {
	if err := unix.Mprotect(p.page(), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		panic("BUG: cannot unprotect a key page: " + err.Error())
	}
}

func (p *lockedPage) free() {
	if err := unix.Munmap(p.all); err != nil {
		panic("BUG: cannot unmap a key page: " + err.Error())
	}
	p.all = nil
}
