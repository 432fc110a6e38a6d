package main

import (
	"bytes"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/internal/manual"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// packaged is what the example of the package sets: it fits the package's units.
var packaged = map[string]string{
	"listen_addr": ":8443", "backend.endpoint": "https://s3.example.com", "backend.access_key": "AKEXAMPLE", "client.access_key": "PBSEXAMPLE",
	"tls.auto": "true", "memkey.server_users": "memkey",
}

const yamlIntro = `The configuration of s3-crypt-proxy is a strict YAML file: unknown keys and wrong
values are errors with their line. Nothing in a value is expanded.

Each key has a variable that wins over the file. A secret may instead be in a file
(KEY_file) or in a systemd credential of the key's name.`

// TestManual makes the man pages, the completions and the example: for $S3CP_MANUAL_DIR, or to see that they can be made.
func TestManual(t *testing.T) {
	dir := manual.Dir()
	if dir == "" {
		dir = t.TempDir()
	}
	see := []string{"s3-crypt(1)", "memkey-server(8)", "memkey-admin(1)"}
	err := manual.Write(dir, manual.Program{Root: newRoot(nil), Doc: "doc.go", Section: 8, See: append([]string{"s3-crypt-proxy.yaml(5)"}, see...)})
	if err != nil {
		t.Fatal(err)
	}
	var keys, example bytes.Buffer
	if err := config.WriteManual(&keys); err != nil {
		t.Fatal(err)
	}
	page := manual.KeysPage("s3-crypt-proxy.yaml", "configuration of s3-crypt-proxy", yamlIntro, keys.String(), append([]string{"s3-crypt-proxy(8)"}, see...)...)
	if err := manual.Put(dir, "man/s3-crypt-proxy.yaml.5", page); err != nil {
		t.Fatal(err)
	}
	example.WriteString(`# An example for /etc/s3-crypt-proxy/proxy.yaml: every key, explained. Lines that begin with # are
# comments; a key in one has its default there. s3-crypt-proxy-deploy writes such a file for you.
`)
	if err := config.WriteExample(&example, packaged); err != nil {
		t.Fatal(err)
	}
	if err := manual.Put(dir, "examples/proxy.yaml", example.Bytes()); err != nil {
		t.Fatal(err)
	}
}
