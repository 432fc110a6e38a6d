//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

const (
	budget   = 192 << 20
	headroom = 96 << 20
)

// TestMemoryStaysInBudget: 64 uploads that stall and 64 active PUTs of 16 MiB stay under the budget plus 96 MiB, by the
// kernel's count, and every active one is stored in the end.
func TestMemoryStaysInBudget(t *testing.T) {
	w := start(t, nil, fmt.Sprintf("pipeline:\n  budget: %dMiB\nlimits:\n  progress_timeout: 8s\n", budget>>20))
	ctx := context.Background()
	c := w.client(t)
	_, err := c.Put(ctx, "warm", pbs.NewBody([]byte("x")), false)
	must(t, err)

	// The stalled: head and 1 MiB of 16, then nothing.
	body := random(1, 16<<20)
	var stalled []net.Conn
	for i := range 64 {
		conn, err := c.Dial(ctx)
		must(t, err)
		defer conn.Close()
		r := pbs.Request{Method: "PUT", Path: fmt.Sprintf("/%s/stalled/%d", bucket, i), Body: pbs.NewBody(body), Headers: []pbs.Header{{Name: "content-type", Value: "application/octet-stream"}}}
		if _, err := conn.Write(append(c.Head(r, time.Now()), body[:1<<20]...)); err != nil {
			t.Fatalf("stalled upload %d: %v", i, err)
		}
		stalled = append(stalled, conn)
	}
	time.Sleep(500 * time.Millisecond)

	sealed := pbs.NewBody(body)
	var g errgroup.Group
	deadline := time.Now().Add(4 * time.Minute)
	for i := range 64 {
		g.Go(func() error {
			key := fmt.Sprintf("active/%d", i)
			for {
				_, err := c.Upload(ctx, key, sealed, false)
				if err == nil {
					return nil
				}
				// The one refusal allowed is that of a full proxy.
				var s *pbs.StatusError
				if !errors.As(err, &s) || s.Status != 503 || s.Code != "SlowDown" || time.Now().After(deadline) {
					return fmt.Errorf("%s: %w", key, err)
				}
			}
		})
	}
	err = g.Wait()
	u, uerr := w.proxy.Usage()
	must(t, uerr)
	t.Logf("peak RSS %d MiB with a budget of %d MiB; %d stalled, 64 active of 16 MiB", u.Peak>>20, budget>>20, len(stalled))
	if err != nil {
		t.Error(err)
	}
	if u.Peak > budget+headroom {
		t.Errorf("peak RSS is %d MiB, more than %d + %d", u.Peak>>20, budget>>20, headroom>>20)
	}
	for _, conn := range stalled {
		conn.Close()
	}
	left, err := w.direct(t).ListAll(ctx, "stalled/")
	if err != nil || len(left) != 0 {
		t.Errorf("stalled uploads left %d objects, %v", len(left), err)
	}
	buf := make([]byte, len(body))
	for i := range 64 {
		got, err := c.GetInto(ctx, fmt.Sprintf("active/%d", i), buf)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("active/%d: %v", i, err)
		}
	}
}
