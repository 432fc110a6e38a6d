//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package keyagent

// lockedPage is an ordinary heap allocation where the package knows no locked memory. It serves the administrator's
// tool, which holds a key for seconds; proxy and agent run on Linux only.
type lockedPage struct {
	all  *[KeySize]byte
	kind string
}

func newLockedPage() (lockedPage, error) {
	return lockedPage{all: new([KeySize]byte), kind: "heap"}, nil
}

func (p *lockedPage) key() []byte   { return p.all[:] }
func (p *lockedPage) freeze() error { return nil }
func (p *lockedPage) thaw()         {}
func (p *lockedPage) free()         { p.all = nil }
