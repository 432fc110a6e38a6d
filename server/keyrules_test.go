package server

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// oddKeys are keys with their spelling in a request target, as S3's signature wants
// it: everything but letters, digits and -._~/ percent-encoded.
var oddKeys = map[string]string{
	"a//b": "a//b", "/a": "/a", "//a": "//a", "a//": "a//", "/": "/", "a/": "a/",
	".": ".", "..": "..", "./a": "./a", "a/./b": "a/./b", "a/../b": "a/../b", "../a": "../a", "a/..": "a/..", "a/.": "a/.", "...": "...",
	"a%2Fb": "a%252Fb", "a%20b": "a%2520b", "a b": "a%20b", "a+b": "a%2Bb", "%": "%25", "100%": "100%25", "a?b": "a%3Fb", "?": "%3F", "a#b": "a%23b",
	"a&b=c": "a%26b%3Dc", "a;b": "a%3Bb", "a:b": "a%3Ab", `a\b`: "a%5Cb", `a"b'c<d>`: "a%22b%27c%3Cd%3E", "a\tb\nc\rd": "a%09b%0Ac%0Dd", "~*()!": "~%2A%28%29%21",
	"caf\u00e9": "caf%C3%A9", "cafe\u0301": "cafe%CC%81", "日本/🔑": "%E6%97%A5%E6%9C%AC/%F0%9F%94%91", "\u200b": "%E2%80%8B",
	strings.Repeat("k", 1024): strings.Repeat("k", 1024), strings.Repeat("é", 512): strings.Repeat("%C3%A9", 512), strings.Repeat("/", 1024): strings.Repeat("/", 1024),
	"uploads": "uploads", "index.html?uploads": "index.html%3Fuploads",
}

// Every key that a store keeps apart comes back under its own name by every verb, and
// the store sees exactly its bytes, on both legs of the way and in both documents.
func TestOddKeysRoundTrip(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%v", plain), func(t *testing.T) {
			g, w := newWireRig(t)
			w.plainLists = plain
			g.put("/bkt/plain", []byte("plain"))
			var want []string
			for key, escaped := range oddKeys {
				if plain && strings.ContainsAny(key, "\r") {
					continue // XML turns it into a line feed
				}
				want = append(want, key)
				target, body := "/bkt/"+escaped, []byte("content of "+key)
				_, n := w.asked(0)
				g.put(target, body)
				if sent, _ := w.asked(n); sent[len(sent)-1] != "PUT "+target+"?x-id=PutObject" && sent[len(sent)-1] != "PUT "+target {
					t.Errorf("%q: the store was asked %q", key, sent)
				}
				if w.stored("bkt", key) == nil {
					t.Errorf("%q is not stored under its name", key)
				}
			}
			want = append(want, "plain")
			slices.Sort(want)
			for key, escaped := range oddKeys {
				if !slices.Contains(want, key) {
					continue
				}
				target, body := "/bkt/"+escaped, []byte("content of "+key)
				if a := g.get(target); a.status != 200 || !bytes.Equal(a.body, body) {
					t.Errorf("GET %q: %d %.80q", key, a.status, a.body)
				}
				if a := g.do(call{method: "HEAD", target: target}); a.status != 200 || a.header.Get("Content-Length") != fmt.Sprint(len(body)) {
					t.Errorf("HEAD %q: %d", key, a.status)
				}
				// Both sides of a copy.
				g.want(g.do(call{method: "PUT", target: "/other/" + escaped, header: map[string]string{"x-amz-copy-source": "/bkt/" + escaped}}), 200, "")
				if a := g.get("/other/" + escaped); !bytes.Equal(a.body, body) {
					t.Errorf("copy of %q: %d %.80q", key, a.status, a.body)
				}
			}
			for _, encoded := range []bool{false, true} {
				for _, v2 := range []bool{false, true} {
					if got := g.listAll(v2, encoded); !slices.Equal(got, want) {
						t.Errorf("list (V2 %v, encoded %v): %q, want %q", v2, encoded, got, want)
					}
				}
			}
			// Half by one way, half by the other.
			var many []string
			for n, key := range want {
				if n%2 == 0 {
					g.want(g.do(call{method: "DELETE", target: "/bkt/" + cmpOr(oddKeys[key], key)}), 204, "")
					continue
				}
				if !strings.Contains(key, "\r") {
					many = append(many, key)
				}
			}
			var doc strings.Builder
			doc.WriteString("<Delete>")
			for _, key := range many {
				doc.WriteString("<Object><Key>" + escapeXML(key) + "</Key></Object>")
			}
			doc.WriteString("</Delete>")
			a := g.do(call{method: "POST", target: "/bkt?delete", body: []byte(doc.String())})
			g.want(a, 200, "")
			if n := bytes.Count(a.body, []byte("<Deleted>")); n != len(many) {
				t.Errorf("%d of %d were deleted: %s", n, len(many), a.body)
			}
			for _, key := range want {
				if w.stored("bkt", key) != nil && !strings.Contains(key, "\r") {
					t.Errorf("%q was not deleted", key)
				}
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// listAll lists a bucket in pages of 7 and decodes the names.
func (g *rig) listAll(v2, encoded bool) (keys []string) {
	g.t.Helper()
	target := "/bkt?max-keys=7"
	if encoded {
		target = "/bkt?encoding-type=url&max-keys=7"
	}
	next := ""
	for range 40 {
		at := target
		switch {
		case v2:
			at = strings.Replace(at, "?", "?list-type=2&", 1)
			if next != "" {
				at += "&continuation-token=" + url.QueryEscape(next)
			}
		case next != "":
			at += "&marker=" + url.QueryEscape(next)
		}
		var page struct {
			Contents                          []struct{ Key string }
			IsTruncated                       bool
			NextMarker, NextContinuationToken string
		}
		a := g.get(sortedQuery(at))
		g.want(a, 200, "")
		if err := xml.Unmarshal(a.body, &page); err != nil {
			g.t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, unlisted(g, o.Key, encoded))
		}
		if !page.IsTruncated {
			slices.Sort(keys)
			return keys
		}
		if next = page.NextContinuationToken; !v2 {
			next = unlisted(g, page.NextMarker, encoded)
		}
	}
	g.t.Fatal("the listing does not end")
	return nil
}

func unlisted(g *rig, key string, encoded bool) string {
	if !encoded {
		return key
	}
	plain, err := url.QueryUnescape(key)
	if err != nil {
		g.t.Fatalf("%q: %v", key, err)
	}
	return plain
}

func sortedQuery(target string) string {
	at, query, _ := strings.Cut(target, "?")
	params := strings.Split(query, "&")
	slices.Sort(params)
	return at + "?" + strings.ReplaceAll(strings.Join(params, "&"), "+", "%20")
}

// Uploads in parts keep odd names too.
func TestOddKeysOfUploads(t *testing.T) {
	t.Parallel()
	g, w := newWireRig(t)
	g.put("/bkt/plain", []byte("plain"))
	for _, key := range []string{"a//b", "/..", "a%2Fb?#", "a+b c", "cafe\u0301", strings.Repeat("/", 1024)} {
		u := g.begin("/bkt/"+oddEscape(key), nil)
		g.want(u.complete(listed{1, u.part(1, pattern(5*mib))}, listed{2, u.part(2, []byte(key))}), 200, "")
		if w.stored("bkt", key) == nil {
			t.Errorf("%q is not stored under its name", key)
		}
		if a := g.get("/bkt/" + oddEscape(key)); !bytes.Equal(a.body, append(pattern(5*mib), key...)) {
			t.Errorf("%q: %d, %d bytes", key, a.status, len(a.body))
		}
		c := g.begin("/other/"+oddEscape(key), nil)
		g.want(c.complete(listed{1, c.copied(g.do(c.copyCall(1, "/bkt/"+oddEscape(key), "")))}), 200, "")
		if a := g.get("/other/" + oddEscape(key)); len(a.body) != 5*mib+len(key) {
			t.Errorf("copy of %q: %d, %d bytes", key, a.status, len(a.body))
		}
	}
}

// oddEscape is how clients write a key into a target.
func oddEscape(key string) string {
	return strings.NewReplacer("%2F", "/", "+", "%20").Replace(url.QueryEscape(key))
}

// tidyPosix is a store over a file system.
func tidyPosix(bucket, key string) (string, string) {
	full := path.Clean("/" + bucket + "/" + key)
	bucket, key, _ = strings.Cut(full[1:], "/")
	return bucket, key
}

// aliases are requests for a key that such a store takes for a/b, or for worse.
var aliases = []string{"a//b", "/a/b", "//a/b", "a/./b", "./a/b", "x/../a/b", "../bkt/a/b", "../other/a/b", "a/b/.", "a/b/x/..", "a%2Fb//", "a//"}

// On a store that resolves names, a request that would touch another object than the
// one it names is refused, whatever the verb, and that object stays.
func TestKeysThatTheStoreResolvesAreRefused(t *testing.T) {
	for name, mode := range map[string]KeyRules{"auto": KeyRulesAuto, "posix": KeyRulesPosix} {
		t.Run(name, func(t *testing.T) {
			g, w := newWireRig(t, func(c *Config) { c.KeyRules = mode })
			w.tidy = tidyPosix
			body := pattern(3000)
			g.put("/bkt/a/b", body)
			g.put("/other/a/b", body)
			u := g.begin("/bkt/up", nil)
			before, state := bytes.Clone(w.stored("bkt", "a/b")), bytes.Clone(w.stored("bkt", format.StateKey))
			for _, key := range aliases {
				target := "/bkt/" + oddEscape(key)
				for what, c := range map[string]call{
					"PUT":                       {method: "PUT", target: target, body: []byte("x")},
					"GET":                       {method: "GET", target: target},
					"HEAD":                      {method: "HEAD", target: target},
					"DELETE":                    {method: "DELETE", target: target},
					"tagging":                   {method: "GET", target: target + "?tagging"},
					"attributes":                {method: "GET", target: target + "?attributes", header: map[string]string{"x-amz-object-attributes": "ETag"}},
					"uploads":                   {method: "POST", target: target + "?uploads"},
					"DeleteObjects":             {method: "POST", target: "/bkt?delete", body: []byte("<Delete><Object><Key>" + escapeXML(key) + "</Key></Object></Delete>")},
					"copy to it":                {method: "PUT", target: target, header: map[string]string{"x-amz-copy-source": "/other/a/b"}},
					"copy of it":                {method: "PUT", target: "/other/c", header: map[string]string{"x-amz-copy-source": target}},
					"part that is a copy of it": u.copyCall(1, target, ""),
				} {
					a := g.do(c)
					code := "InvalidArgument"
					if hasDots(key) && !strings.Contains(what, "of it") {
						code = "400"
					}
					if a.status != 400 || what != "HEAD" && a.code() != code {
						t.Errorf("%s %q: %d %s", what, key, a.status, a.code())
					}
				}
			}
			if !bytes.Equal(w.stored("bkt", "a/b"), before) || !bytes.Equal(w.stored("bkt", format.StateKey), state) || w.stored("other", "c") != nil {
				t.Error("a refused request changed an object")
			}
			if a := g.get("/bkt/a/b"); !bytes.Equal(a.body, body) {
				t.Errorf("%d, %d bytes", a.status, len(a.body))
			}
			g.want(g.do(call{method: "GET", target: "/bkt/...."}), 404, "NoSuchKey") // no dot segment
		})
	}
}

// Keys that are no names on such a store are refused in S3's words for keys that climb out
// of their bucket, with the reason beside, and those of a copy's source as such, whether or
// not its bucket is there.
func TestKeysThatAreNoNames(t *testing.T) {
	g, w := newWireRig(t)
	w.tidy = tidyPosix
	g.put("/bkt/src", []byte("x"))
	u := g.begin("/bkt/up", nil)
	for _, key := range []string{".", "..", "./", "/.", "//", "../", "/..", "../.", "../../../etc/passwd", "for/../../bar/", "/a/../../b"} {
		a := g.do(call{method: "PUT", target: "/bkt/" + oddEscape(key), body: []byte("x")})
		g.saying(a, 400, "400", "<Message>Bad Request</Message>", "<additionalMessage>the key has ", "; the backend would take it for another key<")
	}
	for source, wrong := range map[string][2]string{
		"bkt/..":               {"object key", "<ArgumentValue>..</ArgumentValue>"},
		"nowhere/.":            {"object key", "<ArgumentValue>.</ArgumentValue>"},
		"nowhere/a/b/../../..": {"object key", "<ArgumentValue>a/b/../../..</ArgumentValue>"},
		"bkt/src%3FversionId%3D..%2f..%2fsecret.txt": {"version id", "<ArgumentName>versionId</ArgumentName><ArgumentValue>../../secret.txt</ArgumentValue>"},
	} {
		g.saying(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": source}}), 400, "InvalidArgument", wrong[0], wrong[1])
		g.saying(g.do(u.copyCall(1, source, "")), 400, "InvalidArgument", wrong[0], wrong[1])
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "nowhere/a"}}), 404, "NoSuchBucket")
	g.want(u.abort(), 204, "")
	g.onlyObjects("src")
}

// Nothing but the questions, which only read, reaches such a store, and they are
// asked once.
func TestQuestionsAboutNamesOnlyReadAndAreFew(t *testing.T) {
	g, w := newWireRig(t)
	w.tidy = tidyPosix
	g.put("/bkt/a/b", pattern(10))
	_, n := w.asked(0)
	for range 3 {
		g.want(g.do(call{method: "PUT", target: "/bkt/a//b", body: []byte("x")}), 400, "InvalidArgument")
		g.want(g.do(call{method: "PUT", target: "/bkt/x/../a/b", body: []byte("x")}), 400, "400")
	}
	sent, _ := w.asked(n)
	want := []string{"GET /bkt//_objcryptproxy___.json", "GET /bkt/./_objcryptproxy___.json", "GET /bkt/../bkt/_objcryptproxy___.json"}
	for i := range sent {
		sent[i], _, _ = strings.Cut(sent[i], "?")
	}
	if !slices.Equal(sent, want) {
		t.Errorf("the store was asked %q, want %q", sent, want)
	}
	// A store that keeps names apart is asked once as well.
	w.tidy = nil
	g.want(g.do(call{method: "PUT", target: "/other/c//d", body: []byte("x")}), 200, "")
	_, n = w.asked(0)
	g.want(g.do(call{method: "PUT", target: "/other/c//e", body: []byte("x")}), 200, "")
	if sent, _ := w.asked(n); len(sent) != 1 {
		t.Errorf("the store was asked %q", sent)
	}
}

// A fault is no answer: the key is refused for now, and the store asked again.
func TestFaultyAnswersAboutNamesAreNotTrusted(t *testing.T) {
	for name, why := range map[string]*backend.Error{
		"fault": {Kind: backend.Busy, Status: 500, Code: "InternalError"}, "throttled": {Kind: backend.Busy, Status: 503, Code: "SlowDown"},
		"denied":   {Kind: backend.Denied, Status: 403, Code: "AccessDenied"},
		"too slow": {Kind: backend.Busy, Status: 400, Code: "RequestTimeout"}, "token": {Kind: backend.Busy, Status: 400, Code: "ExpiredToken"},
		"no store": {Kind: backend.Busy, Status: 404}, "moved": {Kind: backend.Busy, Status: 307, Code: "TemporaryRedirect"},
		"conflict": {Kind: backend.Busy, Status: 409, Code: "OperationAborted"},
	} {
		g := newRig(t)
		g.put("/bkt/k", pattern(10))
		g.store.before = func(op, _, key string) error {
			if key == "/"+format.StateKey || key == format.StateKey+"/" {
				return why
			}
			return nil
		}
		if a := g.do(call{method: "PUT", target: "/bkt/a//b", body: []byte("x")}); a.status != 503 || g.store.stored("bkt", "a//b") != nil {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		// Nor is it taken for the store's word that it will refuse such keys itself.
		if a := g.do(call{method: "PUT", target: "/bkt/dir/", body: []byte("x")}); a.status != 503 || g.store.stored("bkt", "dir/") != nil {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		g.store.before = nil
		g.want(g.do(call{method: "PUT", target: "/bkt/a//b", body: []byte("x")}), 200, "")
		g.want(g.do(call{method: "PUT", target: "/bkt/dir/", body: []byte("x")}), 200, "")
	}
	// A store that does not have such names at all: refused, as posix would be.
	g := newRig(t)
	g.put("/bkt/k", pattern(10))
	g.store.before = func(op, _, key string) error {
		if strings.Contains(key, "./") || strings.HasSuffix(key, "/") {
			return &backend.Error{Kind: backend.Busy, Status: 400, Code: "XMinioInvalidObjectName"}
		}
		return nil
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/a/./b", body: []byte("x")}), 400, "400")
	g.want(g.do(call{method: "PUT", target: "/bkt/dir/", body: []byte("x")}), 400, "XMinioInvalidObjectName") // the store's own word
}

// Names of our own are out of reach under any spelling and any rules.
func TestOwnNamesAreOutOfReachUnderAnySpelling(t *testing.T) {
	for _, mode := range []KeyRules{KeyRulesAuto, KeyRulesAny, KeyRulesPosix} {
		g, w := newWireRig(t, func(c *Config) { c.KeyRules = mode })
		w.tidy = func(bucket, key string) (string, string) {
			if plain, err := url.PathUnescape(key); err == nil {
				key = plain // decodes twice
			}
			return tidyPosix(bucket, key)
		}
		g.put("/bkt/k", pattern(10))
		state := bytes.Clone(w.stored("bkt", format.StateKey))
		for _, key := range []string{"_objcryptproxy___.json", "/_objcryptproxy___.json", "///_objcryptproxy___.json", "./_objcryptproxy___.json", "a/../_objcryptproxy___.json",
			"../bkt/_objcryptproxy___.json", "../bkt//_objcryptproxy___.json/.", "%5Fobjcryptproxy___.json", "%2E/_objcryptproxy___.json", "a/%2e%2e/_objcryptproxy___.json",
			"%2F_objcryptproxy___.json", "%255Fobjcryptproxy___.json", "_objcryptproxy___/mpu/x/create", "./_objcryptproxy___/mpu/x/create"} {
			for _, method := range []string{"PUT", "DELETE", "GET"} {
				if a := g.do(call{method: method, target: "/bkt/" + oddEscape(key)}); a.status != 403 {
					t.Errorf("%s %q: %d %s", method, key, a.status, a.code())
				}
			}
		}
		if !bytes.Equal(state, w.stored("bkt", format.StateKey)) {
			t.Error("the state was changed")
		}
	}
}

// A first write under an odd key initialises the bucket, then asks.
func TestFreshBucketIsAskedOnceItHasAState(t *testing.T) {
	g, w := newWireRig(t)
	w.tidy = tidyPosix
	g.want(g.do(call{method: "GET", target: "/bkt/a//b"}), 404, "NoSuchKey")
	g.want(g.do(call{method: "PUT", target: "/bkt/a//b", body: []byte("x")}), 400, "InvalidArgument")
	if w.stored("bkt", "a/b") != nil {
		t.Error("stored under another name")
	}
	g.put("/bkt/a/b", []byte("x"))
}
