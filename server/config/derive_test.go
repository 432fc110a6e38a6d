package config

import (
	"strings"
	"testing"
)

// TestDerivedValuesTellTheirOrigin reads the comments of a dump.
func TestDerivedValuesTellTheirOrigin(t *testing.T) {
	f := func(extra string, environ []string, want string) {
		t.Helper()
		c := load(t, minimal+extra, append(environ, "HOME=/h")...)
		for line := range strings.Lines(dump(t, c)) {
			if line == want+"\n" {
				return
			}
			if value, origin, ok := strings.Cut(strings.TrimSpace(line), "/proxy.yaml:"); ok {
				value, _, _ = strings.Cut(value, "/")
				if "  "+value+"FILE:"+origin == want {
					return
				}
			}
		}
		t.Errorf("%q %v: no line %q in\n%s", extra, environ, want, dump(t, c))
	}
	f("", nil, `  mode: "off" # default`)
	f("tls: {auto: false}\n", nil, `  mode: "off" # from tls.auto, FILE:10`)
	f("tls:\n  auto: true\n", nil, `  mode: "auto" # from tls.auto, FILE:11`)
	f("tls:\n  mode: \"\"\n  auto: true\n", nil, `  mode: "auto" # from tls.auto, FILE:12`)
	f("tls: {mode: \"\"}\n", nil, `  mode: "off" # default`)
	f("tls:\n  auto: true\n", []string{"S3CP_TLS=off"}, `  mode: "off" # S3CP_TLS`)
	f("tls:\n  mode: auto\n", nil, `  mode: "auto" # FILE:11`)
	f("", []string{"S3CP_TLS_AUTO=true"}, `  mode: "auto" # from tls.auto, S3CP_TLS_AUTO`)
	f("tls: {key_file: /k}\n", []string{"S3CP_TLS_CERT=/c"}, `  mode: "files" # from tls.cert_file, S3CP_TLS_CERT`)
	f("pipeline: {budget: 1GiB}\n", nil, `  whole_object: 64MiB # default`)
	f("pipeline: {budget: 64MiB}\n", nil, `  whole_object: 16MiB # from pipeline.budget, FILE:10`)
	f("pipeline: {budget: 64MiB, whole_object: 20MiB}\n", nil, `  whole_object: 20MiB # FILE:10`)
}
