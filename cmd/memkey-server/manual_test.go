package main

import (
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/internal/manual"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
)

// packaged is what the package's memkey.yaml sets: it fits the package's users.
var packaged = map[string]string{"server.unix_socket_uids": "[s3-crypt-proxy, root]"}

// TestManual makes the man pages, the completions and the example: for $S3CP_MANUAL_DIR, or to see that they can be made.
func TestManual(t *testing.T) {
	dir := manual.Dir()
	if dir == "" {
		dir = t.TempDir()
	}
	none := func(string) string { return "" }
	see := []string{"memkey-admin(1)", "s3-crypt-proxy(8)"}
	err := manual.Write(dir, manual.Program{Root: newRoot(none), Doc: "doc.go", Section: 8, See: append([]string{"memkey.yaml(5)"}, see...)})
	if err != nil {
		t.Fatal(err)
	}
	const intro = "The configuration of memkey-server is a strict YAML file; every key may be left out.\nUnknown keys are errors. Nothing in a value is expanded."
	if err := manual.Put(dir, "man/memkey.yaml.5", manual.FilePage("memkey.yaml", "configuration of memkey-server", intro, settings.Example(nil), append([]string{"memkey-server(8)"}, see...)...)); err != nil {
		t.Fatal(err)
	}
	const head = "# The configuration of memkey-server: every key, explained, with its default; unix_socket_uids is the package's.\n"
	if err := manual.Put(dir, "examples/memkey.yaml", []byte(head+settings.Example(packaged))); err != nil {
		t.Fatal(err)
	}
}
