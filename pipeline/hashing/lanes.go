package hashing

// lanes are the streams of a group as a kernel takes them. Those from n on are there for
// kernels that always fill their registers.
type lanes struct {
	state  [maxLanes]*[12]uint32
	p      [maxLanes]*byte
	n      int // at least 2
	blocks int // of each, at least 1
}

// hash runs the kernel, or the kernels, of so many streams.
func (l *lanes) hash(k Kernel, of kind) {
	switch {
	case of == onlySHA256:
		l.sha256()
	case of == onlyMD5 && l.n > 2:
		l.md5(k)
	case k == AVX512:
		l.avx512()
	case k == AVX2 && l.n >= minTwice:
		// Two passes, one after the other over a piece that stays in the first cache.
		md5EightAVX2(&l.state, &l.p, l.blocks)
		l.sha256()
	default:
		l.pairs()
	}
}

func (l *lanes) pairs() {
	i := 0
	for ; i+1 < l.n; i += 2 {
		hashTwo((*[2]*[12]uint32)(l.state[i:]), (*[2]*byte)(l.p[i:]), l.blocks)
	}
	if i < l.n {
		hashOne(l.state[i], l.p[i], l.blocks)
	}
}

func (l *lanes) sha256() {
	i := 0
	for ; i+1 < l.n; i += 2 {
		sha256Two((*[2]*[12]uint32)(l.state[i:]), (*[2]*byte)(l.p[i:]), l.blocks)
	}
	if i < l.n {
		sha256One(l.state[i], l.p[i], l.blocks)
	}
}

func (l *lanes) md5(k Kernel) {
	switch {
	case k == AVX2:
		md5EightAVX2(&l.state, &l.p, l.blocks)
	case l.n <= 4:
		md5Four((*[4]*[12]uint32)(l.state[:]), (*[4]*byte)(l.p[:]), l.blocks)
	default:
		md5Eight(&l.state, &l.p, l.blocks)
	}
}

func (l *lanes) avx512() {
	s, p := l.state[:], l.p[:]
	switch l.n {
	case 2:
		l.pairs()
	case 3:
		hashThree((*[3]*[12]uint32)(s), (*[3]*byte)(p), l.blocks)
	case 4:
		hashFour((*[4]*[12]uint32)(s), (*[4]*byte)(p), l.blocks)
	case 5:
		hashFive((*[5]*[12]uint32)(s), (*[5]*byte)(p), l.blocks)
	case 6:
		hashSix((*[6]*[12]uint32)(s), (*[6]*byte)(p), l.blocks)
	case 7:
		hashSeven((*[7]*[12]uint32)(s), (*[7]*byte)(p), l.blocks)
	case 8:
		hashEight(&l.state, &l.p, l.blocks)
	default:
		panic("BUG: a group of a size that no kernel takes")
	}
}
