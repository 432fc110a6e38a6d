package main

import (
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/internal/manual"
)

// TestManual makes the man page and the completions: for $S3CP_MANUAL_DIR, or to see that they can be made.
func TestManual(t *testing.T) {
	dir := manual.Dir()
	if dir == "" {
		dir = t.TempDir()
	}
	err := manual.Write(dir, manual.Program{Root: newRoot(&app{}), Doc: "doc.go", Section: 1, See: []string{"memkey-server(8)", "s3-crypt-proxy(8)"}})
	if err != nil {
		t.Fatal(err)
	}
}
