package server

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var corsRules = []CORSRule{
	{Origins: []string{"https://app.example.com", "https://*.example.org"}, Methods: []string{"GET", "PUT"}, Headers: []string{"X-Amz-*", "authorization"}, Expose: []string{"ETag"}, MaxAge: 10 * time.Minute},
	{Origins: []string{"*"}, Methods: []string{"GET"}},
}

// ask sends a request that nobody signed.
func (g *rig) ask(method, target string, header ...string) answer {
	g.t.Helper()
	c := call{method: method, target: "/", noMD5: true}
	c.edit = func(string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n%s", method, target, strings.Join(append(header, ""), "\r\n"))
	}
	return g.do(c)
}

func TestPreflightIsAnsweredByTheProxyAlone(t *testing.T) {
	g := newRig(t, func(c *Config) { c.CORS = corsRules })
	before := g.store.count()
	for _, f := range []struct {
		origin, method, headers string
		status                  int
		allow                   string
	}{
		{"https://app.example.com", "PUT", "", 200, "https://app.example.com"},
		{"https://app.example.com", "PUT", "Authorization, X-Amz-Date,x-amz-content-sha256", 200, "https://app.example.com"},
		{"https://a.b.example.org", "GET", "x-amz-date", 200, "https://a.b.example.org"},
		{"https://app.example.com", "PUT", "x-other", 403, ""},
		{"https://app.example.com", "DELETE", "", 403, ""},
		{"https://app.example.com.evil", "PUT", "", 403, ""},
		{"https://.example.org", "PUT", "", 200, "https://.example.org"},
		{"http://app.example.com", "PUT", "", 403, ""},
		{"https://anybody", "GET", "", 200, "*"},
		{"https://anybody", "GET", "authorization", 403, ""},
		{"https://app.example.com", "get", "", 400, ""},
		{"https://app.example.com", "", "", 400, ""},
		{"", "GET", "", 400, ""},
	} {
		for _, target := range []string{"/bkt/k", "/bkt", "/", "/bkt/k?X-Amz-Signature=00", "/foreign/k"} {
			var lines []string
			for name, v := range map[string]string{"Origin": f.origin, "Access-Control-Request-Method": f.method, "Access-Control-Request-Headers": f.headers} {
				if v != "" {
					lines = append(lines, name+": "+v)
				}
			}
			a := g.ask("OPTIONS", target, lines...)
			if a.status != f.status || a.header.Get("Access-Control-Allow-Origin") != f.allow || a.header.Get("Vary") != corsVary {
				t.Errorf("%+v %s: %d %v %s", f, target, a.status, a.header, a.body)
			}
			if code := a.code(); f.status == 403 && code != "AccessForbidden" || f.status == 400 && code != "BadRequest" {
				t.Errorf("%+v %s: %s", f, target, code)
			}
			if got := a.header.Get("Access-Control-Allow-Headers"); f.status == 200 && got != strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(f.headers), " ", ""), ",", ", ") {
				t.Errorf("%+v: allows %q", f, got)
			}
		}
	}
	a := g.ask("OPTIONS", "/bkt/k", "Origin: https://app.example.com", "Access-Control-Request-Method: GET")
	if a.header.Get("Access-Control-Max-Age") != "600" || a.header.Get("Access-Control-Allow-Methods") != "GET, PUT" || a.header.Get("Access-Control-Allow-Credentials") != "" || len(a.body) != 0 {
		t.Errorf("%v", a.header)
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Errorf("the backend was asked: %v", got)
	}
}

// TestAnswersAreSharedWithTheirPage, whatever they are, and with no other.
func TestAnswersAreSharedWithTheirPage(t *testing.T) {
	g := newRig(t, func(c *Config) { c.CORS = corsRules })
	g.put("/bkt/k", []byte("x"))
	get := func(method, target, origin string) answer {
		return g.do(call{method: method, target: target, header: map[string]string{"origin": origin}, body: map[string][]byte{"PUT": []byte("y")}[method]})
	}
	for _, target := range []string{"/bkt/k", "/bkt/none", "/bkt/?list-type=2", "/nobucket/k", "/bkt/k?torrent"} {
		a := get("GET", target, "https://app.example.com")
		if a.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" || a.header.Get("Access-Control-Expose-Headers") != "ETag" || a.header.Get("Vary") != corsVary {
			t.Errorf("%s: %d %v", target, a.status, a.header)
		}
	}
	a := g.ask("GET", "/bkt/k", "Origin: https://app.example.com")
	if a.status != 403 || a.header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a refusal: %d %v", a.status, a.header)
	}
	if a := get("PUT", "/bkt/k", "https://anybody"); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a page that no rule is for: %d %v", a.status, a.header)
	}
	if a := g.get("/bkt/k"); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("no page: %v", a.header)
	}
}

func TestWithoutRulesThereIsNoCORS(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	a := g.ask("OPTIONS", "/bkt/k", "Origin: https://a", "Access-Control-Request-Method: GET")
	g.want(a, 403, "AccessForbidden")
	b := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"origin": "https://a"}})
	for name := range b.header {
		if strings.HasPrefix(name, "Access-Control") || name == "Vary" || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is sent", name)
		}
	}
}

func TestBadRulesAreRefused(t *testing.T) {
	for name, rule := range map[string]CORSRule{
		"no origin": {Methods: []string{"GET"}}, "no method": {Origins: []string{"*"}}, "a method": {Origins: []string{"*"}, Methods: []string{"PATCH"}},
		"two stars": {Origins: []string{"https://*.*"}, Methods: []string{"GET"}}, "a line": {Origins: []string{"*"}, Methods: []string{"GET"}, Expose: []string{"a\r\nb: c"}},
	} {
		if rule.check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
