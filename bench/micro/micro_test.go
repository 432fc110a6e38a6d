package main

import (
	"context"
	"strings"
	"testing"
)

const sample = `goos: linux
BenchmarkRaw/AES-256-GCM/64KiB-2   	 34	 13647776 ns/op	4000.00 MB/s	 0 B/op	 0 allocs/op
BenchmarkSeal/AES-256-GCM/workers=1/64MiB-2   	 34	 13647776 ns/op	3800.00 MB/s	 10 B/op	 7 allocs/op
BenchmarkSeal/AES-256-GCM/workers=2/64MiB-2   	 34	 13647776 ns/op	7220.00 MB/s	 10 B/op	 7 allocs/op
BenchmarkNoBytes-2   	 34	 1 ns/op	 0 B/op	 0 allocs/op
PASS
`

func TestTableHasTheRatiosOfOneRun(t *testing.T) {
	s := series{}
	for range 2 {
		if err := s.add("./pipeline", []byte(sample)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := render(context.Background(), s, 2, "1s")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		"| ./pipeline Seal/AES-256-GCM/workers=1/64MiB | 3800 (3800–3800) | 7 | Raw/AES-256-GCM/64KiB | 0.95 (0.95–0.95) |",
		"| ./pipeline Seal/AES-256-GCM/workers=2/64MiB | 7220 (7220–7220) | 7 | Seal/AES-256-GCM/workers=1/64MiB | 1.90 (1.90–1.90) |",
	} {
		if !strings.Contains(got, row) {
			t.Errorf("no row %s in\n%s", row, got)
		}
	}
	if strings.Contains(got, "NoBytes") {
		t.Error("a row without bytes")
	}
	if _, err := render(context.Background(), s, 3, "1s"); err == nil {
		t.Error("a missing run goes unnoticed")
	}
	if err := s.add("./pipeline", []byte("PASS\n")); err == nil {
		t.Error("an empty output goes unnoticed")
	}
}

func TestBaselines(t *testing.T) {
	for key, want := range map[string]string{
		"./format SealAES256GCM_64KiB":             "./format RawAES256GCM_64KiB",
		"./format OpenAES256GCM_64KiB":             "./format RawOpenAES256GCM_64KiB",
		"./format RawAES256GCM_64KiB":              "",
		"./pipeline Open/X/workers=2/64MiB":        "./pipeline Open/X/workers=1/64MiB",
		"./pipeline SealParallel/AES-256-GCM/4MiB": "",
		"./pipeline/hashing SHA256/fused":          "./pipeline/hashing SHA256/standard",
		"./pipeline/hashing MD5/avx2/16_streams":   "./pipeline/hashing MD5/standard/16_streams",
		"./pipeline/hashing Group/avx512/8":        "./pipeline/hashing Group/fused/2",
		"./pipeline/hashing Group/fused/2":         "",
	} {
		if got := baselineOf(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestKeyRuns(t *testing.T) {
	runs := map[string][]float64{}
	text := "goos: linux\nBenchmarkPush  \t 6030\t 200000 ns/op\nBenchmarkHandOver/keys=1 \t 4442\t 100000 ns/op\t 3334 handovers/s\t 117 allocs/op\nPASS\n"
	if err := addKeyRuns(runs, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || runs["Push"][0] != 5000 || runs["HandOver/keys=1"][0] != 10000 {
		t.Errorf("%v", runs)
	}
	if err := addKeyRuns(runs, []byte("BenchmarkPush 1 x ns/op\n")); err == nil {
		t.Error("a line without a number was taken")
	}
}
