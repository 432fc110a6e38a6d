package hashing

// group is streams of one kind that met. Who took it from its place owns their visits.
type group struct {
	visits [maxLanes]*visit
	n      int
}

func (g *group) add(v *visit) {
	g.visits[g.n] = v
	g.n++
}

func (g *group) remove(i int) {
	copy(g.visits[i:], g.visits[i+1:])
	g.n--
	g.visits[g.n] = nil
}

// hash hashes what all have in common and leaves each its rest.
func (g *group) hash() {
	visits := g.visits[:g.n]
	n := len(visits[0].p)
	for _, v := range visits {
		n = min(n, len(v.p))
	}
	e, kind, piece := visits[0].d.engine, visits[0].d.kind, n
	if e.kernel == AVX2 && kind == both {
		piece = twicePiece
	}
	// A lane that no stream is in gets the first one's blocks, for nothing.
	var spare [12]uint32
	var l lanes
	for at := 0; at < n; at += piece {
		for i := range l.state {
			v, s := visits[0], &spare
			if i < len(visits) {
				v = visits[i]
				s = (*[12]uint32)(&v.d.state)
			}
			l.state[i], l.p[i] = s, &v.p[at]
		}
		l.n, l.blocks = len(visits), min(piece, n-at)/blockBytes
		l.hash(e.kernel, kind)
	}
	for _, v := range visits {
		v.p = v.p[n:]
	}
	e.stats.count(len(visits), uint64(len(visits)*n))
}

// release gives all but own back to their streams.
func (g *group) release(own *visit) {
	for _, v := range g.visits[:g.n] {
		if v != own {
			v.done <- struct{}{}
		}
	}
}
