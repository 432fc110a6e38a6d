package pipeline

import "iter"

// buffer is what the pools keep.
type buffer struct{ bytes []byte }

// Batch is a run of consecutive segments in one pooled buffer. Whoever was
// given it owns it and calls Release once; no method may be called after that,
// and no slice it gave may be used.
type Batch struct {
	e      *Engine
	buf    *buffer
	plain  int  // plain bytes
	sealed int  // contiguous sealed bytes; 0 while it holds plaintext
	secret bool // buf may hold plaintext
}

// newBatch takes a buffer for plain bytes.
func (e *Engine) newBatch(plain int) *Batch {
	pool := &e.large
	if plain <= e.segment {
		pool = &e.small
	}
	b := &Batch{e: e, buf: pool.Get().(*buffer), plain: plain, secret: true}
	e.stats.pooled.Add(int64(len(b.buf.bytes)))
	return b
}

// Sealed returns the sealed bytes; after Seal only.
func (b *Batch) Sealed() []byte {
	b.check()
	return b.buf.bytes[:b.sealed]
}

// PlainLen is the number of plain bytes.
func (b *Batch) PlainLen() int { return b.plain }

// PlainSegments gives the plaintext of each segment in order; after Open only.
// The slices are good until Release.
func (b *Batch) PlainSegments() iter.Seq[[]byte] {
	b.check()
	return func(yield func([]byte) bool) {
		for i, left := 0, b.plain; left > 0; i++ {
			n := min(left, b.e.segment)
			at := i * b.e.slot
			if !yield(b.buf.bytes[at : at+n]) {
				return
			}
			left -= n
		}
	}
}

// Release gives the buffer back to its pool, cleared if it may hold plaintext.
func (b *Batch) Release() {
	b.check()
	buf := b.buf
	b.buf = nil
	if b.secret {
		clear(buf.bytes[:b.e.occupied(b.plain)])
	}
	b.e.stats.pooled.Add(-int64(len(buf.bytes)))
	if len(buf.bytes) == b.e.slot && b.e.segments != 1 {
		b.e.small.Put(buf)
	} else {
		b.e.large.Put(buf)
	}
}

func (b *Batch) check() {
	if b.buf == nil {
		panic("BUG: a batch is used after its Release")
	}
}

// occupied is the buffer bytes that plain bytes with their tags take.
func (e *Engine) occupied(plain int) int {
	segments := max(1, (plain+e.segment-1)/e.segment)
	return plain + segments*(e.slot-e.segment)
}
