//go:build passthrough

package server

import (
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
)

// A build with the tag `passthrough` moves every byte the product moves, in the
// same layout, but neither seals nor hashes. It stores plaintext: it exists for
// the benchmark alone, says so on start, and listens on loopback only.
const (
	digesting   = false
	passthrough = true
)

func segmentSealer(pipeline.Sealer) pipeline.Sealer { return unsealed{} }

func segmentOpener(pipeline.Opener) pipeline.Opener { return unsealed{} }

type unsealed struct{}

// SealInPlace leaves the plaintext where it is and zero tags behind it.
func (unsealed) SealInPlace(slots []byte, plain int, _ int64) int {
	segments := max(1, (plain+format.SegmentSize-1)/format.SegmentSize)
	sealed := plain + segments*format.TagSize
	for i := range segments {
		end := min((i+1)*format.Stride, sealed)
		clear(slots[end-format.TagSize : end])
	}
	return sealed
}

// OpenInPlace finds the plaintext where SealInPlace left it.
func (unsealed) OpenInPlace([]byte, int64) error { return nil }
