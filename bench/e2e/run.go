package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// sample is one window.
type sample struct {
	requests               int
	rate                   float64       // MiB/s of payload; 0 if there is none
	perSecond              float64       // requests
	client, proxy, backend time.Duration // CPU
	gib                    float64       // of payload
	p50, p99               time.Duration
}

// perGiB is CPU seconds for each GiB of payload, which is also ns for each byte, to 7 %.
func (s sample) perGiB(cpu time.Duration) float64 { return cpu.Seconds() / s.gib }

// perRequest is microseconds of CPU for each request.
func (s sample) perRequest(cpu time.Duration) float64 {
	return cpu.Seconds() * 1e6 / float64(s.requests)
}

// columnResult is all windows of a column.
type columnResult struct {
	column
	samples map[string][]sample // by operation
	peak    int64               // of what is between, in bytes; 0 without
}

// result is all of a scenario.
type result struct {
	scenario
	columns []columnResult
}

// lane is a running column.
type lane struct {
	columnResult
	between *rig.Process // nil: straight
	admin   *rig.Proxy   // nil: between is none
	load    *rig.Process
	count   map[string]int // requests per window, by operation
}

// startStore starts a backend with a bucket.
func startStore(ctx context.Context, s store, dir, bucket string) (*rig.Backend, error) {
	cfg := rig.BackendConfig{Dir: dir, Bucket: bucket}
	switch s {
	case versitygw:
		return rig.StartVersitygw(ctx, cfg)
	case line:
		cfg.Latency, cfg.Bandwidth = lineLatency, lineBandwidth
	case streams:
		cfg.Latency, cfg.Bandwidth, cfg.Stream = lineLatency, lineBandwidth, streamBandwidth
	}
	return rig.StartSink(ctx, cfg)
}

// run measures a scenario, and then profiles its proxies if profiles is a directory.
func (s scenario) run(ctx context.Context, profiles string) (res result, err error) {
	res.scenario = s
	dir, err := os.MkdirTemp("", "s3-crypt-proxy-e2e-")
	if err != nil {
		return res, err
	}
	var stops []func() error
	defer func() {
		for i := len(stops) - 1; i >= 0; i-- {
			err = errors.Join(err, stops[i]())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	backend, err := startStore(ctx, s.backend, dir, s.columns[0].bucket)
	if err != nil {
		return res, err
	}
	stops = append(stops, backend.Stop)
	keys, err := rig.StartKeyHolder(ctx, dir)
	if err != nil {
		return res, err
	}
	stops = append(stops, keys.Stop)

	var lanes []*lane
	for i, c := range s.columns {
		if s.backend == versitygw && i > 0 {
			if err := makeBucket(ctx, backend, c.bucket); err != nil {
				return res, err
			}
		}
		l, stop, err := s.open(ctx, c, dir, backend, keys)
		stops = append(stops, stop...)
		if err != nil {
			return res, fmt.Errorf("%s: %w", c.name, err)
		}
		lanes = append(lanes, l)
	}
	for _, l := range lanes {
		if err := s.warm(ctx, l); err != nil {
			return res, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	for round := range s.rounds {
		for _, op := range s.ops {
			for i := range lanes {
				l := lanes[(i+round)%len(lanes)]
				w, err := l.window(ctx, op, backend)
				if err != nil {
					return res, fmt.Errorf("%s: %w", l.name, err)
				}
				l.samples[op] = append(l.samples[op], w)
			}
		}
		for _, l := range lanes {
			if _, err := l.ask(ctx, protocol.Command{Op: protocol.Verify}); err != nil {
				return res, fmt.Errorf("%s: %w", l.name, err)
			}
		}
		fmt.Fprintf(os.Stderr, "  round %d of %d, every object verified\n", round+1, s.rounds)
	}
	for _, l := range lanes {
		if profiles != "" {
			if err := l.profile(ctx, profiles, s.id, s.ops); err != nil {
				return res, fmt.Errorf("%s: %w", l.name, err)
			}
		}
		if l.between != nil {
			u, err := l.between.Usage()
			if err != nil {
				return res, err
			}
			l.peak = u.Peak
		}
		res.columns = append(res.columns, l.columnResult)
	}
	return res, nil
}

func makeBucket(ctx context.Context, b *rig.Backend, name string) error {
	c, err := pbs.New(b.PBS(name))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.CreateBucket(ctx)
}

// open starts a column and its load generator. stop holds what was started, also after an error.
func (s scenario) open(ctx context.Context, c column, dir string, b *rig.Backend, keys *rig.KeyHolder) (l *lane, stop []func() error, err error) {
	l = &lane{columnResult: columnResult{column: c, samples: map[string][]sample{}}, count: map[string]int{}}
	target, between, admin, stop, err := c.open(ctx, dir, b, keys)
	if err != nil {
		return nil, stop, err
	}
	l.between, l.admin = between, admin
	if l.load, err = rig.StartTool("load"); err != nil {
		return nil, stop, err
	}
	stop = append(stop, l.load.Stop)
	_, err = l.say(ctx, protocol.Job{Address: target.Address, Bucket: target.Bucket, Region: target.Region, AccessKey: target.AccessKey,
		SecretKey: target.SecretKey, Fingerprint: target.Fingerprint, PlainHTTP: target.PlainHTTP, Style: s.style,
		Size: s.size, Keys: s.keys, Bodies: min(bodies, s.keys), InFlight: s.flight})
	return l, stop, err
}

// say sends one message and reads its answer.
func (l *lane) say(ctx context.Context, message any) (protocol.Result, error) {
	var res protocol.Result
	b, err := json.Marshal(message)
	if err != nil {
		return res, err
	}
	if err := l.load.Say(append(b, '\n')); err != nil {
		return res, err
	}
	answer, err := l.load.Hear(ctx)
	if err != nil {
		return res, err
	}
	return res, json.Unmarshal([]byte(answer), &res)
}

func (l *lane) ask(ctx context.Context, cmd protocol.Command) (protocol.Result, error) {
	res, err := l.say(ctx, cmd)
	if err == nil && res.Error != "" {
		err = fmt.Errorf("cannot %s: %s", cmd.Op, res.Error)
	}
	return res, err
}

// warm stores every object once, compares, and finds how many requests make a window.
func (s scenario) warm(ctx context.Context, l *lane) error {
	ops := s.ops
	if !slices.Contains(ops, protocol.Put) && !slices.Contains(ops, protocol.Multipart) {
		ops = append([]string{protocol.Put}, ops...)
	}
	for _, op := range order(ops) {
		try := max(s.keys, 2*s.flight)
		if op != protocol.Put && op != protocol.Multipart {
			try = max(min(s.keys, 64), 2*s.flight)
		}
		if s.size >= 256*mib {
			try = 1
		}
		if op == protocol.Delete {
			if _, err := l.ask(ctx, protocol.Command{Op: protocol.Fill, Requests: try}); err != nil {
				return err
			}
		}
		res, err := l.ask(ctx, protocol.Command{Op: op, Requests: try})
		if err != nil {
			return err
		}
		perSecond := float64(res.Requests) / res.Wall.Seconds()
		l.count[op] = max(2*s.flight, int(perSecond*s.window.Seconds()))
		if s.size >= 256*mib {
			l.count[op] = 1
		}
	}
	_, err := l.ask(ctx, protocol.Command{Op: protocol.Verify})
	return err
}

// order is ops with those that store objects first.
func order(ops []string) []string {
	out := slices.Clone(ops)
	slices.SortStableFunc(out, func(a, b string) int { return rank(a) - rank(b) })
	return out
}

func rank(op string) int {
	if op == protocol.Put || op == protocol.Multipart {
		return 0
	}
	return 1
}

// window measures one window of an operation.
func (l *lane) window(ctx context.Context, op string, b *rig.Backend) (sample, error) {
	var s sample
	n := l.count[op]
	if op == protocol.Delete {
		if _, err := l.ask(ctx, protocol.Command{Op: protocol.Fill, Requests: n}); err != nil {
			return s, err
		}
	}
	read := func() (between, backend time.Duration, err error) {
		if l.between != nil {
			u, err := l.between.Usage()
			if err != nil {
				return 0, 0, err
			}
			between = u.CPU
		}
		u, err := b.Usage()
		return between, u.CPU, err
	}
	p0, b0, err := read()
	if err != nil {
		return s, err
	}
	res, err := l.ask(ctx, protocol.Command{Op: op, Requests: n})
	if err != nil {
		return s, err
	}
	p1, b1, err := read()
	if err != nil {
		return s, err
	}
	gib := float64(res.Bytes) / (1 << 30)
	return sample{
		requests: res.Requests, gib: gib, rate: gib * 1024 / res.Wall.Seconds(), perSecond: float64(res.Requests) / res.Wall.Seconds(),
		client: res.CPU, proxy: p1 - p0, backend: b1 - b0, p50: res.P50, p99: res.P99,
	}, nil
}
