package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// sample is one window.
type sample struct {
	rate                   float64 // MiB/s
	client, proxy, backend float64 // CPU seconds per GiB
	p50, p99               time.Duration
}

// columnResult is all windows of a column.
type columnResult struct {
	column
	samples map[string][]sample // by operation
	peak    int64               // of the proxy, in bytes; 0 without one
}

type backendResult struct {
	name    string
	columns []columnResult
}

// lane is a running column.
type lane struct {
	columnResult
	proxy *rig.Proxy // nil: direct
	load  *rig.Process
	count map[string]int // requests per window, by operation
}

// runBackend measures all columns against one backend.
func runBackend(ctx context.Context, opt options, name string) (res backendResult, err error) {
	res.name = name
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
	start := rig.StartVersitygw
	if name == sink {
		start = rig.StartSink
	}
	backend, err := start(ctx, rig.BackendConfig{Dir: dir, Bucket: columns[0].bucket})
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
	for i, c := range columns {
		if name == versitygw && i > 0 {
			if err := makeBucket(ctx, backend, c.bucket); err != nil {
				return res, err
			}
		}
		l, stop, err := openLane(ctx, opt, c, dir, backend, keys)
		stops = append(stops, stop...)
		if err != nil {
			return res, fmt.Errorf("%s: %w", c.name, err)
		}
		lanes = append(lanes, l)
	}
	for _, l := range lanes {
		if err := l.warm(ctx, opt); err != nil {
			return res, fmt.Errorf("%s: %w", l.name, err)
		}
	}
	for round := range opt.rounds {
		for _, op := range []string{protocol.Put, protocol.Get} {
			for i := range lanes {
				l := lanes[(i+round)%len(lanes)]
				s, err := l.window(ctx, op, l.count[op], backend)
				if err != nil {
					return res, fmt.Errorf("%s: %w", l.name, err)
				}
				l.samples[op] = append(l.samples[op], s)
			}
		}
		for _, l := range lanes {
			if _, err := l.ask(ctx, protocol.Command{Op: protocol.Verify}); err != nil {
				return res, fmt.Errorf("%s: %w", l.name, err)
			}
		}
		fmt.Fprintf(os.Stderr, "  round %d of %d, every object verified\n", round+1, opt.rounds)
	}
	for _, l := range lanes {
		if l.proxy != nil {
			u, err := l.proxy.Usage()
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

// openLane starts a column's proxy and load generator. stop holds what was started, also after an error.
func openLane(ctx context.Context, opt options, c column, dir string, b *rig.Backend, keys *rig.KeyHolder) (l *lane, stop []func() error, err error) {
	l = &lane{columnResult: columnResult{column: c, samples: map[string][]sample{}}, count: map[string]int{}}
	target := b.PBS(c.bucket)
	if c.proxy != "" {
		own := filepath.Join(dir, c.bucket+".proxy")
		if err := os.Mkdir(own, 0o700); err != nil {
			return nil, nil, err
		}
		l.proxy, err = rig.StartProxy(ctx, rig.ProxyConfig{Binary: c.proxy, Dir: own, Backend: b.Endpoint(), BackendKey: b.Credentials,
			Region: b.Region, Buckets: []string{c.bucket}, Socket: keys.Socket, Extra: fmt.Sprintf("encryption:\n  cipher: %q\n", c.cipher)})
		if err != nil {
			return nil, nil, err
		}
		stop = append(stop, l.proxy.Stop)
		target = l.proxy.PBS(c.bucket)
	}
	if l.load, err = rig.StartTool("load"); err != nil {
		return nil, stop, err
	}
	stop = append(stop, l.load.Stop)
	_, err = l.say(ctx, protocol.Job{Address: target.Address, Bucket: target.Bucket, Region: target.Region, AccessKey: target.AccessKey,
		SecretKey: target.SecretKey, Fingerprint: target.Fingerprint, PlainHTTP: target.PlainHTTP,
		Size: opt.size, Keys: opt.keys, Bodies: bodies, InFlight: opt.inFlight})
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
	line, err := l.load.Hear(ctx)
	if err != nil {
		return res, err
	}
	return res, json.Unmarshal([]byte(line), &res)
}

func (l *lane) ask(ctx context.Context, cmd protocol.Command) (protocol.Result, error) {
	res, err := l.say(ctx, cmd)
	if err == nil && res.Error != "" {
		err = fmt.Errorf("cannot %s: %s", cmd.Op, res.Error)
	}
	return res, err
}

// warm stores every object once, compares, and finds how many requests make a window.
func (l *lane) warm(ctx context.Context, opt options) error {
	for _, op := range []string{protocol.Put, protocol.Get} {
		res, err := l.ask(ctx, protocol.Command{Op: op, Requests: max(opt.keys, 2*opt.inFlight)})
		if err != nil {
			return err
		}
		perSecond := float64(res.Requests) / res.Wall.Seconds()
		l.count[op] = max(2*opt.inFlight, int(perSecond*opt.window.Seconds()))
	}
	_, err := l.ask(ctx, protocol.Command{Op: protocol.Verify})
	return err
}

// window measures n requests.
func (l *lane) window(ctx context.Context, op string, n int, b *rig.Backend) (sample, error) {
	var s sample
	read := func() (proxy, backend time.Duration, err error) {
		if l.proxy != nil {
			u, err := l.proxy.Usage()
			if err != nil {
				return 0, 0, err
			}
			proxy = u.CPU
		}
		u, err := b.Usage()
		return proxy, u.CPU, err
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
		rate:   gib * 1024 / res.Wall.Seconds(),
		client: res.CPU.Seconds() / gib, proxy: (p1 - p0).Seconds() / gib, backend: (b1 - b0).Seconds() / gib,
		p50: res.P50, p99: res.P99,
	}, nil
}
