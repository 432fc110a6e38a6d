package hashing

import (
	"runtime"
	"sync"
)

// place is where streams meet: at most one waits.
type place struct {
	mu      sync.Mutex
	waiting *visit
	_       [48]byte // its own cache line
}

// visit is one stream's wish: whole blocks to be hashed. Whoever takes it from its
// place owns it until it says done.
type visit struct {
	d    *Digest
	p    []byte
	done chan struct{} // made at the first visit, of capacity 1
}

// blocks hashes whole blocks, beside another stream where one comes.
func (d *Digest) blocks(p []byte) {
	v := &d.visit
	v.d, v.p = d, p
	for len(v.p) >= meetBytes {
		if v.done == nil {
			v.done = make(chan struct{}, 1)
		}
		if other := d.at.enter(v); other != nil {
			together(v, other)
			other.done <- struct{}{}
			continue
		}
		runtime.Gosched()
		if d.at.leave(v) {
			break
		}
		<-v.done // the other stream hashed what both have
	}
	if len(v.p) > 0 {
		d.alone(v.p)
	}
	v.p = nil
}

// enter takes who waits, or waits.
func (l *place) enter(v *visit) (other *visit) {
	l.mu.Lock()
	defer l.mu.Unlock()
	other, l.waiting = l.waiting, nil
	if other == nil {
		l.waiting = v
	}
	return other
}

// leave reports whether v was still waiting; it is not any more.
func (l *place) leave(v *visit) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting != v {
		return false
	}
	l.waiting = nil
	return true
}

// together hashes what both have in common and leaves each its rest.
func together(v, w *visit) {
	n := min(len(v.p), len(w.p))
	hashTwo(&[2]*[4]uint32{&v.d.md5, &w.d.md5}, &[2]*[8]uint32{&v.d.sha, &w.d.sha}, &[2]*byte{&v.p[0], &w.p[0]}, n/blockBytes)
	v.p, w.p = v.p[n:], w.p[n:]
	v.d.engine.stats.paired.Add(2 * uint64(n))
}
