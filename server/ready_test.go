package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// ready asks without the cache and writes the answer in a line.
func (g *rig) ready() string {
	var out []string
	for _, c := range g.s.readiness(context.Background()) {
		out = append(out, fmt.Sprintf("%s=%v", c.Name, c.OK))
	}
	return strings.Join(out, " ")
}

// TestReadinessNamesTheDependency: the key, the backend and each bucket have a line
// of their own, and only what fails is blamed.
func TestReadinessNamesTheDependency(t *testing.T) {
	g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt", "other", "unmade"} })
	want := func(when, want string) {
		t.Helper()
		if got := g.ready(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	g.put("/bkt/k", nil)
	want("a bucket that does not exist", "key=true backend=true bucket bkt=true bucket other=true bucket unmade=false")
	ring := g.keys.ring
	g.keys.ring = nil
	want("no key", "key=false backend=true bucket bkt=true bucket other=true bucket unmade=false")
	g.store.before = func(_, bucket, _ string) error {
		if bucket == "bkt" {
			return &backend.Error{Kind: backend.Denied}
		}
		return &backend.Error{Kind: backend.Busy}
	}
	want("one bucket answers", "key=false backend=true bucket bkt=false bucket other=false bucket unmade=false")
	g.store.before = func(string, string, string) error { return &backend.Error{Kind: backend.Busy} }
	want("nothing answers", "key=false backend=false bucket bkt=false bucket other=false bucket unmade=false")
	g.keys.ring, g.store.before = ring, nil
	want("all is well again", "key=true backend=true bucket bkt=true bucket other=true bucket unmade=false")

	all := newRig(t)
	if got := all.ready(); got != "key=true backend=true" {
		t.Errorf("without allowed buckets: %s", got)
	}
	all.store.before = func(string, string, string) error { return errors.New("down") }
	if got := all.ready(); got != "key=true backend=false" {
		t.Errorf("without allowed buckets, and no backend: %s", got)
	}
}
