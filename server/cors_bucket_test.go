package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// ruledStore keeps CORS rules with its buckets.
type ruledStore struct {
	*memory
	mu    sync.Mutex
	docs  map[string][]byte
	reads int
	fault error
}

func (s *ruledStore) Relay(ctx context.Context, q backend.Question) (*backend.Reply, error) {
	if !q.Query.Has("cors") {
		return s.memory.Relay(ctx, q)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory.buckets[q.Bucket] == nil {
		return &backend.Reply{Status: 404, Code: "NoSuchBucket"}, nil
	}
	switch q.Method {
	case http.MethodGet:
		if s.reads++; s.fault != nil {
			return nil, s.fault
		}
		if s.docs[q.Bucket] == nil {
			return &backend.Reply{Status: 404, Code: "NoSuchCORSConfiguration"}, nil
		}
		return &backend.Reply{Status: 200, Body: s.docs[q.Bucket]}, nil
	case http.MethodPut:
		s.docs[q.Bucket] = q.Body
		return &backend.Reply{Status: 200}, nil
	}
	delete(s.docs, q.Bucket)
	return &backend.Reply{Status: 204}, nil
}

func (s *ruledStore) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func newRuled(t *testing.T, change ...func(*Config)) (*rig, *ruledStore, *atomic.Int64) {
	store, skip := &ruledStore{docs: map[string][]byte{}}, new(atomic.Int64)
	g := newRig(t, append([]func(*Config){func(c *Config) {
		store.memory = c.Backend.(*memory)
		c.Backend, c.BucketCORS = store, true
		began := time.Now() // the clock stands, but for what is skipped
		c.Now = func() time.Time { return began.Add(time.Duration(skip.Load())) }
	}}, change...)...)
	return g, store, skip
}

const bucketRule = `<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<CORSRule><ID>x</ID><AllowedOrigin>https://app.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>x-amz-version-id</ExposeHeader><MaxAgeSeconds>100</MaxAgeSeconds></CORSRule>
<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod><MaxAgeSeconds>-5</MaxAgeSeconds></CORSRule></CORSConfiguration>`

func (g *rig) preflight(target, origin, method, headers string) answer {
	g.t.Helper()
	lines := []string{"Origin: " + origin, "Access-Control-Request-Method: " + method}
	if headers != "" {
		lines = append(lines, "Access-Control-Request-Headers: "+headers)
	}
	return g.ask("OPTIONS", target, lines...)
}

// TestRulesOfABucketCount, from the moment they are put until they are removed, for that
// bucket alone.
func TestRulesOfABucketCount(t *testing.T) {
	g, _, _ := newRuled(t)
	const app = "https://app.example.com"
	g.put("/bkt/k", []byte("x"))
	g.want(g.preflight("/bkt/k", app, "GET", ""), 403, "AccessForbidden")
	g.want(g.do(call{method: "PUT", target: "/bkt?cors", body: []byte(bucketRule)}), 200, "")
	a := g.preflight("/bkt/k", app, "PUT", "x-amz-date")
	g.want(a, 200, "")
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": app, "Access-Control-Allow-Methods": "GET, PUT", "Access-Control-Allow-Headers": "x-amz-date", "Access-Control-Max-Age": "100",
		"Access-Control-Expose-Headers": "x-amz-version-id, ETag", "Access-Control-Allow-Credentials": "true", "Vary": corsVary,
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a := g.preflight("/bkt/k", "https://any", "HEAD", ""); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Allow-Credentials") != "false" || a.header.Get("Access-Control-Max-Age") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	g.want(g.preflight("/bkt/k", app, "PUT", "x-other"), 403, "AccessForbidden")
	g.want(g.preflight("/bkt/k", app, "PUT", "bad name"), 400, "BadRequest")
	g.want(g.preflight("/other/k", app, "GET", ""), 403, "AccessForbidden")
	g.want(g.preflight("/none/k", app, "GET", ""), 404, "NoSuchBucket")
	if a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"origin": app}}); a.header.Get("Access-Control-Allow-Origin") != app || a.header.Get("Access-Control-Expose-Headers") != "x-amz-version-id, ETag" {
		t.Errorf("%v", a.header)
	}
	if a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"origin": "https://other"}}); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a.header)
	}
	if a := g.do(call{method: "GET", target: "/bkt?cors"}); string(a.body) != bucketRule {
		t.Errorf("%d %s", a.status, a.body)
	}
	g.want(g.do(call{method: "DELETE", target: "/bkt?cors"}), 204, "")
	g.want(g.preflight("/bkt/k", app, "PUT", ""), 403, "AccessForbidden")
	g.want(g.do(call{method: "GET", target: "/bkt?cors"}), 404, "NoSuchCORSConfiguration")
}

// TestRulesEndWithTheirBucket, and that there is no such bucket ends when it is made.
func TestRulesEndWithTheirBucket(t *testing.T) {
	g, store, _ := newRuled(t)
	const app = "https://app.example.com"
	g.want(g.preflight("/made/k", app, "GET", ""), 404, "NoSuchBucket")
	g.want(g.do(call{method: "PUT", target: "/made"}), 200, "")
	g.want(g.preflight("/made/k", app, "GET", ""), 403, "AccessForbidden")
	g.want(g.do(call{method: "PUT", target: "/made?cors", body: []byte(bucketRule)}), 200, "")
	g.want(g.preflight("/made/k", app, "GET", ""), 200, "")
	g.want(g.do(call{method: "DELETE", target: "/made"}), 204, "")
	g.want(g.preflight("/made/k", app, "GET", ""), 404, "NoSuchBucket")
	delete(store.docs, "made") // as the backend does with the bucket
	g.want(g.do(call{method: "PUT", target: "/made"}), 200, "")
	g.want(g.preflight("/made/k", app, "GET", ""), 403, "AccessForbidden")
}

// TestPreflightsCostTheBackendLittle, whoever sends them, and how many.
func TestPreflightsCostTheBackendLittle(t *testing.T) {
	g, store, skip := newRuled(t, func(c *Config) {
		c.Credentials[0].Grant.Buckets = []string{"bkt", "other", "none"}
		for i := range 50 {
			c.Credentials[0].Grant.Buckets = append(c.Credentials[0].Grant.Buckets, fmt.Sprintf("made-up-%d", i))
		}
	})
	for range 20 {
		g.preflight("/bkt/k", "https://a", "GET", "")
	}
	if n := store.asked(); n != 1 {
		t.Errorf("%d calls for one bucket", n)
	}
	for _, target := range []string{"/foreign/k", "/", "/UPPER/k"} {
		g.preflight(target, "https://a", "GET", "")
	}
	g.ask("GET", "/other/k", "Origin: https://a")
	if n := store.asked(); n != 1 {
		t.Errorf("%d calls for what no client may use, or nobody signed", n-1)
	}
	calls, slow := len(store.memory.asked), 0
	for i := range 50 {
		store.memory.mu.Lock()
		store.memory.buckets[fmt.Sprintf("made-up-%d", i)] = map[string]*blob{}
		store.memory.mu.Unlock()
		if a := g.preflight(fmt.Sprintf("/made-up-%d/k", i), "https://a", "GET", ""); a.code() == "SlowDown" {
			slow++
		}
	}
	if n := store.asked(); n > asksPerSecond || slow != 50-(n-1) || len(store.memory.asked) != calls {
		t.Errorf("%d calls, %d refused", n, slow)
	}
	skip.Store(int64(rulesTTL))
	before := store.asked()
	g.preflight("/bkt/k", "https://a", "GET", "")
	if n := store.asked() - before; n != 1 {
		t.Errorf("%d calls for old rules", n)
	}
}

// TestRulesThatCannotBeReadLetNobodyIn.
func TestRulesThatCannotBeReadLetNobodyIn(t *testing.T) {
	g, store, _ := newRuled(t)
	g.put("/bkt/k", []byte("x"))
	store.fault = fault4(backend.Busy, "Relay")
	if a := g.preflight("/bkt/k", "https://a", "GET", ""); a.status != 503 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"origin": "https://a"}}); a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	store.fault = nil
	for _, doc := range []string{"", "<x/>", "<CORSConfiguration>", strings.Replace(bucketRule, "GET", "PATCH", 1), strings.Replace(bucketRule, "x-amz-version-id", "a\nb: c", 1),
		strings.Replace(bucketRule, "https://app.example.com", "https://*.*", 1), "<CORSConfiguration>" + strings.Repeat("<CORSRule/>", maxRules+1) + "</CORSConfiguration>"} {
		store.docs["bkt"] = []byte(doc)
		g.s.rules.forget("bkt")
		g.want(g.preflight("/bkt/k", "https://app.example.com", "GET", ""), 403, "AccessForbidden")
	}
}

// TestRememberedRulesAreBounded.
func TestRememberedRulesAreBounded(t *testing.T) {
	c := newRulesCache(newMemory(), time.Now)
	for i := range 3 * maxRuled {
		c.keep(fmt.Sprint(i), &bucketRules{read: time.Now()})
	}
	if len(c.known) != maxRuled || c.known[fmt.Sprint(3*maxRuled-1)] == nil {
		t.Errorf("%d are kept", len(c.known))
	}
}

func TestBucketRulesAreOffByDefault(t *testing.T) {
	g := newRig(t)
	before := g.store.count()
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		g.want(g.do(call{method: method, target: "/bkt?cors"}), 501, "NotImplemented")
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Errorf("the backend was asked: %v", got)
	}
}

func FuzzParseRules(f *testing.F) {
	f.Add([]byte(bucketRule))
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, rule := range parseRules(doc) {
			if err := rule.check(); err != nil || rule.MaxAge < 0 {
				t.Errorf("%+v: %v", rule, err)
			}
		}
	})
}
