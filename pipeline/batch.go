package pipeline

import (
	"iter"
	"sync"
	"sync/atomic"
)

// buffer is what the pools keep. A buffer in a pool holds no plaintext.
type buffer struct{ bytes []byte }

// state says what a batch's buffer holds.
type state uint8

const (
	secret state = iota // being filled, or failed: plaintext or unproved bytes
	sealed
	opened
)

// Batch is a run of consecutive segments in one pooled buffer. Whoever was
// given it owns it and calls Release once, from one goroutine; no method may be
// called after that, and no slice it gave may be used.
type Batch struct {
	e     *Engine
	pool  *sync.Pool // where buf came from and goes back to
	buf   atomic.Pointer[buffer]
	plain int // plain bytes
	state state
}

// newBatch takes a buffer for plain bytes.
func (e *Engine) newBatch(plain int) *Batch {
	b := &Batch{e: e, pool: &e.large, plain: plain}
	if plain <= e.segment {
		b.pool = &e.small
	}
	buf := b.pool.Get().(*buffer)
	e.stats.pooled.Add(int64(len(buf.bytes)))
	b.buf.Store(buf)
	return b
}

// occupied is the buffer bytes that plain bytes with their tags take.
func (e *Engine) occupied(plain int) int {
	segments := max(1, (plain+e.segment-1)/e.segment)
	return plain + segments*(e.slot-e.segment)
}

// Sealed returns the sealed bytes, contiguous; of a batch from Seal only. They
// are good until Release.
func (b *Batch) Sealed() []byte {
	buf := b.bytes()
	if b.state != sealed {
		panic("BUG: sealed bytes are asked of a batch that is not sealed")
	}
	n := b.e.occupied(b.plain)
	return buf[:n:n]
}

// PlainLen is the number of plain bytes.
func (b *Batch) PlainLen() int { return b.plain }

// PlainSegments gives the plaintext of each segment in order; of a batch from
// Open only. The slices are good until Release.
func (b *Batch) PlainSegments() iter.Seq[[]byte] {
	buf := b.bytes()
	if b.state != opened {
		panic("BUG: plaintext is asked of a batch that is not opened")
	}
	return func(yield func([]byte) bool) {
		for at, left := 0, b.plain; left > 0; at += b.e.slot {
			n := min(left, b.e.segment)
			if !yield(buf[at : at+n : at+n]) {
				return
			}
			left -= n
		}
	}
}

// Release gives the buffer back to its pool, cleared unless it is sealed. A
// second Release is a bug and panics: the buffer has another owner by then.
func (b *Batch) Release() {
	buf := b.buf.Swap(nil)
	if buf == nil {
		panic("BUG: a batch is released twice")
	}
	if b.state != sealed {
		clear(buf.bytes[:b.e.occupied(b.plain)])
	}
	b.e.stats.pooled.Add(-int64(len(buf.bytes)))
	b.pool.Put(buf)
}

// bytes is the whole buffer.
func (b *Batch) bytes() []byte {
	buf := b.buf.Load()
	if buf == nil {
		panic("BUG: a batch is used after its Release")
	}
	return buf.bytes
}

// spare is the tag's room behind the last plain byte, before sealing.
func (b *Batch) spare() []byte {
	e, segments := b.e, max(1, (b.plain+b.e.segment-1)/b.e.segment)
	at := (segments-1)*e.slot + b.plain - (segments-1)*e.segment
	return b.bytes()[at : at+e.slot-e.segment]
}
