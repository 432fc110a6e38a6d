package server

import (
	"context"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
)

// readyTTL is how long an answer is given again: /readyz asks no password and
// must not be a way to make the proxy call its backend at will.
const readyTTL = 2 * time.Second

// readyAsks is how many buckets are asked for at once: one that is slow to answer must
// not use up the time of the rest.
const readyAsks = 8

type readyCache struct {
	mu     sync.Mutex
	at     time.Time
	away   bool // what reach said then
	checks []admin.Check
}

// reach is a Backend that knows whether its last request found a way to the store.
type reach interface{ Unreachable() bool }

func (s *Server) unreachable() bool {
	b, ok := s.gate.backend.(reach) // the one that was given, nothing around it
	return ok && b.Unreachable()
}

// Ready tells, dependency by dependency, whether requests can be served: the
// key, the backend, and the gate of each allowed bucket. With allowed buckets the
// backend is asked about those alone, as its credentials need not list all, and is
// there if it answered for one.
func (s *Server) Ready(ctx context.Context) []admin.Check {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	// What requests found out since counts at once.
	if s.ready.checks != nil && time.Since(s.ready.at) < readyTTL && s.ready.away == s.unreachable() {
		return s.ready.checks
	}
	s.ready.checks = s.readiness(ctx)
	s.ready.at, s.ready.away = time.Now(), s.unreachable()
	return s.ready.checks
}

func (s *Server) readiness(ctx context.Context) []admin.Check {
	check := func(name string, err error) admin.Check {
		if err != nil {
			return admin.Check{Name: name, Detail: faultOf(err).text}
		}
		return admin.Check{Name: name, OK: true}
	}
	ring, err := s.keys.Ring()
	mode := ""
	if probe, ok := s.keys.(KeyProbe); ok {
		var probeErr error
		if mode, probeErr = probe.ProbeKeys(); err == nil {
			err = probeErr
		}
	}
	key := check("key", err)
	key.Detail = strings.Trim(mode+": "+key.Detail, ": ")
	checks := []admin.Check{key}
	allowed := s.terms.Load().allowed
	if allowed == nil {
		_, berr := s.backend.Buckets(ctx)
		return append(checks, check("backend", berr))
	}
	names := make([]string, 0, len(allowed))
	for b := range allowed {
		names = append(names, b)
	}
	sort.Strings(names)
	found := make([]error, len(names))
	var asking errgroup.Group
	asking.SetLimit(readyAsks)
	for i, b := range names {
		asking.Go(func() error {
			found[i] = s.readyBucket(ctx, ring, err, b)
			return nil
		})
	}
	_ = asking.Wait() // found has them
	var buckets []admin.Check
	var away error
	answered := false
	for i, b := range names {
		if f := faultOf(found[i]); found[i] != nil && (f == backendUnavailable || f == backendUnreachable) {
			away = found[i]
		} else {
			answered = true
		}
		buckets = append(buckets, check("bucket "+b, found[i]))
	}
	if answered {
		away = nil
	}
	return append(append(checks, check("backend", away)), buckets...)
}

// readyBucket asks for one bucket. The gate goes by what it learned a while ago, unless
// the backend could not be reached since. keyErr: there is no ring.
func (s *Server) readyBucket(ctx context.Context, ring Keyring, keyErr error, bucket string) error {
	if keyErr != nil || s.unreachable() {
		if err := s.backend.HeadBucket(ctx, bucket); err != nil || keyErr != nil {
			return err
		}
	}
	_, err := s.gate.open(ctx, ring, bucket, false)
	return err
}
