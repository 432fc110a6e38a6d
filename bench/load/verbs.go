package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
)

// span is what Range reads.
const span = 64 << 10

// verbs is what each command does with the n-th request of its window.
var verbs = map[string]func(g *generator, ctx context.Context, n int) error{
	protocol.Put: put, protocol.Get: get, protocol.Head: head, protocol.List: list, protocol.Mixed: mixed,
	protocol.Verify: func(g *generator, ctx context.Context, n int) error {
		return g.read(ctx, n, func(got []byte) error {
			if !bytes.Equal(got, g.body(n).Bytes()) {
				return fmt.Errorf("%s came back with other bytes than were sent", key(n))
			}
			return nil
		})
	},
	protocol.Range: func(g *generator, ctx context.Context, n int) error {
		n %= g.job.Keys
		first := max(0, (g.job.Size-span)/2)
		want := g.body(n).Bytes()[first:min(g.job.Size, first+span)]
		got, err := g.client.span(ctx, key(n), int64(first), int64(first+len(want)-1))
		if err == nil && !bytes.Equal(got, want) {
			err = fmt.Errorf("%s came back with other bytes in a range", key(n))
		}
		return err
	},
	protocol.Copy: func(g *generator, ctx context.Context, n int) error {
		n %= g.job.Keys
		return g.client.duplicate(ctx, key(n), fmt.Sprintf("bench/copy/%d", n))
	},
	protocol.Multipart: func(g *generator, ctx context.Context, n int) error {
		n %= g.job.Keys
		return g.client.parts(ctx, key(n), g.body(n))
	},
	protocol.Fill: func(g *generator, ctx context.Context, n int) error {
		return g.client.put(ctx, doomed(n), g.body(n))
	},
	protocol.Delete: func(g *generator, ctx context.Context, n int) error {
		return g.client.remove(ctx, doomed(n))
	},
}

func put(g *generator, ctx context.Context, n int) error {
	n %= g.job.Keys
	return g.client.put(ctx, key(n), g.body(n))
}

func get(g *generator, ctx context.Context, n int) error {
	return g.read(ctx, n%g.job.Keys, func([]byte) error { return nil })
}

func head(g *generator, ctx context.Context, n int) error {
	n %= g.job.Keys
	size, err := g.client.head(ctx, key(n))
	if err == nil && size != int64(g.job.Size) {
		err = fmt.Errorf("%s has %d bytes by its HEAD, not %d", key(n), size, g.job.Size)
	}
	return err
}

func list(g *generator, ctx context.Context, _ int) error {
	names, err := g.client.list(ctx, "bench/.chunks/")
	if want := min(g.job.Keys, 1000); err == nil && names != want {
		err = fmt.Errorf("a listing has %d names, not %d", names, want)
	}
	return err
}

// doomed is the name of the n-th object that Delete removes.
func doomed(n int) string { return fmt.Sprintf("bench/doomed/%d", n) }

// mixed spreads the kinds over each 20 requests, as a client does that has several tasks.
func mixed(g *generator, ctx context.Context, n int) error {
	switch n % 20 {
	case 7:
		return list(g, ctx, n)
	case 3, 11, 17:
		return head(g, ctx, n)
	case 1, 4, 8, 12, 15, 19:
		return put(g, ctx, n)
	}
	return get(g, ctx, n)
}

// payload is how many bytes of objects one request of a command moves.
func (g *generator) payload(op string) int64 {
	size := int64(g.job.Size)
	switch op {
	case protocol.Head, protocol.List, protocol.Delete, protocol.Copy:
		return 0
	case protocol.Range:
		return min(size, span)
	case protocol.Mixed:
		return size * 16 / 20
	}
	return size
}

// read gets an object into a buffer that is used again, and shows it to look.
func (g *generator) read(ctx context.Context, n int, look func([]byte) error) error {
	buf := g.pool.Get().(*[]byte)
	defer g.pool.Put(buf)
	got, err := g.client.get(ctx, key(n), *buf)
	if err != nil {
		return err
	}
	if len(got) != g.job.Size {
		return fmt.Errorf("%s came back with %d of %d bytes", key(n), len(got), g.job.Size)
	}
	return look(got)
}
