package server

import (
	"errors"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// TestRefusalsHint: what clients get wrong most often is said in the answer.
func TestRefusalsHint(t *testing.T) {
	const (
		list   = "use ?list-type=2 to list"
		style  = "use path-style addressing"
		bucket = "buckets are made and removed at the backend"
	)
	for _, f := range []struct {
		method, target string
		code           s3err.Code
		has, lacks     string
	}{
		{"GET", "/bkt", s3err.NotImplemented, list, bucket},
		{"GET", "/bkt/", s3err.NotImplemented, list, bucket},
		{"GET", "/bkt?prefix=a&delimiter=%2F&marker=x&max-keys=3&encoding-type=url&x-id=ListObjects", s3err.NotImplemented, list, bucket},
		{"GET", "/bkt?versions&prefix=a", s3err.NotImplemented, "with ?versions&prefix", list},
		{"GET", "/bkt?list-type=2&acl", s3err.NotImplemented, "with ?list-type&acl", "; use"},
		{"GET", "/key-of-a-virtual-host", s3err.NotImplemented, "path-style addressing if this is a key", bucket},
		{"PUT", "/bkt", s3err.NotImplemented, bucket, list},
		{"DELETE", "/bkt", s3err.NotImplemented, bucket, list},
		{"PUT", "/bkt?policy", s3err.NotImplemented, "with ?policy", bucket},
		{"POST", "/bkt", s3err.NotImplemented, "not implemented", "; "},
		{"GET", "/?list-type=2", s3err.NotImplemented, style, list},
		{"HEAD", "/", s3err.NoSuchBucket, style, list},
		{"PUT", "/", s3err.NotImplemented, style, bucket},
		{"PUT", "/bkt/k?tagging", s3err.NotImplemented, "with ?tagging", "; "},
		{"PATCH", "/bkt/k", s3err.MethodNotAllowed, "not allowed", "; "},
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
