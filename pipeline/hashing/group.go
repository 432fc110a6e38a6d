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
	// A lane that no stream is in gets the first one's blocks, for nothing.
	var spare [12]uint32
	var s [maxLanes]*[12]uint32
	var p [maxLanes]*byte
	for i := range s {
		s[i], p[i] = &spare, &visits[0].p[0]
		if i < len(visits) {
			s[i], p[i] = (*[12]uint32)(&visits[i].d.state), &visits[i].p[0]
		}
	}
	blocks, d := n/blockBytes, visits[0].d
	switch d.kind {
	case onlySHA256:
		sha256Two((*[2]*[12]uint32)(s[:]), (*[2]*byte)(p[:]), blocks)
	case onlyMD5:
		manyMD5(&s, &p, len(visits), blocks)
	default:
		many(&s, &p, len(visits), blocks)
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

// manyMD5 hashes MD5 of the first n streams.
func manyMD5(s *[maxLanes]*[12]uint32, p *[maxLanes]*byte, n, blocks int) {
	switch {
	case n <= 2:
		hashTwo((*[2]*[12]uint32)(s[:]), (*[2]*byte)(p[:]), blocks)
	case n <= 4:
		md5Four((*[4]*[12]uint32)(s[:]), (*[4]*byte)(p[:]), blocks)
	default:
		md5Eight(s, p, blocks)
	}
}

// many hashes both sums of the first n streams.
func many(s *[maxLanes]*[12]uint32, p *[maxLanes]*byte, n, blocks int) {
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
