package server

import (
	"cmp"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
)

// sealedSum is the CRC32C of an object as it was sealed, which the store is to prove of what it got. Each batch is summed
// right after it was sealed, in the cache of the core that did it; a pass over the whole object later costs three times as
// much. It is also the older truth: what changes a byte between sealing and sending is found out.
type sealedSum struct {
	mu   sync.Mutex
	runs []sealedRun
}

// sealedRun is a run of sealed segments.
type sealedRun struct {
	first, bytes int64
	crc          uint32
}

// add sums the sealed segments from number first on. Safe for concurrent use.
func (s *sealedSum) add(first int64, sealed []byte) {
	run := sealedRun{first, int64(len(sealed)), crc32.Checksum(sealed, castagnoli)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, run)
}

// of is the CRC32C of prefix, all that was sealed, in the order of the segments, and suffix.
func (s *sealedSum) of(prefix, suffix []byte) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.runs, func(a, b sealedRun) int { return cmp.Compare(a.first, b.first) })
	f := crcField{32, crc32.Castagnoli}
	sum := crc32.Checksum(prefix, castagnoli)
	var shift uint64
	for i, run := range s.runs {
		if i == 0 || run.bytes != s.runs[i-1].bytes {
			shift = f.shift(run.bytes)
		}
		sum = uint32(f.mul(shift, uint64(sum))) ^ run.crc // as crcField.join
	}
	return crc32.Update(sum, castagnoli, suffix)
}

// sealedBody is a sealed object on its way to the store; it is backend.Summed.
type sealedBody struct {
	*pipeline.ChainReader
	sum uint32
}

// CRC32C is the checksum of all of it.
func (b sealedBody) CRC32C() uint32 { return b.sum }
