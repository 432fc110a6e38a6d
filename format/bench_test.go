package format

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// Raw and sealed run side by side on the same buffers: what the format adds to the bare AEAD is the difference.

func rawAEAD(b *testing.B, suite Suite) cipher.AEAD {
	b.Helper()
	if suite == XChaCha20Poly1305 {
		a, err := chacha20poly1305.NewX(counting(1, 32))
		if err != nil {
			b.Fatal(err)
		}
		return a
	}
	block, err := aes.NewCipher(counting(1, 32))
	if err != nil {
		b.Fatal(err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

func benchmarkRawSeal(b *testing.B, suite Suite) {
	aead := rawAEAD(b, suite)
	buf, nonce := make([]byte, Stride), make([]byte, aead.NonceSize())
	b.SetBytes(SegmentSize)
	b.ReportAllocs()
	for b.Loop() {
		nonce[0]++
		aead.Seal(buf[:0], nonce, buf[:SegmentSize], nil)
	}
}

func benchmarkSeal(b *testing.B, suite Suite) {
	s, err := NewSealer(testRing(b, vectorMaster()), testContext(b, vectorBucket(), vectorKey), Meta{PlainSize: 1 << 40}, SealOptions{Suite: suite})
	if err != nil {
		b.Fatal(err)
	}
	buf, i := make([]byte, Stride), int64(0)
	b.SetBytes(SegmentSize)
	b.ReportAllocs()
	for b.Loop() {
		s.SealInPlace(buf, SegmentSize, i%(1<<23))
		i++
	}
}

func benchmarkRawOpen(b *testing.B, suite Suite) {
	aead := rawAEAD(b, suite)
	nonce := make([]byte, aead.NonceSize())
	sealed := aead.Seal(nil, nonce, make([]byte, SegmentSize), nil)
	buf := make([]byte, Stride)
	b.SetBytes(SegmentSize)
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, sealed)
		if _, err := aead.Open(buf[:0], nonce, buf, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkOpen(b *testing.B, suite Suite) {
	ring, where := testRing(b, vectorMaster()), testContext(b, vectorBucket(), vectorKey)
	object, err := sealObject(ring, where, Meta{}, SealOptions{Suite: suite}, make([]byte, 2*SegmentSize), vectorEntropy())
	if err != nil {
		b.Fatal(err)
	}
	o, err := OpenBlock(ring, where, object[:DefaultBlockSize], int64(len(object)))
	if err != nil {
		b.Fatal(err)
	}
	sealed, buf := object[DefaultBlockSize:][:Stride], make([]byte, Stride)
	b.SetBytes(SegmentSize)
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, sealed)
		if err := o.OpenInPlace(buf, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRawXChaCha20Poly1305_64KiB(b *testing.B)     { benchmarkRawSeal(b, XChaCha20Poly1305) }
func BenchmarkSealXChaCha20Poly1305_64KiB(b *testing.B)    { benchmarkSeal(b, XChaCha20Poly1305) }
func BenchmarkRawOpenXChaCha20Poly1305_64KiB(b *testing.B) { benchmarkRawOpen(b, XChaCha20Poly1305) }
func BenchmarkOpenXChaCha20Poly1305_64KiB(b *testing.B)    { benchmarkOpen(b, XChaCha20Poly1305) }
func BenchmarkRawAES256GCM_64KiB(b *testing.B)             { benchmarkRawSeal(b, AES256GCM) }
func BenchmarkSealAES256GCM_64KiB(b *testing.B)            { benchmarkSeal(b, AES256GCM) }
func BenchmarkRawOpenAES256GCM_64KiB(b *testing.B)         { benchmarkRawOpen(b, AES256GCM) }
func BenchmarkOpenAES256GCM_64KiB(b *testing.B)            { benchmarkOpen(b, AES256GCM) }

// BenchmarkSealBatch seals 1 MiB, 16 segments, per call: the pipeline's unit.
func BenchmarkSealBatch_1MiB(b *testing.B) {
	for _, suite := range []Suite{XChaCha20Poly1305, AES256GCM} {
		b.Run(suite.String(), func(b *testing.B) {
			s, err := NewSealer(testRing(b, vectorMaster()), testContext(b, vectorBucket(), vectorKey), Meta{PlainSize: 1 << 40}, SealOptions{Suite: suite})
			if err != nil {
				b.Fatal(err)
			}
			buf, i := make([]byte, 16*Stride), int64(0)
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				s.SealInPlace(buf, 1<<20, i%(1<<23))
				i += 16
			}
		})
	}
}

func BenchmarkNewSealer(b *testing.B) {
	ring, where := testRing(b, vectorMaster()), testContext(b, vectorBucket(), vectorKey)
	meta := Meta{PlainSize: 4 << 20, ContentType: vectorType, MD5: make([]byte, 16)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewSealer(ring, where, meta, SealOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpenBlock(b *testing.B) {
	ring, where := testRing(b, vectorMaster()), testContext(b, vectorBucket(), vectorKey)
	s, err := NewSealer(ring, where, Meta{PlainSize: 4 << 20, ContentType: vectorType, MD5: make([]byte, 16)}, SealOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenBlock(ring, where, s.Block(), s.SealedSize()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlainSize(b *testing.B) {
	for _, plain := range []int64{1, 4 << 20, 1 << 40} {
		b.Run(fmt.Sprint(plain), func(b *testing.B) {
			sealed := SealedSize(DefaultBlockSize, plain)
			for b.Loop() {
				if p, ok := PlainSize(DefaultBlockSize, sealed); !ok || p != plain {
					b.Fatal(p)
				}
			}
		})
	}
}
