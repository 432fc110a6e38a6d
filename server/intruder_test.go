package server

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// TestUploadsOfOthersAreOutOfReach: an upload's id is the right to go on with it and to
// end it, so who may not replace objects sees the ids of its own uploads alone.
func TestUploadsOfOthersAreOutOfReach(t *testing.T) {
	g := withGrants(t, map[string]Grant{"append": {Access: AppendOnly}, "another": {Access: AppendOnly}, "reader": {Access: ReadOnly}})
	u := g.begin("/bkt/backup", nil)
	a := g.do(call{method: "POST", target: "/bkt/mine?uploads", access: "append"})
	g.want(a, 200, "")
	mine := between(a.body, "UploadId")
	for access, want := range map[string][]string{testAccess: {u.id, mine}, "append": {mine}, "another": nil, "reader": nil} {
		a := g.do(call{method: "GET", target: "/bkt/?uploads", access: access})
		g.want(a, 200, "")
		if n := strings.Count(string(a.body), "<UploadId>"); n != len(want) {
			t.Errorf("%s sees %d uploads: %s", access, n, a.body)
		}
		for _, id := range want {
			if !strings.Contains(string(a.body), id) {
				t.Errorf("%s does not see an upload of its own: %s", access, a.body)
			}
		}
	}
	g.want(g.do(call{method: "DELETE", target: "/bkt/mine?uploadId=" + mine, access: "append"}), 204, "")
	g.want(u.abort(), 204, "")
}

// TestCompleteTellsOfItsOwnPartsAlone: where an upload became an object of other
// attempts of its parts, of the same number and sizes, a Complete that names these is
// not told that it did.
func TestCompleteTellsOfItsOwnPartsAlone(t *testing.T) {
	for _, mode := range []ETagMode{0, ETagMD5} {
		g := newRig(t, func(c *Config) { c.ETags = mode })
		u := g.begin("/bkt/k", nil)
		first := u.part(1, pattern(5*mib))
		older, newer := u.part(2, []byte("the end")), u.part(2, []byte("an end!"))
		g.want(u.complete(listed{1, first}, listed{2, newer}), 200, "")
		g.want(u.complete(listed{1, first}, listed{2, older}), 404, "NoSuchUpload")
		g.want(u.complete(listed{1, first}, listed{2, newer}), 200, "")
		if got := g.get("/bkt/k").body; !bytes.HasSuffix(got, []byte("an end!")) {
			t.Errorf("%q", got[5*mib:])
		}
	}
	// Of a small object its digests tell.
	g := newRig(t, func(c *Config) { c.ETags = ETagMD5 })
	u := g.begin("/bkt/small", nil)
	older, newer := u.part(1, []byte("the end")), u.part(1, []byte("an end!"))
	g.want(u.complete(listed{1, newer}), 200, "")
	g.want(u.complete(listed{1, older}), 404, "NoSuchUpload")
	g.want(u.complete(listed{1, newer}), 200, "")
	g = newRig(t)
	u = g.begin("/bkt/summed", map[string]string{"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "FULL_OBJECT"})
	older, newer = u.part(1, []byte("the end")), u.part(1, []byte("an end!"))
	complete := func(etag string) answer {
		c := u.completeCall(listed{1, etag})
		c.body = bytes.Replace(c.body, []byte("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"), nil, 1)
		return g.do(c)
	}
	g.want(complete(newer), 200, "")
	g.want(complete(older), 404, "NoSuchUpload")
	g.want(complete(newer), 200, "")
}

// TestAppendOnlyWhereNothingCanBeRemoved: in a bucket whose default retention locks
// whatever is put there, the trial's object too, an append-only client works.
func TestAppendOnlyWhereNothingCanBeRemoved(t *testing.T) {
	g := withGrants(t, appendOnly)
	g.put("/bkt/k", []byte("stands"))
	g.store.versioning["bkt"] = "Enabled"
	g.store.before = func(op, _, key string) error {
		if op == "Delete" {
			return &backend.Error{Kind: backend.Denied, Op: op, Status: 403, Code: "AccessDenied", Message: "Access Denied because object protected by object lock."}
		}
		return nil
	}
	for i := range 3 {
		g.want(g.do(call{method: "PUT", target: fmt.Sprintf("/bkt/new%d", i), body: []byte("x"), access: "append"}), 200, "")
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), access: "append"}), 403, "AccessDenied")
	left := 0
	for key := range g.store.buckets["bkt"] {
		if strings.HasPrefix(key, trialPrefix) {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d objects of trials are left", left)
	}
	if a := g.do(call{method: "GET", target: "/bkt/?list-type=2"}); strings.Contains(string(a.body), trialPrefix) {
		t.Error("the trial's object is listed")
	}
}

// TestPrefixesHoldWhatClimbs: no spelling of .. leads out of a prefix, on a store that
// would resolve it, for objects and listings alike.
func TestPrefixesHoldWhatClimbs(t *testing.T) {
	g := withGrants(t, map[string]Grant{"below": {Prefixes: []string{"mine/"}}}, func(c *Config) { c.KeyRules = KeyRulesAny })
	g.put("/bkt/theirs/c", []byte("x"))
	g.put("/bkt/mine/..c", []byte("x"))
	before := g.store.count()
	for _, key := range []string{"mine/../theirs/c", "mine/%2e%2e/theirs/c", "mine/%252e%252e/theirs/c", "mine/.%252e/theirs/c", "mine/..%252ftheirs/c", "mine/%25252e%25252E/theirs/c", "mine/%25zz/%252e./../theirs/c"} {
		for _, target := range []string{"/bkt/" + key, "/bkt/?list-type=2&prefix=" + key, "/bkt/?prefix=" + key, "/bkt/?versions&prefix=" + key, "/bkt/?uploads&prefix=" + key, "/bkt/" + key + "?attributes", "/bkt/" + key + "?tagging"} {
			g.want(g.do(call{method: "GET", target: target, access: "below"}), 403, "AccessDenied")
		}
		g.want(g.do(call{method: "PUT", target: "/bkt/mine/d", access: "below", header: map[string]string{"x-amz-copy-source": "/bkt/" + key}}), 403, "AccessDenied")
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Errorf("the backend was asked: %v", got)
	}
	g.want(g.do(call{method: "GET", target: "/bkt/mine/..c", access: "below"}), 200, "")
	g.want(g.do(call{method: "GET", target: "/bkt/?list-type=2&prefix=mine/..c", access: "below"}), 200, "")
}

// TestTrailersOfHTTPAreNoHeaders: what follows an HTTP-chunked body was signed by nobody,
// so it is no header of the request, whatever it calls itself.
func TestTrailersOfHTTPAreNoHeaders(t *testing.T) {
	g := newRig(t)
	send := func(method, target, doc, trailer string) answer {
		t.Helper()
		headers := []sigv4.Header{{Name: "x-amz-decoded-content-length", Value: strconv.Itoa(len(doc))}}
		signed, err := sigv4.NewSigner(testAccess, testSecret, "us-west-1").Sign(method, g.addr, target, headers, unsignedTrailer, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		wire := sigv4.Frame(sigv4.Verified{Payload: sigv4.Payload{Mode: sigv4.UnsignedTrailer}}, []byte(doc), 1000)
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
		for _, h := range signed {
			fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
		}
		fmt.Fprintf(&b, "transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n", len(wire), wire, trailer)
		conn := g.dial()
		defer conn.Close()
		go conn.Write(b.Bytes())
		return readAnswer(t, bufio.NewReader(conn), method)
	}
	g.put("/bkt/k", []byte("x"))
	g.want(send("POST", "/bkt/?delete", "<Delete><Object><Key>k</Key></Object></Delete>", "x-amz-bypass-governance-retention: true\r\n"), 200, "")
	if got := g.store.deleted; len(got) != 1 || got[0].BypassGovernance {
		t.Errorf("removed with %+v", got)
	}
	g.want(send("PUT", "/bkt/k", "hello", "x-amz-acl: public-read\r\nx-amz-meta-a: b\r\nx-amz-tagging: a=b\r\n"), 200, "")
	if got := g.get("/bkt/k"); string(got.body) != "hello" || got.header.Get("x-amz-meta-a") != "" {
		t.Errorf("%q %v", got.body, got.header)
	}
	if with := g.store.buckets["bkt"]["k"].with; with.Any() {
		t.Errorf("stored with %+v", with)
	}
	u := g.begin("/bkt/parts", nil)
	c := u.completeCall(listed{1, u.part(1, pattern(5*mib))})
	g.want(send("POST", c.target, string(c.body), "x-amz-mp-object-size: 1\r\n"), 200, "")
}

// TestAnswersHoldNoLinesOfTheClient: what a query asks to have in a header begins no line
// of its own.
func TestAnswersHoldNoLinesOfTheClient(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	for _, name := range append([]string{"versionId"}, responseNames...) {
		a := g.do(call{method: "GET", target: "/bkt/k?" + name + "=a%0d%0aX-Evil:%201%0d%0a%0d%0abody"})
		if a.header.Get("X-Evil") != "" || a.status == 200 && string(a.body) != "x" {
			t.Errorf("%s: %d %v %q", name, a.status, a.header, a.body)
		}
	}
}

// TestEmptyListsAreNoLimits: a list that is there and empty says what none says.
func TestEmptyListsAreNoLimits(t *testing.T) {
	g := withGrants(t, map[string]Grant{"full": {Prefixes: []string{}, Buckets: []string{}, Verbs: []string{}}})
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), access: "full"}), 200, "")
}

// TestPrefixesHoldSealedNames: a prefix is of the names that clients see.
func TestPrefixesHoldSealedNames(t *testing.T) {
	g := withGrants(t, map[string]Grant{"below": {Prefixes: []string{"mine/", "ours-"}}}, func(c *Config) { c.SealNames = []string{"*"} })
	for _, key := range []string{"mine/a", "mine/deep/b", "mines/x", "ours-b", "oursecret", "theirs/c"} {
		g.put("/bkt/"+key, []byte("x"))
	}
	for query, want := range map[string]string{
		"list-type=2&prefix=mine/": "mine/a mine/deep/b", "list-type=2&prefix=mine/&delimiter=/": "mine/a mine/deep/", "prefix=ours-": "ours-b", "prefix=ours-&delimiter=/": "ours-b",
		"list-type=2&prefix=mine/&start-after=a": "mine/a mine/deep/b", "prefix=mine/&max-keys=1": "mine/a",
	} {
		a := g.do(call{method: "GET", target: "/bkt/?" + query, access: "below"})
		g.want(a, 200, "")
		for _, key := range []string{"mines", "oursecret", "theirs"} {
			if strings.Contains(string(a.body), key) {
				t.Errorf("%s shows %s: %s", query, key, a.body)
			}
		}
		if key, _, _ := strings.Cut(want, " "); !strings.Contains(string(a.body), key) && !strings.Contains(query, "max-keys") {
			t.Errorf("%s lacks %s: %s", query, key, a.body)
		}
	}
	for _, query := range []string{"prefix=", "prefix=mine", "prefix=ours", "list-type=2", "versions&prefix=theirs/", "uploads&prefix=t"} {
		g.want(g.do(call{method: "GET", target: "/bkt/?" + query, access: "below"}), 403, "AccessDenied")
	}
	g.want(g.do(call{method: "GET", target: "/bkt/theirs/c", access: "below"}), 403, "AccessDenied")
	g.want(g.do(call{method: "GET", target: "/bkt/mine/a", access: "below"}), 200, "")
}
