package server

import (
	"context"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// drainPoll is how often a drain looks whether requests still run.
const drainPoll = 5 * time.Millisecond

// errDraining is the answer to requests that come during a drain. Clients of S3 try a
// SlowDown again, and then reach another proxy, or this one's successor.
var errDraining = s3err.New(s3err.SlowDown, "the proxy is shutting down; try again")

// Drain refuses requests from now on, with 503, Retry-After and the end of their
// connection, and returns when those that had begun have ended, or with ctx's error.
// New connections are still accepted: a client that is told to come again is better
// off than one that finds nobody. Shutdown comes next.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for s.running.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for %d requests: %w", s.running.Load(), context.Cause(ctx))
		}
	}
	return nil
}

// admit counts a request as running, unless a drain has begun. The count comes first:
// a drain that begins meanwhile either waits for the request or refuses it.
func (s *Server) admit(r *request) error {
	s.running.Add(1)
	if s.draining.Load() {
		r.http.Response.SetConnectionClose()
		s.running.Add(-1)
		return errDraining
	}
	r.running = true
	return nil
}

// ended takes the request off the count.
func (s *Server) ended(r *request) {
	if r.running {
		s.running.Add(-1)
	}
}
