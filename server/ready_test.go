package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// TestReadinessOfABackendThatHangs: one that takes connections and says nothing is not
// ready, and who asks is told in time.
func TestReadinessOfABackendThatHangs(t *testing.T) {
	g, w := newWireRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	release := make(chan struct{})
	defer close(release)
	w.memory.mu.Lock()
	w.hold = func(*http.Request) { <-release }
	w.memory.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for _, c := range g.s.readiness(ctx) {
		if c.OK != (c.Name == "key") || c.Name == "backend" && !strings.Contains(c.Detail, "the backend is not available") {
			t.Errorf("%+v", c)
		}
	}
}

// awayStore is a store that cannot be reached while away is set.
type awayStore struct {
	*memory
	away atomic.Bool
}

func (s *awayStore) Unreachable() bool { return s.away.Load() }

// TestGateAsksAgainWhenNobodyAnswers: a write to a bucket that was open a moment ago is
// refused before its body is read, and readiness is told anew at once, both ways.
func TestGateAsksAgainWhenNobodyAnswers(t *testing.T) {
	store := &awayStore{}
	g := newRig(t, func(c *Config) {
		store.memory = c.Backend.(*memory)
		c.Backend, c.AllowedBuckets = store, []string{"bkt"}
	})
	g.put("/bkt/k", nil)
	ready := func(want string) {
		t.Helper()
		var got []string
		for _, c := range g.s.Ready(t.Context()) {
			got = append(got, fmt.Sprintf("%s=%v", c.Name, c.OK))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	ready("key=true backend=true bucket bkt=true")
	asked := 0
	store.before = func(op, _, _ string) error {
		asked++
		if op == "Put" {
			t.Error("a body was sent")
		}
		return &backend.Error{Kind: backend.Unreachable, Op: op}
	}
	store.away.Store(true)
	a := g.do(call{method: "PUT", target: "/bkt/k", body: pattern(100_000)})
	g.want(a, 503, "ServiceUnavailable")
	if asked != 1 {
		t.Errorf("the backend was asked %d times", asked)
	}
	ready("key=true backend=false bucket bkt=false")
	store.before = nil
	store.away.Store(false)
	ready("key=true backend=true bucket bkt=true")
	g.put("/bkt/k", nil)
}
