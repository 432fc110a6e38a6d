package server

import (
	"context"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
)

// readyTTL is how long an answer is given again: /readyz asks no password and
// must not be a way to make the proxy call its backend at will.
const readyTTL = 2 * time.Second

type readyCache struct {
	mu     sync.Mutex
	at     time.Time
	checks []admin.Check
}

// Ready tells, dependency by dependency, whether requests can be served: the
// key, the backend, and the gate of each allowed bucket.
func (s *Server) Ready(ctx context.Context) []admin.Check {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	if s.ready.checks != nil && time.Since(s.ready.at) < readyTTL {
		return s.ready.checks
	}
	s.ready.checks, s.ready.at = s.readiness(ctx), time.Now()
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
	for _, b := range names {
		if err != nil {
			checks = append(checks, check("bucket "+b, s.backend.HeadBucket(ctx, b)))
			continue
		}
		_, gerr := s.gate.open(ctx, ring, b, false)
		checks = append(checks, check("bucket "+b, gerr))
	}
	return checks
}
