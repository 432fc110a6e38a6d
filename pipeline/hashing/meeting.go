package hashing

import (
	"runtime"
	"slices"
	"sync"
)

// meeting is a place for each kind.
type meeting [kinds]place

// place is where streams of one kind meet.
type place struct {
	mu      sync.Mutex
	waiting group
	_       [48]byte // the lock and the count share a line with no other place's
}

// visit is one stream's wish: whole blocks to be hashed. Whoever takes it from its
// place owns it until it says done.
type visit struct {
	d    *Digest
	p    []byte
	done chan struct{} // made at the first visit, of capacity 1
}

// blocks hashes whole blocks, beside other streams where some come.
func (d *Digest) blocks(p []byte) {
	v := &d.visit
	v.d, v.p = d, p
	for len(v.p) >= meetBytes {
		if v.done == nil {
			v.done = make(chan struct{}, 1)
		}
		g := d.at.enter(v, d.engine.most(d.kind))
		if g.n == 0 {
			runtime.Gosched()
			g = d.at.leave(v, d.engine.least(d.kind))
		}
		if g.n == 0 {
			<-v.done // another stream took this one along
			continue
		}
		if g.n == 1 {
			break
		}
		g.hash()
		g.release(v)
	}
	if len(v.p) > 0 {
		d.alone(v.p)
	}
	v.p = nil
}

// enter makes v wait; if it is then one of most, it takes all who wait instead.
func (l *place) enter(v *visit, most int) (g group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting.add(v)
	if l.waiting.n == most {
		g, l.waiting = l.waiting, group{}
	}
	return g
}

// leave takes all who wait, v among them, or if they are fewer than least, v and one
// other; nobody if v was taken.
func (l *place) leave(v *visit, least int) (g group) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting.visits[:l.waiting.n], v)
	switch {
	case i < 0:
		return g
	case l.waiting.n >= least:
		g, l.waiting = l.waiting, group{}
		return g
	}
	g.add(v)
	l.waiting.remove(i)
	if l.waiting.n > 0 {
		g.add(l.waiting.visits[0])
		l.waiting.remove(0)
	}
	return g
}
