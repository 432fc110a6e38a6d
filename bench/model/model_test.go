package main

import (
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	all, one := map[string]figures{}, map[string]figures{}
	for _, r := range rows {
		all[r.key] = figures{MiBPerSecond: 500, Client: 1, Proxy: 2, Backend: 1}
		one[r.key] = figures{MiBPerSecond: 250, Client: 1, Proxy: 2, Backend: 1}
	}
	got, off := render("a machine", 2, all, one, 1.25)
	for _, want := range []string{"| PUT, XChaCha20-Poly1305 | 1.00 + 2.00 + 1.00 | 512, 500 | +2 % | 256, 250 | +2 % |", "| GET, AES-256-GCM | 0.54 GB/s | 52 GB/s | – | 3 | 6 | 24 |",
		"no more than 0.80 GB/s", "| PUT, AES-256-GCM | 0.54 GB/s | 52 GB/s | 12.8 GB/s |"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if off != nil {
		t.Errorf("%q", off)
	}
	one["aesgcm get"] = figures{MiBPerSecond: 200}
	if _, off := render("a machine", 2, all, one, 1); len(off) != 1 || off[0] != "GET, AES-256-GCM on one core +28 %" {
		t.Errorf("%q", off)
	}
}
