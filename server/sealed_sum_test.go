package server

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// TestSealedSumIsThatOfTheWhole: in whatever order and on whatever core the batches are sealed.
func TestSealedSumIsThatOfTheWhole(t *testing.T) {
	for _, sizes := range [][]int{{0}, {16}, {1000, 1000, 1000}, {1000, 1000, 17}, {7, 0, 1, 100_000, 100_000, 3}} {
		prefix, suffix := pattern(4096), make([]byte, len(sizes)*100)
		want := append([]byte(nil), prefix...)
		var sum sealedSum
		var all sync.WaitGroup
		for _, i := range rand.Perm(len(sizes)) {
			all.Go(func() { sum.add(int64(i), pattern(sizes[i])) })
		}
		all.Wait()
		for _, n := range sizes {
			want = append(want, pattern(n)...)
		}
		want = append(want, suffix...)
		for range 2 { // a condition that fails makes a second body
			if got := sum.of(prefix, suffix); got != crc32.Checksum(want, castagnoli) {
				t.Errorf("runs of %v: %08x", sizes, got)
			}
		}
	}
}

// TestStoreIsToldTheSumOfWhatWasSealed: the store of this test holds every upload to it (memory.Put).
func TestStoreIsToldTheSumOfWhatWasSealed(t *testing.T) {
	g := newRig(t, func(c *Config) { c.PadSizes = []string{"padded"} })
	g.store.buckets["padded"] = map[string]*blob{}
	for _, bucket := range []string{"bkt", "padded"} {
		for _, n := range []int{0, 1, format.SegmentSize, 1<<20 + 1, 5<<20 + 3} {
			g.store.mu.Lock()
			before := g.store.summed
			g.store.mu.Unlock()
			target := fmt.Sprintf("/%s/size-%d", bucket, n)
			g.put(target, pattern(n))
			g.store.mu.Lock()
			after := g.store.summed
			g.store.mu.Unlock()
			if after != before+1 {
				t.Errorf("%s: %d uploads of %s were summed", target, after-before, strings.TrimPrefix(target, "/"))
			}
			if got := g.get(target); !bytes.Equal(got.body, pattern(n)) {
				t.Errorf("%s: %d bytes came back", target, len(got.body))
			}
		}
	}
}
