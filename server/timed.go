package server

import (
	"sync/atomic"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
)

// timedSealer adds up the time one object's segments take to seal, on
// whatever cores. Safe for concurrent use as its Sealer is.
type timedSealer struct {
	pipeline.Sealer
	spent atomic.Int64 // ns
	sum   *sealedSum   // of what is sealed; nil: nobody asks
}

func timeSealer(s pipeline.Sealer) *timedSealer { return &timedSealer{Sealer: segmentSealer(s)} }

// SealInPlace seals and counts.
func (t *timedSealer) SealInPlace(slots []byte, plain int, first int64) int {
	began := time.Now()
	n := t.Sealer.SealInPlace(slots, plain, first)
	t.spent.Add(int64(time.Since(began)))
	if t.sum != nil {
		t.sum.add(first, slots[:n])
	}
	return n
}

// timedOpener is the same for opening. Its Opener is changed between runs only,
// while nothing is being opened.
type timedOpener struct {
	pipeline.Opener
	spent atomic.Int64 // ns
}

// OpenInPlace opens and counts.
func (t *timedOpener) OpenInPlace(sealed []byte, first int64) error {
	began := time.Now()
	err := t.Opener.OpenInPlace(sealed, first)
	t.spent.Add(int64(time.Since(began)))
	return err
}
