package format

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestEveryBit flips every single bit of small objects: nothing opens, for either suite, with and without body.
func TestEveryBit(t *testing.T) {
	ring, where := testRing(t, vectorMaster(), counting(9, 32)), testContext(t, vectorBucket(), vectorKey)
	for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
		for _, size := range []int{0, 1, 100} {
			object := refSeal(vectorInput(suite, 512, size))
			for i := range object {
				for bit := range 8 {
					object[i] ^= 1 << bit
					if _, err := openWhole(ring, where, 512, object); err == nil {
						t.Fatalf("%s, %d bytes: bit %d of byte %d can be flipped", suite, size, bit, i)
					}
					object[i] ^= 1 << bit
				}
			}
			for n := range object {
				if _, err := openWhole(ring, where, 512, object[:n]); err == nil {
					t.Fatalf("%s, %d bytes: %d of %d stored bytes open", suite, size, n, len(object))
				}
			}
			for n := range 600 {
				if _, err := openWhole(ring, where, 512, append(bytes.Clone(object), make([]byte, n+1)...)); err == nil {
					t.Fatalf("%s, %d bytes: %d more zero bytes open", suite, size, n+1)
				}
			}
			if _, err := openWhole(ring, where, 512, object); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestRandomEdits cuts, splices, swaps and flips bigger objects, also against each other: no edit opens, and a range that opens holds the right
// bytes.
func TestRandomEdits(t *testing.T) {
	n := 3000
	if testing.Short() {
		n = 300
	}
	if *long {
		n = 1_000_000
	}
	r := rand.New(rand.NewPCG(7, 8))
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	in := vectorInput(AES256GCM, 512, 5*SegmentSize+999)
	object := refSeal(in)
	other := refSeal(otherInput(AES256GCM, 512, 5*SegmentSize+999))
	for range n {
		edited := bytes.Clone(object)
		at, length := r.IntN(len(edited)), 1+r.IntN(2*Stride)
		if r.IntN(2) == 0 { // on a segment's edge, whole segments
			at, length = 512+r.IntN(6)*Stride, (1+r.IntN(2))*Stride
		}
		end := min(at+length, len(edited))
		var what string
		switch r.IntN(7) {
		case 0:
			what = "flip"
			edited[at] ^= 1 << r.IntN(8)
		case 1:
			what = "cut"
			edited = edited[:at]
		case 2:
			what = "drop"
			edited = append(edited[:at], edited[end:]...)
		case 3:
			what = "copy"
			copy(edited[r.IntN(len(edited)):], edited[at:end])
		case 4:
			what = "duplicate"
			edited = append(edited[:end:end], object[at:]...)
		case 5:
			what = "splice"
			copy(edited[at:end], other[at:end])
		case 6:
			what = "swap segments"
			i, j := r.IntN(5), r.IntN(5)
			copy(edited[512+i*Stride:], object[512+j*Stride:512+(j+1)*Stride])
			copy(edited[512+j*Stride:], object[512+i*Stride:512+(i+1)*Stride])
		}
		if bytes.Equal(edited, object) {
			continue
		}
		if _, err := openWhole(ring, where, 512, edited); err == nil {
			t.Fatalf("%s at %d, %d bytes: opens", what, at, length)
		}
		if len(edited) != len(object) || !bytes.Equal(edited[:512], object[:512]) {
			continue
		}
		o, err := OpenBlock(ring, where, edited[:512], int64(len(edited)))
		if err != nil {
			t.Fatal(err)
		}
		i := r.IntN(6)
		segment := bytes.Clone(edited[512+i*Stride : min(512+(i+1)*Stride, len(edited))])
		if o.OpenInPlace(segment, int64(i)) == nil && !bytes.Equal(segment[:len(segment)-TagSize], in.plain[i*SegmentSize:][:len(segment)-TagSize]) {
			t.Fatalf("%s at %d, %d bytes: segment %d opens to other bytes", what, at, length, i)
		}
	}
}
