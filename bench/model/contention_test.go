package main

import (
	"strings"
	"testing"
	"time"
)

// waits is what go tool pprof 1.26 printed.
const waitsPrinted = `File: s3-crypt-proxy
Type: delay
Time: 2026-11-21 21:10:06 UTC
Active filters:
   hide=^(sync|internal/sync|runtime)\.
Showing nodes accounting for 399644.82us, 94.64% of 422258.73us total
Dropped 9 nodes (cum <= 2111.29us)
      flat  flat%   sum%        cum   cum%
297244.60us 70.39% 70.39% 343699.16us 81.40%  github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline.(*Engine).newBatch (inline)
55945.67us 13.25% 83.64% 55945.67us 13.25%  github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline.aead.nonce
`

func TestReadWaits(t *testing.T) {
	total, most, err := readWaits(waitsPrinted)
	if err != nil || total.Round(time.Microsecond) != 422259*time.Microsecond || most != "pipeline.(*Engine).newBatch" {
		t.Errorf("%v, %q, %v", total, most, err)
	}
	if total, most, err := readWaits("Type: delay\nShowing nodes accounting for 0, 0% of 0 total\n"); err != nil || total != 0 || most != "" {
		t.Errorf("nothing waited: %v, %q, %v", total, most, err)
	}
	if _, _, err := readWaits("pprof: what is that?"); err == nil {
		t.Error("what is no profile was read as one")
	}
}

func TestRenderCrowded(t *testing.T) {
	normal, full := map[string]figures{}, map[string]crowded{}
	for _, r := range rows {
		normal[r.key] = figures{MiBPerSecond: 512, Proxy: 2}
		full[r.key] = crowded{figures{MiBPerSecond: 256, Proxy: 2.5}, 30 * time.Millisecond, "pipeline.(*Engine).newBatch"}
	}
	// 256 MiB/s at 2.5 s a GiB are 0.625 s of CPU a second, 1.875 in three.
	if got, want := renderCrowded(32, normal, full), "| PUT, AES-256-GCM | 0.50 | 1.25 | 16.0 | `pipeline.(*Engine).newBatch` |"; !strings.Contains(got, want) || !strings.Contains(got, "GOMAXPROCS=32") {
		t.Errorf("no %q in\n%s", want, got)
	}
}
