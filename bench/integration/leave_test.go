//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// TestHalfAnUploadReplacesNothing: clients leave, and then the proxy is killed, in the middle of uploads that are on
// their way to the backend already. The backend takes a clean end of a connection for the end of the object, with and
// without TLS, and would replace a whole object by its front: it must never see one.
func TestHalfAnUploadReplacesNothing(t *testing.T) {
	t.Parallel()
	for _, tls := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS=%v", tls), func(t *testing.T) {
			// The smallest budget: most uploads cannot be held whole and flow through.
			w := startOn(t, rig.BackendConfig{TLS: tls}, nil, "pipeline:\n  budget: 64MiB\n")
			ctx := context.Background()
			c := w.client(t)
			old := random(1, 16<<20)
			const uploads = 10
			for i := range uploads {
				_, err := c.Put(ctx, fmt.Sprintf("o/%d", i), pbs.NewBody(old), false)
				must(t, err)
			}
			half := func() (conns []net.Conn) {
				body := random(2, 16<<20)
				for i := range uploads {
					conn, err := c.Dial(ctx)
					must(t, err)
					t.Cleanup(func() { conn.Close() })
					r := pbs.Request{Method: "PUT", Path: fmt.Sprintf("/%s/o/%d", bucket, i), Body: pbs.NewBody(body), Headers: []pbs.Header{{Name: "content-type", Value: "application/octet-stream"}}}
					go conn.Write(append(c.Head(r, time.Now()), body[:12<<20]...))
					conns = append(conns, conn)
				}
				time.Sleep(time.Second)
				return conns
			}
			audit := func(what string) {
				t.Helper()
				time.Sleep(500 * time.Millisecond) // the backend may commit a little later
				offline, err := w.offline()
				must(t, err)
				for i := range uploads {
					key := fmt.Sprintf("o/%d", i)
					if got, err := offline.open(w.stored(key), key); err != nil || !bytes.Equal(got, old) {
						t.Errorf("%s: %s is no longer the old object: %v", what, key, err)
					}
				}
			}
			for _, conn := range half() {
				conn.Close()
			}
			audit("clients left")
			half()
			w.proxy.Kill()
			audit("proxy killed")
			w.startProxy()
		})
	}
}
