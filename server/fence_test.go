package server

import (
	"context"
	"io"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// retrying sends what can be sent again as the backend's client does: from its start,
// once more after an attempt that failed.
type retrying struct {
	*memory
	between func()
}

func (r *retrying) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	if s, ok := body.(io.Seeker); ok && key == "k" && r.between != nil {
		for attempt := range 2 {
			if _, err := s.Seek(0, io.SeekStart); err != nil {
				return backend.Written{}, &backend.Error{Kind: backend.Invalid, Op: "PutObject"}
			}
			if attempt == 0 {
				r.between()
			}
		}
	}
	return r.memory.Put(ctx, bucket, key, body, size, cond)
}

// TestRetryThatCrossesARemoval: what is sent again, after the bucket was made anew, does
// not destroy an object that was acknowledged there.
func TestRetryThatCrossesARemoval(t *testing.T) {
	r := &retrying{memory: newMemory("bkt")}
	one := newRig(t, quickly, func(c *Config) { c.Backend = r })
	two := newRig(t, quickly, func(c *Config) { c.Backend = r.memory })
	one.store, two.store = r.memory, r.memory
	one.put("/bkt/k", []byte("old"))
	one.want(one.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	r.between = func() {
		two.want(two.do(call{method: "DELETE", target: "/bkt"}), 204, "")
		two.want(two.do(call{method: "PUT", target: "/bkt"}), 200, "")
		two.put("/bkt/k", []byte("acknowledged"))
	}
	a := one.do(call{method: "PUT", target: "/bkt/k", body: []byte("late")})
	r.between = nil
	one.want(a, 503, "ServiceUnavailable")
	for _, g := range []*rig{one, two} {
		if b := g.get("/bkt/k"); string(b.body) != "acknowledged" {
			t.Errorf("%d %s behind a PUT that gave %d", b.status, b.body, a.status)
		}
	}
	one.put("/bkt/k", []byte("newer"))
}
