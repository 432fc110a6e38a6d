package server

import (
	"context"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// laxCopies is a store that copies ranges whatever their condition says, and whose source
// is replaced before the range number at, if that is not 0.
type laxCopies struct {
	*memory
	at   int
	with string // the object that replaces the source
}

func (l *laxCopies) CopyPart(ctx context.Context, bucket, key, id string, n int, source backend.CopySource, r backend.Range) (string, error) {
	l.mu.Lock()
	if l.at--; l.at == 0 {
		l.buckets[source.Bucket][source.Key] = l.buckets[source.Bucket][l.with]
	}
	source.IfMatch = l.buckets[source.Bucket][source.Key].etag
	l.mu.Unlock()
	return l.memory.CopyPart(ctx, bucket, key, id, n, source, r)
}

// TestCopyOfAChangingSource: on a store that ignores the condition of a copied range, an
// object of two sources' pieces is never called a copy, nor put in another's place.
func TestCopyOfAChangingSource(t *testing.T) {
	t.Parallel()
	for _, parts := range []bool{false, true} {
		store := &laxCopies{}
		g := newRig(t, func(c *Config) { store.memory = c.Backend.(*memory); c.Backend = store })
		size := wholeCopy + mib
		create := func(key string) {
			if !parts {
				g.put("/bkt/"+key, pattern(size))
				return
			}
			u := g.begin("/bkt/"+key, nil)
			g.want(u.complete(listed{1, u.part(1, pattern(size))}), 200, "")
		}
		create("source")
		create("newer")
		g.put("/bkt/there", []byte("kept"))
		store.at, store.with = 1, "newer"
		g.want(g.do(call{method: "PUT", target: "/bkt/there", header: map[string]string{"x-amz-copy-source": "/bkt/source"}}), 503, "ServiceUnavailable")
		if a := g.get("/bkt/there"); string(a.body) != "kept" {
			t.Errorf("parts %v: the object in the way is lost: %d", parts, a.status)
		}
		// The source stays another one's object, under another's name: nothing else is copied.
		create("source")
		g.want(g.do(call{method: "PUT", target: "/bkt/there", header: map[string]string{"x-amz-copy-source": "/bkt/source"}}), 200, "")
		if a := g.get("/bkt/there"); len(a.body) != size {
			t.Errorf("parts %v: %d, %d bytes", parts, a.status, len(a.body))
		}
		g.store.mu.Lock()
		for key := range g.store.buckets["bkt"] {
			if strings.HasPrefix(key, format.ReservedPrefix) && key != format.StateKey {
				t.Errorf("%s is left", key)
			}
		}
		if len(g.store.uploads) != 0 {
			t.Error("an upload is left")
		}
		g.store.mu.Unlock()
	}
}
