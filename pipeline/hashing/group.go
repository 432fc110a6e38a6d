package hashing

// group is streams of one kind that met. Who took it from its place owns their visits.
type group struct {
	visits [maxLanes]*visit
	n      int
}

// hash hashes what all have in common and leaves each its rest.
func (g *group) hash() {
	visits := g.visits[:g.n]
	n := len(visits[0].p)
	for _, v := range visits {
		n = min(n, len(v.p))
	}
	var s [maxLanes]*[12]uint32
	var p [maxLanes]*byte
	for i, v := range visits {
		s[i], p[i] = (*[12]uint32)(&v.d.state), &v.p[0]
	}
	blocks, d := n/blockBytes, visits[0].d
	if d.kind == onlySHA256 {
		sha256Two((*[2]*[12]uint32)(s[:]), (*[2]*byte)(p[:]), blocks)
	} else {
		hashMany(&s, &p, len(visits), blocks)
	}
	for _, v := range visits {
		v.p = v.p[n:]
	}
	d.engine.stats.count(len(visits), uint64(len(visits)*n))
}

// release gives all but own back to their streams.
func (g *group) release(own *visit) {
	for _, v := range g.visits[:g.n] {
		if v != own {
			v.done <- struct{}{}
		}
	}
}

// hashMany hashes both sums of the first n streams.
func hashMany(s *[maxLanes]*[12]uint32, p *[maxLanes]*byte, n, blocks int) {
	switch n {
	case 2:
		hashTwo((*[2]*[12]uint32)(s[:]), (*[2]*byte)(p[:]), blocks)
	case 3:
		hashThree((*[3]*[12]uint32)(s[:]), (*[3]*byte)(p[:]), blocks)
	case 4:
		hashFour((*[4]*[12]uint32)(s[:]), (*[4]*byte)(p[:]), blocks)
	case 5:
		hashFive((*[5]*[12]uint32)(s[:]), (*[5]*byte)(p[:]), blocks)
	case 6:
		hashSix((*[6]*[12]uint32)(s[:]), (*[6]*byte)(p[:]), blocks)
	case 7:
		hashSeven((*[7]*[12]uint32)(s[:]), (*[7]*byte)(p[:]), blocks)
	case 8:
		hashEight(s, p, blocks)
	default:
		panic("BUG: a group of a size that no kernel takes")
	}
}
