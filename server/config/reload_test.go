package config

import (
	"slices"
	"strings"
	"testing"
)

// TestPendingNamesWhatWaitsForAStart: of two configurations that differ in everything,
// exactly the keys that are not live, secrets among them.
func TestPendingNamesWhatWaitsForAStart(t *testing.T) {
	base := []string{"S3CP_BACKEND_ENDPOINT=http://a:1", "S3CP_BACKEND_ACCESS_KEY=a", "S3CP_BACKEND_SECRET_KEY=one",
		"S3CP_CLIENT_ACCESS_KEY=c", "S3CP_CLIENT_SECRET_KEY=one", "S3CP_ADMIN_TOKEN=0123456789abcdef"}
	load := func(more ...string) *Config {
		c, err := Load("", append(slices.Clone(base), more...))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	old := load()
	if p := old.Pending(load()); p != nil {
		t.Errorf("nothing differs, and %v waits", p)
	}
	next := load("S3CP_LISTEN_ADDR=:1", "S3CP_BACKEND_SECRET_KEY=two", "S3CP_CLIENT_SECRET_KEY=two", "S3CP_CLIENT_ACCESS_KEY=d", "S3CP_LOG_LEVEL=debug",
		"S3CP_ALLOWED_BUCKETS=abc", "S3CP_POST_FORMS=true", "S3CP_SHUTDOWN_TIMEOUT=1s", "S3CP_ENCRYPTION_SEALED_NAMES=abc")
	if got, want := strings.Join(old.Pending(next), " "), "listen_addr backend.secret_key encryption.sealed_names"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
