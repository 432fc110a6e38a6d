//go:build passthrough

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPassthroughSaysSo: a build that does not seal must not be taken for one
// that does.
func TestPassthroughSaysSo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "proxy.yaml")
	const content = `listen_addr: 127.0.0.1:0
backend: {endpoint: "https://s3.example.com", access_key: a, secret_key: b}
client: {access_key: c, secret_key: d}
admin: {token: a-long-token-0123456789}
`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	output := func(args ...string) (stdout, stderr string) {
		t.Helper()
		var out, diag strings.Builder
		if code := run(context.Background(), args, nil, strings.NewReader(""), &out, &diag); code != 0 {
			t.Fatalf("%v: status %d: %s", args, code, diag.String())
		}
		return out.String(), diag.String()
	}
	if v, _ := output("-version"); !strings.Contains(v, " (DOES NOT SEAL, benchmark build) (go") {
		t.Errorf("the version says %q", v)
	}
	stdout, stderr := output("check", "--offline", "-config", file)
	if !strings.Contains(stderr, "warning: THIS BUILD DOES NOT SEAL") {
		t.Errorf("check warns of nothing: %q", stderr)
	}
	if !strings.HasPrefix(stdout, "# THIS BUILD DOES NOT SEAL") || !strings.Contains(stdout, "suite: none") || strings.Contains(stdout, "sealed with") {
		t.Errorf("check explains\n%s", stdout)
	}
}
