package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// generator sends the windows of one job.
type generator struct {
	job    protocol.Job
	client speaker
	bodies []*pbs.Body
	pool   sync.Pool // of buffers for GET
}

func newGenerator(job protocol.Job) (*generator, error) {
	if job.Size < 0 || job.Keys < 1 || job.Bodies < 1 || job.InFlight < 1 {
		return nil, fmt.Errorf("cannot take the job: Size %d, Keys %d, Bodies %d, InFlight %d", job.Size, job.Keys, job.Bodies, job.InFlight)
	}
	client, err := newSpeaker(job)
	if err != nil {
		return nil, err
	}
	g := &generator{job: job, client: client}
	g.pool.New = func() any { b := make([]byte, job.Size); return &b }
	for i := range job.Bodies {
		b := make([]byte, job.Size)
		rand.NewChaCha8([32]byte{byte(i), byte(i >> 8)}).Read(b)
		g.bodies = append(g.bodies, newBody(job.Style, b))
	}
	return g, nil
}

// body of the n-th key.
func (g *generator) body(n int) *pbs.Body { return g.bodies[n%len(g.bodies)] }

func key(n int) string { return fmt.Sprintf("bench/.chunks/%04x/%064x", n, n) }

// window runs one command.
func (g *generator) window(ctx context.Context, cmd protocol.Command) protocol.Result {
	res := protocol.Result{Op: cmd.Op, Requests: cmd.Requests}
	one, ok := verbs[cmd.Op]
	if !ok {
		res.Error = fmt.Sprintf("unknown command %q", cmd.Op)
		return res
	}
	if cmd.Op == protocol.Verify {
		res.Requests = g.job.Keys
	}
	took := make([]time.Duration, res.Requests)
	var next atomic.Int64
	work, ctx := errgroup.WithContext(ctx)
	before, began := cpu(), time.Now()
	for range min(g.job.InFlight, res.Requests) {
		work.Go(func() error {
			for n := int(next.Add(1)) - 1; n < res.Requests; n = int(next.Add(1)) - 1 {
				start := time.Now()
				if err := one(g, ctx, n); err != nil {
					return err
				}
				took[n] = time.Since(start)
			}
			return nil
		})
	}
	err := work.Wait()
	res.Wall, res.CPU = time.Since(began), cpu()-before
	if err != nil {
		res.Error = err.Error()
		return res
	}
	res.Bytes = int64(res.Requests) * g.payload(cmd.Op)
	if slices.Sort(took); len(took) > 0 {
		res.P50, res.P99 = took[len(took)/2], took[len(took)*99/100]
	}
	return res
}

// cpu is the process's user and system time so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: getrusage: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
