package backend

import (
	"net/http"
	"strings"
	"testing"
)

// TestDefaultPortIsNoPartOfTheName: the SDK signs a host without its scheme's own port, and a proxy before the store may take
// that port out of the Host header. All ways to the store say the same, or some calls would be refused and others not.
func TestDefaultPortIsNoPartOfTheName(t *testing.T) {
	for endpoint, want := range map[string]struct{ host, dials string }{
		"https://store.test":      {"store.test", "store.test:443"},
		"https://store.test:443":  {"store.test", "store.test:443"},
		"https://store.test:80":   {"store.test:80", "store.test:80"},
		"https://store.test:4430": {"store.test:4430", "store.test:4430"},
		"http://store.test:80":    {"store.test", "store.test:80"},
		"http://store.test:443":   {"store.test:443", "store.test:443"},
		"http://store.test:9000":  {"store.test:9000", "store.test:9000"},
		"https://[::1]:443":       {"[::1]", "[::1]:443"},
		"http://[::1]:8080/s3":    {"[::1]:8080", "[::1]:8080"},
	} {
		c := newTestClient(t, endpoint)
		target := c.requests.target("bucket", "key", nil)
		if head := string(c.requests.head(http.MethodGet, target, nil)); !strings.Contains(strings.ToLower(head), "\r\nhost: "+want.host+"\r\n") {
			t.Errorf("%s: a read says\n%s", endpoint, head)
		}
		req, err := c.requests.signed(t.Context(), http.MethodPut, target, http.Header{}, 0, emptyPayload)
		if err != nil || req.Host != want.host {
			t.Errorf("%s: an upload says %q, %v", endpoint, req.Host, err)
		}
		if to := address(target); to != want.dials {
			t.Errorf("%s: dials %s", endpoint, to)
		}
	}
}
