package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// lanes is a store that sees what of one object is asked for, and how much at once.
type lanes struct {
	*memory
	key string

	mu      sync.Mutex
	gets    []backend.GetOptions
	parts   []int
	now     int // bodies being read, or parts being sent
	most    int
	meeting int // who comes waits until so many are there at once
	met     chan struct{}

	deaf bool // to If-Match of reads

	// onGet, if set, is called before the n-th Get of the key, from 1.
	onGet func(n int)
	// onPart, if set, may fail a part instead of storing it.
	onPart func(number int) error
}

// enter counts one in, and waits for the others of a meeting.
func (l *lanes) enter() {
	l.mu.Lock()
	l.now++
	l.most = max(l.most, l.now)
	met := l.met
	if met != nil && l.now == l.meeting {
		close(met)
		l.met = nil
	}
	l.mu.Unlock()
	if met != nil {
		select {
		case <-met:
		case <-time.After(20 * time.Second): // most tells
		}
	}
}

func (l *lanes) leave() {
	l.mu.Lock()
	l.now--
	l.mu.Unlock()
}

func (l *lanes) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	if key != l.key {
		return l.memory.Get(ctx, bucket, key, opt)
	}
	l.mu.Lock()
	l.gets = append(l.gets, opt)
	n := len(l.gets)
	l.mu.Unlock()
	if l.onGet != nil {
		l.onGet(n)
	}
	if l.deaf {
		opt.IfMatch = ""
	}
	if opt.Range == nil || opt.Range.First > 0 {
		l.enter()
		defer l.leave()
	}
	return l.memory.Get(ctx, bucket, key, opt)
}

func (l *lanes) UploadPart(ctx context.Context, bucket, key, id string, n int, body io.ReadSeeker, size int64) (string, error) {
	if key != l.key {
		return l.memory.UploadPart(ctx, bucket, key, id, n, body, size)
	}
	l.enter()
	defer l.leave()
	l.mu.Lock()
	l.parts = append(l.parts, n)
	l.mu.Unlock()
	if l.onPart != nil {
		if err := l.onPart(n); err != nil {
			return "", err
		}
	}
	return l.memory.UploadPart(ctx, bucket, key, id, n, body, size)
}

// meet makes the next callers wait for each other.
func (l *lanes) meet(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meeting, l.met, l.most = n, make(chan struct{}), 0
}

// asked returns what was asked for, and forgets it.
func (l *lanes) asked() []backend.GetOptions {
	l.mu.Lock()
	defer l.mu.Unlock()
	gets := l.gets
	l.gets = nil
	return gets
}

// threaded is a rig with so many threads and such ranges.
func threaded(t testing.TB, threads int, rangeSize int64, change ...func(*Config)) (*rig, *lanes) {
	l := &lanes{key: "k"}
	g := newRig(t, append([]func(*Config){func(c *Config) {
		l.memory = c.Backend.(*memory)
		c.Backend, c.Threads, c.rangeSize = l, threads, rangeSize
	}}, change...)...)
	return g, l
}

// over is another proxy over the same store.
func (g *rig) over(threads int, rangeSize int64, change ...func(*Config)) *rig {
	other := newRig(g.t, append([]func(*Config){func(c *Config) {
		c.Backend, c.Threads, c.rangeSize = g.store, threads, rangeSize
	}}, change...)...)
	other.store = g.store
	return other
}

// getBroken is get of an answer that may break off anywhere, its header included.
func (g *rig) getBroken(target string) answer {
	g.t.Helper()
	conn := g.dial()
	defer conn.Close()
	conn.Write(call{method: "GET", target: target}.raw(g.addr))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body, err, resp.Close}
}

// covers says whether ranges are from 0 to size without gap or overlap, whatever their order.
func covers(gets []backend.GetOptions, size int64) error {
	slices.SortFunc(gets, func(a, b backend.GetOptions) int { return int(a.Range.First - b.Range.First) })
	var at int64
	for _, get := range gets {
		if get.Range.First != at {
			return fmt.Errorf("a range begins at %d, want %d", get.Range.First, at)
		}
		at = min(get.Range.Last+1, size)
	}
	if at != size {
		return fmt.Errorf("the ranges end at %d of %d", at, size)
	}
	return nil
}
