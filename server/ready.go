package server

import (
	"context"
	"errors"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
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
	away   bool // what the gate's unreachable said then
	checks []admin.Check
}

// Ready tells, dependency by dependency, whether requests can be served: the
// key, the backend, and the gate of each allowed bucket. With allowed buckets the
// backend is asked about those alone, as its credentials need not list all, and is
// there if it answered for one.
func (s *Server) Ready(ctx context.Context) []admin.Check {
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	// What requests found out since counts at once.
	if s.ready.checks != nil && time.Since(s.ready.at) < readyTTL && s.ready.away == s.gate.unreachable() {
		return s.ready.checks
	}
	s.ready.checks = s.readiness(ctx)
	s.ready.at, s.ready.away = time.Now(), s.gate.unreachable()
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

// readyBucket asks for one bucket; keyErr: there is no ring to ask the gate with.
func (s *Server) readyBucket(ctx context.Context, ring Keyring, keyErr error, bucket string) error {
	if keyErr != nil {
		return s.backend.HeadBucket(ctx, bucket)
	}
	_, err := s.gate.open(ctx, ring, bucket, false)
	if errors.Is(err, context.DeadlineExceeded) {
		return errNoAnswer // the gate goes on asking; who wants to know now is told this
	}
	return err
}

var errNoAnswer = &backend.Error{Kind: backend.Busy, Op: "GetObject"}
