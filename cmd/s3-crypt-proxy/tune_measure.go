package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
)

// tuneBody is the object that is sealed again and again: PBS's most usual chunk.
const tuneBody = 4 << 20

// tuneBatches are the sizes that are tried beside the automatic one.
var tuneBatches = []int{256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20}

// measureHost takes a window for each figure, and tells each on progress.
func measureHost(window time.Duration, progress io.Writer) (*host, error) {
	h := thisHost()
	fmt.Fprintf(progress, "%s\n", h.tuning.Why)
	say := func(what string, rate float64) { fmt.Fprintf(progress, "%-52s %7.0f MB/s\n", what, rate) }
	for _, k := range hashing.Kernels() {
		e, err := hashing.New(k, h.cores)
		if err != nil {
			continue // this processor cannot
		}
		h.hash[k] = hashRate(e, 2*h.cores, window)
		say(fmt.Sprintf("MD5 and SHA-256, %d bodies at once, %s", 2*h.cores, k), h.hash[k])
	}
	ring, err := tuneRing()
	if err != nil {
		return nil, err
	}
	for _, s := range []format.Suite{format.XChaCha20Poly1305, format.AES256GCM} {
		if h.seal[s], err = sealRate(ring, s, 1, h.tuning.BatchBytes, nil, window); err != nil {
			return nil, err
		}
		say(fmt.Sprintf("sealing, one core, %v", s), h.seal[s])
	}
	digester, err := hashing.New(hashing.Auto, h.cores)
	if err != nil {
		return nil, err
	}
	for _, size := range append(tuneBatches, h.tuning.BatchBytes) {
		if h.batch[size] > 0 {
			continue
		}
		if h.batch[size], err = sealRate(ring, format.XChaCha20Poly1305, h.cores, size, digester, window); err != nil {
			return nil, err
		}
		say(fmt.Sprintf("one body hashed and sealed, batches of %d KiB", size>>10), h.batch[size])
	}
	if h.physical > 0 && h.physical < h.cores {
		if h.half, err = sealRate(ring, format.XChaCha20Poly1305, h.physical, h.tuning.BatchBytes, digester, window); err != nil {
			return nil, err
		}
		say(fmt.Sprintf("the same on %d workers", h.physical), h.half)
	}
	return h, nil
}

// rate is 10^6 bytes a second.
func rate(bytes int64, took time.Duration) float64 { return float64(bytes) / 1e6 / took.Seconds() }

// hashRate hashes so many bodies at once.
func hashRate(e *hashing.Engine, bodies int, window time.Duration) float64 {
	var done atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range bodies {
		all.Go(func() {
			piece, d := make([]byte, 64<<10), e.New(hashing.MD5|hashing.SHA256)
			for time.Since(began) < window {
				d.Write(piece)
				done.Add(int64(len(piece)))
			}
		})
	}
	all.Wait()
	return rate(done.Load(), time.Since(began))
}

// tuneRing is a keyring of a random master, for this process alone.
func tuneRing() (*format.Keyring, error) {
	master := make([]byte, 32)
	rand.Read(master) // never fails (Go 1.24)
	defer clear(master)
	keys, err := format.DeriveKeys(master)
	if err != nil {
		return nil, err
	}
	return format.NewKeyring(keys)
}

// sealRate seals bodies one after the other; with a digester they are hashed as they are read.
func sealRate(ring *format.Keyring, suite format.Suite, workers, batch int, digester *hashing.Engine, window time.Duration) (float64, error) {
	engine, err := pipeline.New(pipeline.Config{SegmentBytes: format.SegmentSize, TagBytes: format.TagSize, Workers: workers, BatchBytes: batch, Budget: 64 << 20})
	if err != nil {
		return 0, err
	}
	defer engine.Close()
	where, err := format.NewContext(format.BucketID{0: 1}, "tune")
	if err != nil {
		return 0, err
	}
	var bytes int64
	began := time.Now()
	for time.Since(began) < window {
		// One sealer for each body: a nonce is used once, here too.
		sealer, err := format.NewSealer(ring, where, format.Meta{PlainSize: tuneBody}, format.SealOptions{Suite: suite, BlockSize: format.DefaultBlockSize})
		if err != nil {
			return 0, err
		}
		src := &zeroes{left: tuneBody}
		if digester != nil {
			src.digest = digester.New(hashing.MD5 | hashing.SHA256)
		}
		if err := engine.Seal(context.Background(), src, tuneBody, sealer, func(b *pipeline.Batch) error { b.Release(); return nil }); err != nil {
			return 0, fmt.Errorf("cannot measure sealing: %w", err)
		}
		bytes += tuneBody
	}
	return rate(bytes, time.Since(began)), nil
}

// zeroes is a body that is hashed as it is read.
type zeroes struct {
	left   int
	digest *hashing.Digest // nil: not hashed
}

func (z *zeroes) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), z.left, 64<<10)]
	clear(p)
	if z.digest != nil {
		z.digest.Write(p)
	}
	z.left -= len(p)
	return len(p), nil
}
