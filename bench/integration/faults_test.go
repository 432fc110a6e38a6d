//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// backendFaults are what a backend may do instead of its work.
var backendFaults = map[string]http.HandlerFunc{
	"f-429": xmlFault(429, "TooManyRequests"),
	"f-403": xmlFault(403, "RequestLimitExceeded"),
	"f-500": xmlFault(500, "InternalError"),
	"f-502": func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway)
	},
	"f-503": xmlFault(503, "SlowDown"),
	"f-504": xmlFault(504, "GatewayTimeout"),
	"f-redirect": func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect)
	},
	"f-html": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<html><body>maintenance</body></html>")
	},
	"f-error200": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		io.WriteString(w, `<?xml version="1.0"?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>`)
	},
	"f-reset": func(http.ResponseWriter, *http.Request) { rig.Abort() },
}

func xmlFault(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>fault</Message></Error>`, code)
	}
}

// faultOf finds the fault that a request's key or prefix names.
func faultOf(r *http.Request) http.HandlerFunc {
	for name, f := range backendFaults {
		if strings.Contains(r.RequestURI, name+"%2F") || strings.Contains(r.RequestURI, name+"/") {
			return f
		}
	}
	return nil
}

// TestH_BackendFaults: whatever the backend does, PBS never sees 404, 429 or 502 for it, nor success.
func TestH_BackendFaults(t *testing.T) {
	t.Parallel()
	var tap *rig.Tap
	w := start(t, func(backend string) string {
		var err error
		tap, err = rig.StartTap(backend)
		must(t, err)
		return tap.Address
	}, "")
	t.Cleanup(tap.Close) // before the backend stops
	ctx := context.Background()
	c := w.client(t, once)
	body := random(1, 300<<10)
	_, err := c.Put(ctx, "good", pbs.NewBody(body), false)
	must(t, err)
	for name := range backendFaults {
		_, err := c.Put(ctx, name+"/there", pbs.NewBody(body), false)
		must(t, err)
	}
	calls := map[string]func(prefix string) error{
		"get":          func(p string) error { _, err := c.Get(ctx, p+"/there"); return err },
		"head":         func(p string) error { _, err := c.HeadObject(ctx, p+"/there"); return err },
		"put":          func(p string) error { _, err := c.Put(ctx, p+"/new", pbs.NewBody(body), false); return err },
		"put-if-none":  func(p string) error { _, err := c.Put(ctx, p+"/new2", pbs.NewBody(body), true); return err },
		"delete":       func(p string) error { return c.Delete(ctx, p+"/there") },
		"copy":         func(p string) error { return c.Copy(ctx, "good", p+"/copy") },
		"list":         func(p string) error { _, err := c.ListPage(ctx, p+"/", ""); return err },
		"get-absent":   func(p string) error { _, err := c.Get(ctx, p+"/absent"); return err },
		"list-nothing": func(p string) error { _, err := c.ListPage(ctx, p+"/absent", ""); return err },
	}
	// An html page or an error document with status 200 is a wrong answer only where a document or an object is due.
	fitting := func(fault, call string) bool {
		if fault != "f-html" && fault != "f-error200" {
			return true
		}
		return call != "put" && call != "put-if-none" && call != "delete" && call != "copy"
	}
	tap.Hook(func(rw http.ResponseWriter, r *http.Request) bool {
		f := faultOf(r)
		if f == nil {
			return false
		}
		io.Copy(io.Discard, r.Body)
		f(rw, r)
		return true
	})
	t.Run("lasting", func(t *testing.T) {
		var wg sync.WaitGroup
		for fault := range backendFaults {
			for call, f := range calls {
				if !fitting(fault, call) {
					continue
				}
				wg.Go(func() {
					err := f(fault)
					// An object whose backend answer is a page cannot be opened: 500 is as good as 503.
					if s := status(err); s != 503 && !(s == 500 && (fault == "f-html" || fault == "f-error200")) {
						t.Errorf("%s during %s: %v, want 503", call, fault, err)
					}
				})
			}
		}
		wg.Wait()
	})
	t.Run("passing", func(t *testing.T) {
		// Each request fails twice, then works.
		var mu sync.Mutex
		tries := map[string]int{}
		tap.Hook(func(rw http.ResponseWriter, r *http.Request) bool {
			f := faultOf(r)
			mu.Lock()
			tries[r.Method+r.RequestURI]++
			n := tries[r.Method+r.RequestURI]
			mu.Unlock()
			if f == nil || n > 2 {
				return false
			}
			io.Copy(io.Discard, r.Body)
			f(rw, r)
			return true
		})
		var wg sync.WaitGroup
		for _, fault := range []string{"f-429", "f-500", "f-502", "f-503", "f-504", "f-reset"} {
			wg.Go(func() {
				key := fault + "/passing"
				if _, err := c.Put(ctx, key, pbs.NewBody(body), false); err != nil {
					t.Errorf("%s: put: %v", fault, err)
				}
				if o, err := c.Get(ctx, key); err != nil || !bytes.Equal(o.Body, body) {
					t.Errorf("%s: get: %v", fault, err)
				}
				if l, err := c.ListAll(ctx, key); err != nil || len(l) != 1 {
					t.Errorf("%s: list: %d, %v", fault, len(l), err)
				}
				if err := c.Copy(ctx, key, key+"2"); err != nil {
					t.Errorf("%s: copy: %v", fault, err)
				}
				if err := c.Delete(ctx, key); err != nil {
					t.Errorf("%s: delete: %v", fault, err)
				}
				if _, err := c.Get(ctx, key); status(err) != 404 {
					t.Errorf("%s: after delete: %v", fault, err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("slow and wrong conditions", func(t *testing.T) {
		tap.Hook(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.Contains(r.RequestURI, "slow/") {
				time.Sleep(2 * time.Second)
			}
			if strings.Contains(r.RequestURI, "pre/") && r.Method == "PUT" {
				io.Copy(io.Discard, r.Body)
				xmlFault(412, "PreconditionFailed")(rw, r)
				return true
			}
			return false
		})
		if _, err := c.Put(ctx, "slow/x", pbs.NewBody(body), false); err != nil {
			t.Errorf("a slow backend: %v", err)
		}
		// 412 to a PUT without a condition would count as stored.
		if _, err := c.Put(ctx, "pre/x", pbs.NewBody(body), false); status(err) != 503 {
			t.Errorf("a backend's 412 to an unconditional PUT: %v", err)
		}
		tap.Hook(nil)
	})
}
