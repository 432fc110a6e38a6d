package server

import (
	"bufio"
	"slices"
	"strings"
	"testing"
	"time"
)

// example is a well-formed call of an operation, made from its row: of bucket and
// key, with a copy of key where the row wants a source.
func example(r *route, bucket, key string) call {
	target := map[level]string{onService: "/", onBucket: "/" + bucket, onObject: "/" + bucket + "/" + key}[r.level]
	for i, q := range r.query {
		value := "2"
		if q == "uploadId" {
			value = "none"
		}
		target += "?&"[min(i, 1):min(i, 1)+1] + q + "=" + value
	}
	c := call{method: r.method, target: target, header: map[string]string{}}
	if r.header != "" {
		c.header[r.header] = bucket + "/" + key
	}
	if r.body != noBody {
		c.body = []byte("<Delete><Object><Key>" + key + "</Key></Object></Delete>")
	}
	return c
}

// caller sends calls over one connection as long as that is open.
type caller struct {
	g    *rig
	conn interface {
		Write([]byte) (int, error)
		Close() error
		SetDeadline(time.Time) error
	}
	in *bufio.Reader
}

func (c *caller) do(x call) answer {
	c.g.t.Helper()
	if c.conn == nil {
		conn := c.g.dial()
		c.conn, c.in = conn, bufio.NewReader(conn)
	}
	c.conn.SetDeadline(time.Now().Add(30 * time.Second))
	c.conn.Write(x.raw(c.g.addr))
	a := readAnswer(c.g.t, c.in, x.method)
	if a.close {
		c.conn.Close()
		c.conn = nil
	}
	return a
}

// surface is every call that a client could make of the table and of S3's own
// sub-resources: each row, and each method with each sub-resource at each level. What
// a row is for is named by it, the rest by method and target.
func surface(bucket, key string) map[string]call {
	out := map[string]call{}
	subs := slices.Clone(subresources)
	methods := []string{"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"}
	for i := range routes {
		r := &routes[i]
		out[r.op] = example(r, bucket, key)
		for _, q := range append(slices.Clone(r.query), r.allowed...) {
			if !slices.Contains(subs, q) {
				subs = append(subs, q)
			}
		}
	}
	for _, method := range methods {
		for _, target := range []string{"/", "/" + bucket, "/" + bucket + "/", "/" + bucket + "/" + key} {
			out[method+" "+target] = call{method: method, target: target}
			for _, sub := range subs {
				c := call{method: method, target: target + "?" + sub + "=2"}
				out[c.method+" "+c.target] = c
			}
		}
	}
	return out
}

// TestNothingRefusedReachesTheBackend walks the surface: whatever is not signed, signed
// by nobody or wrongly, about a bucket that the proxy or the credential is not for, or
// more than the credential may do, is refused before the backend hears of it.
func TestNothingRefusedReachesTheBackend(t *testing.T) {
	t.Parallel()
	grants := map[string]Grant{
		"READONLY": {Access: ReadOnly}, "APPENDONLY": {Access: AppendOnly}, "ELSEWHERE": {Buckets: []string{"other"}},
		"NOTHING": {Verbs: []string{"ListBuckets"}, Access: AppendOnly, Buckets: []string{"other"}}, "BELOW": {Prefixes: []string{"mine/"}},
	}
	g := newRig(t, func(c *Config) {
		c.AllowedBuckets = []string{"bkt", "other"}
		for key, grant := range grants {
			c.Credentials = append(c.Credentials, Credential{Name: strings.ToLower(key), AccessKey: key, SecretKey: testSecret, Grant: grant})
		}
	})
	g.put("/bkt/k", []byte("stays"))
	before := g.store.count()
	over := &caller{g: g}
	refused := func(what string, c call) {
		t.Helper()
		a := over.do(c)
		if a.status < 400 || a.status == 500 || a.status == 503 {
			t.Errorf("%s: %d %s", what, a.status, a.code())
		}
		if got := g.store.callsSince(before); len(got) != 0 {
			t.Fatalf("%s: the backend was asked: %v", what, got)
		}
	}
	for name, c := range surface("bkt", "k") {
		for kind, change := range map[string]func(call) call{
			"unsigned":      func(c call) call { c.edit = dropHeader("authorization"); return c },
			"unknown key":   func(c call) call { c.access = "NOBODY"; return c },
			"bad signature": func(c call) call { c.edit = flipSignature; return c },
		} {
			refused(name+", "+kind, change(c))
		}
	}
	for name, c := range surface("foreign", "k") {
		if strings.HasPrefix(c.target, "/foreign") {
			refused(name+" in a foreign bucket", c)
		}
	}
	for name, c := range surface("bkt", "k") {
		if strings.HasPrefix(c.target, "/bkt") {
			for _, access := range []string{"ELSEWHERE", "NOTHING"} {
				c.access = access
				refused(name+" by "+access, c)
			}
		}
	}
	for i := range routes {
		r := &routes[i]
		for access, may := range map[string]need{"READONLY": toList | toRead | toInspect, "APPENDONLY": toList | toRead | toInspect | toCreate} {
			if r.needs&may == 0 {
				c := example(r, "bkt", "k")
				c.access = access
				refused(r.op+" by "+access, c)
				if a := over.do(c); r.method != "HEAD" && a.code() != "AccessDenied" {
					t.Errorf("%s by %s: %s", r.op, access, a.code())
				}
			}
		}
		// A key beside the prefix, in the path, in the document or as the source; a
		// listing of everything; a setting of the whole bucket.
		if r.level == onService || r.level == onBucket && r.needs == toRead {
			continue
		}
		c := example(r, "bkt", "k")
		c.access = "BELOW"
		refused(r.op+" beside the prefix", c)
		if r.header == "x-amz-copy-source" {
			c.target = strings.Replace(c.target, "/bkt/k", "/bkt/mine/k", 1)
			refused(r.op+" from beside the prefix", c)
			c.header = map[string]string{r.header: "other/mine/k"}
			c.access = "ELSEWHERE"
			c.target = strings.Replace(c.target, "/bkt/mine/k", "/other/k", 1)
			c.header[r.header] = "bkt/k"
			refused(r.op+" from another bucket", c)
		}
	}
}
