package server

import (
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
)

// recentRequests is how many requests the dashboard can show.
const recentRequests = 100

// recent holds the last requests that ended. Names are in it only where names is
// set, so that a memory dump has none that nobody asked for.
type recent struct {
	mu    sync.Mutex
	names bool // set before the first request
	ring  [recentRequests]admin.Request
	count uint64
}

// note takes a request in.
func (t *recent) note(r *request, f fault, status int, took time.Duration, sent int64) {
	done := admin.Request{
		ID: r.id, Time: r.began.Add(took), Operation: r.op(), Status: status, Milli: float64(took) / float64(time.Millisecond),
		In: r.body.got, Out: sent, Credential: r.credential(), Fault: f.label,
	}
	if t.names {
		done.Bucket, done.Key, done.Client = r.bucket, r.key, r.http.RemoteAddr().String()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	done.Number = t.count
	t.ring[t.count%recentRequests] = done
	t.count++
}

// list returns them, oldest first.
func (t *recent) list() []admin.Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(t.count, recentRequests)
	out := make([]admin.Request, 0, n)
	for i := t.count - n; i < t.count; i++ {
		out = append(out, t.ring[i%recentRequests])
	}
	return out
}
