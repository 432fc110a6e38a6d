package admin

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestSecurityHeaders(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/", "/assets/dashboard.js", "/metrics", "/readyz", "/nothing", "/api/v1/config", "/debug/pprof/heap"} {
		for _, auth := range []string{bearer, "Bearer wrong"} {
			h := f.do("GET", path, "Authorization", auth).Header()
			csp := h.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"} {
				if !strings.Contains(csp, want) {
					t.Errorf("%s: no %s in %q", path, want, csp)
				}
			}
			if strings.Contains(csp, "unsafe") || strings.Contains(csp, "http") || strings.Contains(csp, "*") {
				t.Errorf("%s: lax policy %q", path, csp)
			}
			if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" ||
				h.Get("Referrer-Policy") != "no-referrer" || h.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %v", path, h)
			}
		}
	}
}

// TestPageIsSelfContained: what a browser would refuse by our policy is not there.
func TestPageIsSelfContained(t *testing.T) {
	f := newFixture(t)
	text := f.do("GET", "/").Body.String()
	for what, pattern := range map[string]string{
		"an address elsewhere": `(?i)(src|href|url)\s*[=(]\s*["']?(https?:|//|data:)`,
		"code in the markup":   `(?i)<script(?:>|[^>]*>[^<])`,
		"a handler":            `(?i)\son[a-z]+\s*=`,
		"a style":              `(?i)<style|\sstyle\s*=`,
	} {
		if m := regexp.MustCompile(pattern).FindString(text); m != "" {
			t.Errorf("the page has %s: %s", what, m)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(text, -1) {
		if w := f.do("GET", "/"+m[1]); w.Code != http.StatusOK && w.Code != http.StatusServiceUnavailable {
			t.Errorf("the page names %s, which is %d", m[1], w.Code)
		}
	}
	files, err := fs.Glob(pageFiles, "page/*")
	if err != nil || len(files) != len(pageRoutes()) {
		t.Errorf("%d files, %d routes, %v", len(files), len(pageRoutes()), err)
	}
	code := f.do("GET", "/assets/dashboard.js").Body.String()
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", "http:", "https:", "localStorage", "import("} {
		if strings.Contains(code, bad) {
			t.Errorf("the script has %s", bad)
		}
	}
	// Every element that the script looks for is there.
	for _, m := range regexp.MustCompile(`(?:\$|put)\("([a-z0-9-]+)"`).FindAllStringSubmatch(code, -1) {
		if !strings.Contains(text, `id="`+m[1]+`"`) {
			t.Errorf("the script wants #%s", m[1])
		}
	}
}

func TestConfig(t *testing.T) {
	f := newFixture(t)
	w := f.do("GET", "/api/v1/config", "Authorization", bearer)
	var got struct{ Settings []Setting }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Settings) != 2 || got.Settings[0].Value != "redacted" || got.Settings[1].Next != "debug" {
		t.Errorf("%v: %s", err, w.Body)
	}
}
