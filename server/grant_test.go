package server

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// withGrants makes a rig with the full client and one more for each grant, whose
// access key is its name.
func withGrants(t *testing.T, grants map[string]Grant, change ...func(*Config)) *rig {
	t.Helper()
	return newRig(t, append([]func(*Config){func(c *Config) {
		for name, grant := range grants {
			c.Credentials = append(c.Credentials, Credential{Name: name, AccessKey: name, SecretKey: testSecret, Grant: grant})
		}
	}}, change...)...)
}

var appendOnly = map[string]Grant{"append": {Access: AppendOnly}}

// TestAppendOnlyNeverReplaces: by none of the ways there are to make an object does
// an append-only client change one that stands, while it makes others.
func TestAppendOnlyNeverReplaces(t *testing.T) {
	t.Parallel()
	small := func(c *Config) { c.WholeObject = 6 << 20 }
	g := withGrants(t, appendOnly, small)
	g.put("/bkt/small", []byte("a source"))
	g.put("/bkt/large", pattern(17<<20))
	upload := func(key, access string, sizes ...int) answer {
		as := func(c call) call { c.access = access; return c }
		a := g.do(as(call{method: "POST", target: "/bkt/" + key + "?uploads"}))
		g.want(a, 200, "")
		u := &partsUp{g, "/bkt/" + key, between(a.body, "UploadId")}
		var parts []listed
		for i, n := range sizes {
			a := g.do(as(u.partCall(i+1, pattern(n))))
			g.want(a, 200, "")
			parts = append(parts, listed{i + 1, a.header.Get("ETag")})
		}
		a = g.do(as(u.completeCall(parts...)))
		if a.status != 200 {
			g.want(g.do(as(call{method: "DELETE", target: u.target + "?uploadId=" + u.id})), 204, "") // its own, it may
		}
		return a
	}
	g.want(upload("parts", testAccess, 5<<20, 100), 200, "")
	for name, write := range map[string]func(key, access string) answer{
		"PutObject": func(key, access string) answer {
			return g.do(call{method: "PUT", target: "/bkt/" + key, body: []byte("new"), access: access})
		},
		"PutObject in parts": func(key, access string) answer {
			return g.do(call{method: "PUT", target: "/bkt/" + key, body: pattern(7 << 20), access: access})
		},
		"CopyObject": func(key, access string) answer {
			return g.do(call{method: "PUT", target: "/bkt/" + key, access: access, header: map[string]string{"x-amz-copy-source": "bkt/small"}})
		},
		"CopyObject of much": func(key, access string) answer {
			return g.do(call{method: "PUT", target: "/bkt/" + key, access: access, header: map[string]string{"x-amz-copy-source": "bkt/large"}})
		},
		"CopyObject of a multipart object": func(key, access string) answer {
			return g.do(call{method: "PUT", target: "/bkt/" + key, access: access, header: map[string]string{"x-amz-copy-source": "bkt/parts"}})
		},
		"CompleteMultipartUpload": func(key, access string) answer {
			return upload(key, access, 5<<20, 9)
		},
		"CompleteMultipartUpload of little": func(key, access string) answer {
			return upload(key, access, 9)
		},
	} {
		g.put("/bkt/stands", []byte("stands"))
		g.want(write("stands", "append"), 403, "AccessDenied")
		if got := g.get("/bkt/stands"); string(got.body) != "stands" {
			t.Errorf("%s: the object was replaced: %d, %d bytes", name, got.status, len(got.body))
		}
		key := "new-" + url.PathEscape(strings.ReplaceAll(name, " ", "-"))
		g.want(write(key, "append"), 200, "")
		g.want(g.get("/bkt/"+key), 200, "")
		g.want(write("stands", testAccess), 200, "")
		if got := g.get("/bkt/stands"); got.status != 200 || string(got.body) == "stands" {
			t.Errorf("%s: the full client does not replace: %d", name, got.status)
		}
	}
	for key := range g.store.buckets["bkt"] {
		if strings.HasPrefix(key, trialPrefix) {
			t.Errorf("%s is left over", key)
		}
	}
}

// TestAppendOnlyAsksForTheCondition: a client that asked for the condition itself is
// told of it as always, one that asks to replace is refused before the backend.
func TestAppendOnlyAsksForTheCondition(t *testing.T) {
	g := withGrants(t, appendOnly)
	etag := g.put("/bkt/k", []byte("stands")).header.Get("ETag")
	put := func(h map[string]string) call {
		return call{method: "PUT", target: "/bkt/k", body: []byte("new"), access: "append", header: h}
	}
	g.want(g.do(put(map[string]string{"if-none-match": "*"})), 412, "PreconditionFailed")
	before := g.store.count()
	g.want(g.do(put(map[string]string{"if-match": etag})), 403, "AccessDenied")
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Errorf("the backend was asked: %v", got)
	}
	// Not even what nobody can open is written over.
	g.store.tamper("bkt", "k", func(b []byte) []byte { b[20] ^= 1; return b })
	broken := bytes.Clone(g.store.stored("bkt", "k"))
	g.want(g.do(put(nil)), 403, "AccessDenied")
	if !bytes.Equal(g.store.stored("bkt", "k"), broken) {
		t.Error("the object was replaced")
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("new"), header: map[string]string{"if-none-match": "*"}}), 200, "")
}

// TestAppendOnlyRaceHasOneWinner: of many who create one key at once one succeeds, and
// what stands is what it sent.
func TestAppendOnlyRaceHasOneWinner(t *testing.T) {
	g := withGrants(t, appendOnly)
	var wg sync.WaitGroup
	statuses := make([]int, 16)
	for i := range statuses {
		wg.Add(1)
		go func() {
			defer wg.Done()
			statuses[i] = g.do(call{method: "PUT", target: "/bkt/k", body: fmt.Appendf(nil, "by %d", i), access: "append"}).status
		}()
	}
	wg.Wait()
	got := string(g.get("/bkt/k").body)
	winners := 0
	for i, status := range statuses {
		if status == 200 {
			winners++
			if got != fmt.Sprintf("by %d", i) {
				t.Errorf("%d was told of success, %q stands", i, got)
			}
		} else if status != 403 && status != 409 {
			t.Errorf("%d: %d", i, status)
		}
	}
	if winners != 1 {
		t.Errorf("%d winners", winners)
	}
}

// TestAppendOnlyOnALaxStoreIsRefused: where the store ignores conditions, an
// append-only client writes nothing at all, and the trial harms nothing.
func TestAppendOnlyOnALaxStoreIsRefused(t *testing.T) {
	for name, lax := range map[string]func(*memory){
		"PUT":      func(m *memory) { m.lax = true },
		"Complete": func(m *memory) { m.laxParts = true },
	} {
		g := withGrants(t, appendOnly)
		g.put("/bkt/k", []byte("stands"))
		lax(g.store)
		names := len(g.store.buckets["bkt"])
		for _, c := range []call{
			{method: "PUT", target: "/bkt/k", body: []byte("new")},
			{method: "PUT", target: "/bkt/new", body: []byte("new")},
			{method: "PUT", target: "/bkt/new", header: map[string]string{"x-amz-copy-source": "bkt/k"}},
			{method: "POST", target: "/bkt/new?uploads"},
		} {
			c.access = "append"
			if a := g.do(c); a.status != 501 || a.code() != "NotImplemented" {
				t.Errorf("%s: %s %s: %d %s", name, c.method, c.target, a.status, a.code())
			}
		}
		if got := g.get("/bkt/k"); string(got.body) != "stands" {
			t.Errorf("%s: the object was replaced", name)
		}
		if got := len(g.store.buckets["bkt"]); got != names || len(g.store.uploads) != 0 {
			t.Errorf("%s: the trial left something behind", name)
		}
	}
}

// TestTrialIsRunOncePerBucket, and again where it could not be finished.
func TestTrialIsRunOncePerBucket(t *testing.T) {
	g := withGrants(t, appendOnly)
	put := func(key string) answer {
		return g.do(call{method: "PUT", target: key, body: []byte("x"), access: "append"})
	}
	g.store.before = func(op, _, key string) error {
		if op == "CreateUpload" && strings.HasPrefix(key, format.ReservedPrefix) {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	g.want(put("/bkt/a"), 503, "ServiceUnavailable")
	// To PBS a 412 means that its object is stored: that of a trial must not reach it.
	g.store.before = func(op, _, key string) error {
		if op == "UploadPart" && strings.HasPrefix(key, format.ReservedPrefix) {
			return fault4(backend.Precondition, op)
		}
		return nil
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/a", body: []byte("x"), access: "append", header: map[string]string{"if-none-match": "*"}}), 503, "ServiceUnavailable")
	g.store.before = nil
	g.want(put("/bkt/a"), 200, "")
	before := g.store.count()
	g.want(put("/bkt/b"), 200, "")
	if got := g.store.callsSince(before); len(got) != 1 {
		t.Errorf("the second write cost %v", got)
	}
	g.want(put("/other/a"), 200, "")
}

func TestPrefixesHoldEveryName(t *testing.T) {
	g := withGrants(t, map[string]Grant{"below": {Prefixes: []string{"mine/", "ours-"}}})
	for _, key := range []string{"mine/a", "ours-b", "theirs/c"} {
		g.put("/bkt/"+key, []byte(key))
	}
	as := func(c call) answer { c.access = "below"; return g.do(c) }
	for target, status := range map[string]int{
		"/bkt/mine/a": 200, "/bkt/ours-b": 200, "/bkt/theirs/c": 403, "/bkt/mine": 403, "/bkt/x/mine/a": 403, "/bkt/mine/../theirs/c": 403,
		"/bkt/?list-type=2": 403, "/bkt/?list-type=2&prefix=": 403, "/bkt/?list-type=2&prefix=min": 403, "/bkt/?list-type=2&prefix=mine%2F": 200,
		"/bkt/?prefix=ours-b": 200, "/bkt/?prefix=theirs%2F": 403, "/bkt/?prefix=mine%2F&marker=theirs": 200, "/bkt/?location": 200, "/": 200, "/bkt/?tagging": 403,
	} {
		if a := as(call{method: "GET", target: target}); a.status != status {
			t.Errorf("GET %s: %d %s, want %d", target, a.status, a.code(), status)
		}
	}
	if a := as(call{method: "GET", target: "/bkt/?list-type=2&prefix=mine%2F"}); strings.Contains(string(a.body), "theirs") || !strings.Contains(string(a.body), "mine/a") {
		t.Errorf("listed: %s", a.body)
	}
	doc := func(keys ...string) []byte {
		return []byte("<Delete><Object><Key>" + strings.Join(keys, "</Key></Object><Object><Key>") + "</Key></Object></Delete>")
	}
	g.want(as(call{method: "POST", target: "/bkt/?delete", body: doc("mine/a", "theirs/c")}), 403, "AccessDenied")
	g.want(g.get("/bkt/mine/a"), 200, "")
	g.want(as(call{method: "POST", target: "/bkt/?delete", body: doc("mine/a", "ours-b")}), 200, "")
	g.want(as(call{method: "PUT", target: "/bkt?tagging", body: []byte("<Tagging/>")}), 403, "AccessDenied")
	g.want(as(call{method: "PUT", target: "/bkt/mine/d", header: map[string]string{"x-amz-copy-source": "bkt/theirs/c"}}), 403, "AccessDenied")
	g.want(as(call{method: "PUT", target: "/bkt/theirs/d", body: []byte("x")}), 403, "AccessDenied")
	g.want(as(call{method: "PUT", target: "/bkt/mine/d", body: []byte("x")}), 200, "")
}

func TestBucketsAndVerbsNarrowAGrant(t *testing.T) {
	g := withGrants(t, map[string]Grant{
		"one":   {Buckets: []string{"bkt"}},
		"write": {Access: AppendOnly, Verbs: []string{"PutObject"}},
		"copy":  {Verbs: []string{"CopyObject", "PutObject"}},
	})
	g.put("/other/k", []byte("x"))
	g.put("/bkt/k", []byte("x"))
	a := g.do(call{method: "GET", target: "/", access: "one"})
	if !strings.Contains(string(a.body), "<Name>bkt</Name>") || strings.Contains(string(a.body), "other") {
		t.Errorf("ListBuckets: %s", a.body)
	}
	source := map[string]string{"x-amz-copy-source": "other/k"}
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: source, access: "one"}), 403, "AccessDenied")
	g.want(g.do(call{method: "PUT", target: "/other/c", header: map[string]string{"x-amz-copy-source": "bkt/k"}, access: "one"}), 403, "AccessDenied")
	g.want(g.do(call{method: "PUT", target: "/nobucket", access: "one"}), 403, "AccessDenied")
	g.want(g.do(call{method: "PUT", target: "/bkt/w", body: []byte("x"), access: "write"}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/w", body: []byte("x"), access: "write"}), 403, "AccessDenied")
	g.want(g.do(call{method: "GET", target: "/bkt/w", access: "write"}), 403, "AccessDenied")
	// To copy is to read the source too.
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: source, access: "copy"}), 403, "AccessDenied")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("y"), access: "copy"}), 200, "")
}

func TestBadGrantsAreRefused(t *testing.T) {
	for name, list := range map[string][]Credential{
		"empty":                   nil,
		"an empty key":            {{AccessKey: "a"}},
		"one access key":          {{Name: "x", AccessKey: "a", SecretKey: "s"}, {Name: "y", AccessKey: "a", SecretKey: "s"}},
		"name":                    {{AccessKey: "a", SecretKey: "s"}, {AccessKey: "b", SecretKey: "s"}},
		"the name none":           {{Name: nobody, AccessKey: "a", SecretKey: "s"}},
		`"admin"`:                 {{AccessKey: "a", SecretKey: "s", Grant: Grant{Access: "admin"}}},
		`rule out "PutObject"`:    {{AccessKey: "a", SecretKey: "s", Grant: Grant{Access: ReadOnly, Verbs: []string{"GetObject", "PutObject"}}}},
		`rule out "GetBucketAcl"`: {{AccessKey: "a", SecretKey: "s", Grant: Grant{Prefixes: []string{"a"}, Verbs: []string{"GetBucketAcl"}}}},
		`"GetObjct"`:              {{AccessKey: "a", SecretKey: "s", Grant: Grant{Verbs: []string{"GetObjct"}}}},
		`"B"`:                     {{AccessKey: "a", SecretKey: "s", Grant: Grant{Buckets: []string{"B"}}}},
		"an empty prefix":         {{AccessKey: "a", SecretKey: "s", Grant: Grant{Prefixes: []string{""}}}},
	} {
		g := newRig(t)
		err := g.s.SetTerms(Terms{Credentials: list})
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(name, "the ")) || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %v", name, err)
		}
		g.put("/bkt/k", nil) // and nothing has changed
	}
}

// TestCredentialsChangeAtOnce: while requests run, each is judged by one whole set of
// credentials, the old or the new.
func TestCredentialsChangeAtOnce(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	full := []Credential{{AccessKey: testAccess, SecretKey: testSecret}}
	none := []Credential{{AccessKey: testAccess, SecretKey: "another", Grant: Grant{Verbs: []string{"ListBuckets"}}}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 200 {
			if err := g.s.SetTerms(Terms{Credentials: [][]Credential{none, full}[i%2]}); err != nil {
				t.Error(err)
			}
		}
	}()
	over := &caller{g: g}
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		// The right secret comes with the right to read, or not at all.
		if a := over.do(call{method: "GET", target: "/bkt/k"}); a.status != 200 && a.code() != "SignatureDoesNotMatch" {
			t.Fatalf("%d %s", a.status, a.code())
		}
	}
	g.want(g.get("/bkt/k"), 200, "")
}

func TestRequestsAreCountedByCredential(t *testing.T) {
	g := withGrants(t, map[string]Grant{"reader": {Access: ReadOnly}})
	g.put("/bkt/k", []byte("x"))
	g.do(call{method: "GET", target: "/bkt/k", access: "reader"})
	g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), access: "reader"})
	g.do(call{method: "GET", target: "/bkt/k", access: "NOBODY"})
	var b bytes.Buffer
	g.s.metrics.WritePrometheus(&b)
	for _, want := range []string{`{credential="client",status="2xx"} 1`, `{credential="reader",status="2xx"} 1`, `{credential="reader",status="4xx"} 1`, `{credential="none",status="4xx"} 1`} {
		if !strings.Contains(b.String(), metricPrefix+"client_requests_total"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if strings.Contains(b.String(), "NOBODY") {
		t.Error("a label that a client made up")
	}
}

// TestPrefixesHideHowABucketIsSetUp: who is kept to a part of a bucket is told that it is
// there and where, which uploads and listings need, and nothing else of the whole.
func TestPrefixesHideHowABucketIsSetUp(t *testing.T) {
	g := withGrants(t, map[string]Grant{"part": {Prefixes: []string{"mine/"}}, "reader": {Access: ReadOnly}}, func(c *Config) { c.BucketCORS = true })
	g.put("/bkt/mine/k", []byte("x"))
	var inspected int
	for i := range routes {
		r := &routes[i]
		if r.level != onBucket || r.method != "GET" && r.method != "HEAD" || r.needs == toList {
			continue
		}
		c := example(r, "bkt", "mine/k")
		c.access = "reader"
		if a := g.do(c); a.status != 200 {
			t.Errorf("%s by who may read the bucket: %d", r.op, a.status)
		}
		before := g.store.count()
		c.access = "part"
		a := g.do(c)
		if told := r.op == "HeadBucket" || r.op == "GetBucketLocation"; told != (a.status == 200) || !told && a.code() != "AccessDenied" {
			t.Errorf("%s by who may read a part: %d %s", r.op, a.status, a.body)
		} else if !told {
			inspected++
			if got := g.store.callsSince(before); len(got) > 0 {
				t.Errorf("%s: the backend was asked: %v", r.op, got)
			}
		}
	}
	if inspected < 7 {
		t.Errorf("%d operations were tried", inspected)
	}
	g.want(g.do(call{method: "GET", target: "/bkt/?list-type=2&prefix=mine/", access: "part"}), 200, "")
	g.want(g.do(call{method: "GET", target: "/bkt/?uploads&prefix=mine/", access: "part"}), 200, "")
}

// TestReaches: which operations a grant could have at all.
func TestReaches(t *testing.T) {
	below := []string{"a/"}
	for _, f := range []struct {
		grant Grant
		op    string
		want  bool
	}{
		{Grant{}, "PutBucketPolicy", true},
		{Grant{}, "PostObject", true},
		{Grant{}, "Nothing", false},
		{Grant{Access: ReadOnly}, "GetObject", true},
		{Grant{Access: ReadOnly}, "GetBucketPolicy", true},
		{Grant{Access: ReadOnly}, "PutObject", false},
		{Grant{Access: ReadOnly, Verbs: []string{"PutObject"}}, "PutObject", false},
		{Grant{Access: AppendOnly}, "PutObject", true},
		{Grant{Access: AppendOnly}, "DeleteObject", false},
		{Grant{Access: AppendOnly}, "PutObjectTagging", false},
		{Grant{Prefixes: below}, "PutObject", true},
		{Grant{Prefixes: below}, "GetBucketPolicy", false},
		{Grant{Prefixes: below}, "DeleteBucket", false},
	} {
		if got := f.grant.Reaches(f.op); got != f.want {
			t.Errorf("%+v reaches %s: %v", f.grant, f.op, got)
		}
	}
}
