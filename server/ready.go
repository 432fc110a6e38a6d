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
// key, the backend, and the gate of each allowed bucket. With allowed buckets the
// backend is asked about those alone, as its credentials need not list all, and is
// there if it answered for one.
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
	var buckets []admin.Check
	var away error
	answered := false
	for _, b := range names {
		var berr error
		if err != nil {
			berr = s.backend.HeadBucket(ctx, b)
		} else {
			_, berr = s.gate.open(ctx, ring, b, false)
		}
		if berr != nil && faultOf(berr) == backendUnavailable {
			away = berr
		} else {
			answered = true
		}
		buckets = append(buckets, check("bucket "+b, berr))
	}
	if answered {
		away = nil
	}
	return append(append(checks, check("backend", away)), buckets...)
}
