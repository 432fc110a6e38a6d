package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// TestRefusalsHint: what clients get wrong most often is said in the answer.
func TestRefusalsHint(t *testing.T) {
	const style = "use path-style addressing"
	for _, f := range []struct {
		method, target string
		code           s3err.Code
		has, lacks     string
	}{
		{"GET", "/bkt?website&prefix=a", s3err.NotImplemented, "with ?website&prefix", style},
		{"GET", "/bkt?list-type=2&acl", s3err.NotImplemented, "with ?list-type&acl", style},
		{"PUT", "/bkt?lifecycle", s3err.NotImplemented, "with ?lifecycle", style},
		{"POST", "/bkt", s3err.NotImplemented, "not implemented", style},
		{"GET", "/?list-type=2", s3err.NotImplemented, style, "not allowed"},
		{"HEAD", "/", s3err.NoSuchBucket, style, "not allowed"},
		{"PUT", "/", s3err.NotImplemented, style, "not allowed"},
		{"PUT", "/bkt/k?restore", s3err.NotImplemented, "with ?restore", style},
		{"PATCH", "/bkt/k", s3err.MethodNotAllowed, "not allowed", style},
	} {
		target, err := parseTarget(f.target)
		if err != nil {
			t.Fatal(err)
		}
		_, err = match(f.method, target, func(string) bool { return false })
		var refused *s3err.Error
		if !errors.As(err, &refused) {
			t.Errorf("%s %s: %v", f.method, f.target, err)
			continue
		}
		if refused.Code != f.code || !strings.Contains(refused.Message, f.has) || strings.Contains(refused.Message, f.lacks) {
			t.Errorf("%s %s: %s: %s; want %s with %q, without %q", f.method, f.target, refused.Code, refused.Message, f.code, f.has, f.lacks)
		}
	}
}
