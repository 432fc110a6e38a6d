package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// TestTuneMeasuresAndConfigTakesIt: every figure is there, and what is printed is a part of a configuration file.
func TestTuneMeasuresAndConfigTakesIt(t *testing.T) {
	var progress bytes.Buffer
	h, err := measureHost(time.Millisecond, &progress)
	if err != nil {
		t.Fatal(err)
	}
	if h.hash[hashing.Standard] <= 0 || len(h.seal) != 2 || len(h.batch) < len(tuneBatches) || strings.Count(progress.String(), "MB/s") < 8 {
		t.Errorf("%+v\n%s", h, &progress)
	}
	for size, rate := range h.batch {
		if rate <= 0 {
			t.Errorf("batches of %d: %v", size, rate)
		}
	}
	file := filepath.Join(t.TempDir(), "tuned.yaml")
	if err := writeAdvice(h.advice(), file, nil); err != nil {
		t.Fatal(err)
	}
	if err := writeAdvice(h.advice(), file, nil); err == nil {
		t.Error("a file that was there is overwritten")
	}
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, []string{"S3CP_BACKEND_ENDPOINT=http://a:1", "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=b",
		"S3CP_CLIENT_ACCESS_KEY=c", "S3CP_CLIENT_SECRET_KEY=d", "S3CP_ADMIN_TOKEN=0123456789abcdef"})
	if err != nil {
		t.Fatalf("the proxy does not take what tune says: %v", err)
	}
	if cfg.Pipeline.Budget < 64<<20 {
		t.Errorf("a budget of %v", cfg.Pipeline.Budget)
	}
}

// TestTuneAdvice: the better one wins, and what is as good as automatic stays automatic.
func TestTuneAdvice(t *testing.T) {
	even := func() *host {
		return &host{cores: 96, physical: 48, memory: 512 << 30, tuning: pipeline.Tuning{BatchBytes: 512 << 10},
			hash:  map[hashing.Kernel]float64{hashing.Standard: 100, hashing.Fused: 200},
			seal:  map[format.Suite]float64{format.XChaCha20Poly1305: 3000, format.AES256GCM: 5000},
			batch: map[int]float64{512 << 10: 1000, 1 << 20: 1040}, half: 900}
	}
	for name, c := range map[string]struct {
		change func(*host)
		want   []string
	}{
		"a large host":            {func(*host) {}, []string{"cipher: aes-256-gcm # 5000 MB/s a core", "chunk_size: 0 #", "workers: 0 #", "budget: 3840MiB #", "hashing: fused # 200 MB/s"}},
		"no AES instructions":     {func(h *host) { h.seal[format.AES256GCM] = 300 }, []string{"cipher: xchacha20-poly1305 # 3000 MB/s a core, aes-256-gcm 300"}},
		"a batch that is better":  {func(h *host) { h.batch[1<<20] = 1200 }, []string{"chunk_size: 1024KiB # 1200 MB/s, automatic (512 KiB) 1000"}},
		"hyper-threads that harm": {func(h *host) { h.half = 1100 }, []string{"workers: 48 # the physical cores: 1100 MB/s"}},
		"no SHA instructions":     {func(h *host) { delete(h.hash, hashing.Fused) }, []string{"hashing: auto #"}},
		"fused is slower":         {func(h *host) { h.hash[hashing.Fused] = 50 }, []string{"hashing: standard # 100 MB/s, fused 50"}},
		"AVX-512":                 {func(h *host) { h.hash[hashing.AVX512] = 300 }, []string{"hashing: avx512 # 300 MB/s, standard 100, fused 200"}},
		"AVX-512 that is slow":    {func(h *host) { h.hash[hashing.AVX512] = 190 }, []string{"hashing: fused # 200 MB/s, standard 100, avx512 190"}},
		"little memory":           {func(h *host) { h.memory = 1 << 30 }, []string{"budget: 256MiB # a quarter of 1024 MiB"}},
	} {
		h := even()
		c.change(h)
		var out bytes.Buffer
		if err := writeAdvice(h.advice(), "", &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), "  "+want) {
				t.Errorf("%s: no %q in\n%s", name, want, &out)
			}
		}
	}
}
