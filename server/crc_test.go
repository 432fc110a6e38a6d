package server

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// sumOf is a checksum of data.
func (c *checksum) sumOf(data []byte) []byte {
	h := c.make()
	h.Write(data)
	return h.Sum(nil)
}

// TestJoinedCRCIsThatOfTheWhole joins CRCs of runs of every kind of length.
func TestJoinedCRCIsThatOfTheWhole(t *testing.T) {
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	for i := range checksums {
		c := &checksums[i]
		if c.crc == nil {
			continue
		}
		for _, cuts := range [][]int{{0}, {0, 0}, {1}, {0, 1, 1}, {7, 100_000, 100_000, 1_000_000}, {len(data)}, {len(data) - 1}, {65536, 131072}} {
			var whole []byte
			from := 0
			for _, to := range append(cuts, len(data)) {
				piece := data[from:to]
				if whole == nil {
					whole = c.sumOf(piece)
				} else {
					whole = c.crc.join(whole, c.sumOf(piece), int64(len(piece)))
				}
				from = to
			}
			if want := c.sumOf(data); !bytes.Equal(whole, want) {
				t.Errorf("%s cut at %v: %x, want %x", c.name, cuts, whole, want)
			}
		}
	}
}

// TestJoinOfLongRuns: zeroes of any length move a CRC as many small runs of them do.
func TestJoinOfLongRuns(t *testing.T) {
	for i := range checksums {
		f := checksums[i].crc
		if f == nil {
			continue
		}
		for _, n := range []int64{1, 255, 5 << 20, 5<<30 - 1, 5 << 40} {
			if a, b := f.mul(f.shift(n), f.shift(n+3)), f.shift(2*n+3); a != b {
				t.Errorf("%s: x^%d·x^%d is %x, want %x", checksums[i].name, n, n+3, a, b)
			}
		}
	}
}

// TestTenThousandJoinsTakeNoTime: a Complete of so many parts does them in one request.
func TestTenThousandJoinsTakeNoTime(t *testing.T) {
	c := checksumByName("CRC64NVME")
	sum := c.sumOf([]byte("x"))
	began := time.Now()
	for range 10_000 {
		sum = c.crc.join(sum, sum, 5<<30-12345)
	}
	if took := time.Since(began); took > 10*time.Second { // 30 ms
		t.Errorf("%s", took)
	}
}
