package keyagent

import (
	"crypto/rand"
	"encoding/binary"
	"math/bits"
	"time"
)

// backoff gives growing pauses: each between half and all of a step that doubles from least to most. The jitter keeps
// the proxies of a host from meeting a restarted agent all at once.
type backoff struct {
	least, most, step time.Duration
}

func newBackoff(least, most time.Duration) *backoff {
	return &backoff{least: least, most: most, step: least}
}

func (b *backoff) reset() { b.step = b.least }

func (b *backoff) next() time.Duration {
	var r [8]byte
	_, _ = rand.Read(r[:]) // never fails
	half := b.step / 2
	jitter, _ := bits.Mul64(uint64(half), binary.BigEndian.Uint64(r[:])) // half times a fraction below one
	pause := b.step - half + time.Duration(jitter)
	b.step = min(2*b.step, b.most)
	return pause
}
