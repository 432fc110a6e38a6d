package server

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// slowList keeps the first listing back that it made.
type slowList struct {
	*memory
	once         atomic.Bool
	made, answer chan struct{}
}

func (l *slowList) List(ctx context.Context, bucket string, opt backend.ListOptions) (*backend.Page, error) {
	page, err := l.memory.List(ctx, bucket, opt)
	if l.once.CompareAndSwap(false, true) {
		close(l.made)
		<-l.answer
	}
	return page, err
}

// TestLateWordOfAnEmptyBucketChangesNothing: who saw a bucket empty, and says so after
// another request has filled it, takes nothing from those who know better.
func TestLateWordOfAnEmptyBucketChangesNothing(t *testing.T) {
	slow := &slowList{memory: newMemory("bkt"), made: make(chan struct{}), answer: make(chan struct{})}
	g := newRig(t, sealedNames, func(c *Config) { c.Backend = slow })
	g.store = slow.memory
	early := make(chan answer)
	go func() { early <- g.get("/bkt/k") }()
	<-slow.made
	g.put("/bkt/k", []byte("x"))
	ctx := context.Background()
	if _, b, err := g.s.access(ctx, "bkt"); err != nil || b.fresh {
		t.Fatalf("the bucket is not open: %v", err)
	}
	close(slow.answer)
	g.want(<-early, 404, "NoSuchKey") // as it was when it was asked
	if _, err := g.s.backend.Head(ctx, "bkt", "k"); err != nil {
		t.Errorf("an acknowledged object: %v", err)
	}
	if page, err := g.s.backend.List(ctx, "bkt", backend.ListOptions{MaxKeys: 10}); err != nil || len(page.Objects) != 1 {
		t.Errorf("the listing of one object: %+v, %v", page, err)
	}
	for _, c := range g.store.callsSince(0) {
		if c == "Head bkt/k" {
			t.Error("the backend was told the name")
		}
	}
}
