package server

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func timeout(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d)
}

func TestRouteTableIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range routes {
		if r.op == "" || r.method == "" || r.level == 0 || r.auth == 0 || bits.OnesCount8(uint8(r.needs)) != 1 || r.body == 0 || r.serve == nil {
			t.Errorf("%+v has an empty cell", r)
		}
		if seen[r.op] {
			t.Errorf("%s stands twice", r.op)
		}
		seen[r.op] = true
	}
	for _, op := range []string{"ListBuckets", "HeadBucket", "ListObjectsV2", "HeadObject", "GetObject", "PutObject", "CopyObject", "DeleteObject", "DeleteObjects"} {
		if !seen[op] {
			t.Errorf("%s is missing", op)
		}
	}
}

// subresources is every query name that means another operation in S3.
var subresources = strings.Fields(`accelerate analytics cors delete encryption intelligent-tiering inventory lifecycle
	logging metrics notification publicAccessBlock replication
	requestPayment select torrent website x-unknown`)

func TestRefusedRequestsNeverReachTheBackend(t *testing.T) {
	g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	g.put("/bkt/k", []byte("stays"))
	before := g.store.count()
	for _, sub := range subresources {
		for _, method := range []string{"GET", "PUT", "DELETE", "POST", "HEAD"} {
			for _, target := range []string{"/bkt/k?" + sub, "/bkt/k?" + sub + "=1", "/bkt/?" + sub, "/bkt?" + sub + "=1", "/?" + sub} {
				if method == "POST" && strings.HasPrefix(target, "/bkt/?delete") || method == "POST" && strings.HasPrefix(target, "/bkt?delete") {
					continue // that is DeleteObjects
				}
				if a := g.do(call{method: method, target: target}); a.status != 501 && a.status != 404 && a.status != 405 {
					t.Errorf("%s %s gave %d", method, target, a.status)
				}
			}
		}
	}
	for _, r := range routes {
		target := map[level]string{onService: "/", onBucket: "/bkt/", onObject: "/bkt/k"}[r.level]
		foreign := map[level]string{onBucket: "/foreign/", onObject: "/foreign/k"}[r.level]
		for i, q := range r.query {
			target, foreign = target+"?&"[min(i, 1):min(i, 1)+1]+q+"=2", foreign+"?&"[min(i, 1):min(i, 1)+1]+q+"=2"
		}
		h := map[string]string{}
		if r.header != "" {
			h[r.header] = "bkt/k"
		}
		var body []byte
		if r.body != noBody {
			body = []byte("<Delete><Object><Key>k</Key></Object></Delete>")
		}
		c := call{method: r.method, target: target, header: h, body: body}
		for name, want := range map[string]struct {
			change func(call) call
			status int
		}{
			"unsigned":      {func(c call) call { c.edit = dropHeader("authorization"); return c }, 403},
			"unknown key":   {func(c call) call { c.access = "NOBODY"; return c }, 403},
			"bad signature": {func(c call) call { c.edit = flipSignature; return c }, 403},
			"too old":       {func(c call) call { c.at = time.Now().Add(-20 * time.Minute); return c }, 403},
			"too new":       {func(c call) call { c.at = time.Now().Add(20 * time.Minute); return c }, 403},
		} {
			if a := g.do(want.change(c)); a.status != want.status {
				t.Errorf("%s, %s: %d %s", r.op, name, a.status, a.code())
			}
		}
		if foreign != "" {
			if a := g.do(call{method: r.method, target: foreign, header: h, body: body}); a.status != 403 {
				t.Errorf("%s in a foreign bucket: %d", r.op, a.status)
			}
		}
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "other/k"}}), 403, "AccessDenied")
	g.want(g.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "bkt/" + format.StateKey}}), 403, "AccessDenied")
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Fatalf("the backend was asked: %v", got)
	}
}

func dropHeader(name string) func(string) string {
	return func(h string) string {
		var out []string
		for _, line := range strings.SplitAfter(h, "\r\n") {
			if !strings.HasPrefix(strings.ToLower(line), name+":") {
				out = append(out, line)
			}
		}
		return strings.Join(out, "")
	}
}

func flipSignature(h string) string {
	at := strings.Index(h, "Signature=") + len("Signature=")
	flip := byte('0')
	if h[at] == '0' {
		flip = '1'
	}
	return h[:at] + string(flip) + h[at+1:]
}

func TestUnsupportedPayloadAndHeadersAre501(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	before := g.store.count()
	for _, sha := range []string{"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"} {
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), sha: sha}), 501, "NotImplemented")
	}
	for _, h := range []string{"x-amz-server-side-encryption-customer-key", "x-amz-server-side-encryption-customer-algorithm"} {
		g.want(g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{h: "v"}}), 501, "NotImplemented")
	}
	for _, h := range []string{"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-write-offset-bytes", "x-amz-grant-write"} {
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: map[string]string{h: "/v"}}), 501, "NotImplemented")
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Fatalf("the backend was asked: %v", got)
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/u", body: []byte("unsigned payload"), sha: "UNSIGNED-PAYLOAD"}), 200, "")
}

type listDoc struct {
	XMLName               xml.Name
	Name, Prefix          string
	KeyCount, MaxKeys     int
	IsTruncated           bool
	NextContinuationToken string
	Contents              []struct {
		Key, LastModified, ETag, StorageClass string
		Size                                  int64
	}
}

func (g *rig) list(query string) listDoc {
	g.t.Helper()
	a := g.do(call{method: "GET", target: "/bkt/?list-type=2" + query})
	g.want(a, 200, "")
	var d listDoc
	if err := xml.Unmarshal(a.body, &d); err != nil {
		g.t.Fatal(err)
	}
	return d
}

func TestListShowsPlainSizesInOneCall(t *testing.T) {
	g := newRig(t)
	sizes := map[string]int{}
	for i, n := range []int{0, 1, 13, 65536, 65537, 5 << 20, 5<<20 + 1, 10<<20 + 7} {
		k := fmt.Sprintf("s/%02d", i)
		sizes[k] = n
		g.put("/bkt/"+k, pattern(n))
	}
	g.put("/bkt/t/elsewhere", nil)
	before := g.store.count()
	d := g.list("&prefix=s%2F")
	if got := g.store.callsSince(before); len(got) != 1 {
		t.Fatalf("a page cost %v", got)
	}
	if len(d.Contents) != len(sizes) || d.KeyCount != len(sizes) || d.IsTruncated || d.Prefix != "s/" || d.Name != "bkt" || d.MaxKeys != 1000 {
		t.Fatalf("%+v", d)
	}
	for _, c := range d.Contents {
		if int64(sizes[c.Key]) != c.Size || c.LastModified == "" || c.StorageClass == "" || !strings.HasSuffix(c.ETag, `-s"`) {
			t.Errorf("%+v, want size %d", c, sizes[c.Key])
		}
	}
	for _, c := range g.list("").Contents {
		if strings.HasPrefix(c.Key, format.ReservedPrefix) {
			t.Error("the state object is listed")
		}
	}
}

func TestListPagesSurviveDeletes(t *testing.T) {
	g := newRig(t)
	for i := range 25 {
		g.put(fmt.Sprintf("/bkt/k%02d", i), nil)
	}
	seen := map[string]int{}
	token := ""
	for page := 0; ; page++ {
		d := g.list("&max-keys=10" + token)
		for _, c := range d.Contents {
			seen[c.Key]++
			g.want(g.do(call{method: "DELETE", target: "/bkt/" + c.Key}), 204, "")
		}
		if !d.IsTruncated {
			break
		}
		token = "&continuation-token=" + d.NextContinuationToken
		if page > 5 {
			t.Fatal("the listing does not end")
		}
	}
	if len(seen) != 25 {
		t.Fatalf("%d keys seen", len(seen))
	}
}

func TestListFaultIsNeverAnEmptyList(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", nil)
	g.store.before = func(op, _, _ string) error {
		if op == "List" {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	g.want(g.do(call{method: "GET", target: "/bkt/?list-type=2"}), 503, "ServiceUnavailable")
}

func TestDeleteObjects(t *testing.T) {
	g := newRig(t)
	var doc strings.Builder
	doc.WriteString(`<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for i := range 100 {
		if i%2 == 0 {
			g.put(fmt.Sprintf("/bkt/k%d", i), nil)
		}
		fmt.Fprintf(&doc, "<Object><Key>k%d</Key></Object>", i)
	}
	doc.WriteString("</Delete>")
	a := g.do(call{method: "POST", target: "/bkt/?delete", body: []byte(doc.String())})
	g.want(a, 200, "")
	if n := bytes.Count(a.body, []byte("<Deleted>")); n != 100 || bytes.Contains(a.body, []byte("<Error>")) {
		t.Fatalf("%d deleted: %s", n, a.body)
	}
	if g.store.stored("bkt", "k0") != nil {
		t.Fatal("still there")
	}
	for _, doc := range []string{"<Delete></Delete>", "<Delete/>", "<Delete>\n <Quiet>false</Quiet>\n</Delete>"} {
		a := g.do(call{method: "POST", target: "/bkt/?delete", body: []byte(doc)})
		if g.want(a, 200, ""); bytes.Contains(a.body, []byte("Deleted")) || bytes.Contains(a.body, []byte("Error")) {
			t.Errorf("%s: %s", doc, a.body)
		}
	}
	before := g.store.count()
	long := "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"
	for doc, code := range map[string]string{
		"not xml":  "MalformedXML",
		"<Other/>": "MalformedXML",
		"<Delete><Objects><Key>k</Key></Objects></Delete>": "MalformedXML",
		"<Delete><Quiet>true</Quiet><Key>k</Key></Delete>": "MalformedXML",
		"<Delete>k</Delete>": "MalformedXML",
		long:                 "MalformedXML",
		"<Delete><Object><Key></Key></Object></Delete>":                                     "UserKeyMustBeSpecified",
		"<Delete><Object><Key>" + format.StateKey + "</Key></Object></Delete>":              "AccessDenied",
		"<Delete><Object><Key>" + strings.Repeat("k", 1025) + "</Key></Object></Delete>":    "KeyTooLongError",
		`<!DOCTYPE d [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>`: "MalformedXML",
		"<Delete><Object><Key>cut": "MalformedXML",
	} {
		g.want(g.do(call{method: "POST", target: "/bkt/?delete", body: []byte(doc)}), statusOf(code), code)
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Fatalf("the backend was asked: %v", got)
	}
}

func statusOf(code string) int {
	switch code {
	case "AccessDenied":
		return 403
	case "NotImplemented":
		return 501
	}
	return 400
}

func TestCopy(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 100_000, 15 << 20, 17 << 20} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			g := newRig(t)
			body := pattern(n)
			h := map[string]string{"content-type": "text/plain", "x-amz-meta-a": "1"}
			g.want(g.do(call{method: "PUT", target: "/bkt/a%3Ab", body: body, header: h}), 200, "")
			a := g.do(call{method: "PUT", target: "/other/copy.0.bad", header: map[string]string{"x-amz-copy-source": "bkt/a%3Ab", "x-amz-metadata-directive": "REPLACE", "content-type": "x/y"}})
			g.want(a, 200, "")
			if !bytes.Contains(a.body, []byte("<CopyObjectResult")) || !bytes.Contains(a.body, []byte("-s&#34;</ETag>")) {
				t.Errorf("%s", a.body)
			}
			got := g.get("/other/copy.0.bad")
			if got.status != 200 || !bytes.Equal(got.body, body) || got.header.Get("Content-Type") != "x/y" || got.header.Get("X-Amz-Meta-A") != "" {
				t.Fatalf("REPLACE: %d, %d bytes, %v", got.status, len(got.body), got.header)
			}
			g.want(g.do(call{method: "PUT", target: "/bkt/kept", header: map[string]string{"x-amz-copy-source": "/bkt/a%3Ab"}}), 200, "")
			if got := g.get("/bkt/kept"); !bytes.Equal(got.body, body) || got.header.Get("Content-Type") != "text/plain" || got.header.Get("X-Amz-Meta-A") != "1" {
				t.Fatalf("COPY: %v", got.header)
			}
			if len(g.store.uploads) != 0 {
				t.Error("an upload is left over")
			}
		})
	}
}

func TestCopyOfACorruptChunkStaysCorrupt(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(1000))
	g.store.tamper("bkt", "k", func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
	g.want(g.do(call{method: "PUT", target: "/bkt/k.0.bad", header: map[string]string{"x-amz-copy-source": "bkt/k"}}), 200, "")
	g.want(g.get("/bkt/k.0.bad"), 500, "InternalError")
}

func TestCopyErrors(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", nil)
	for src, want := range map[string]string{
		"bkt/none": "NoSuchKey", "nobucket1/k": "NoSuchBucket", "bkt": "InvalidArgument", "": "", "bkt/k?versionId=v1": "NoSuchVersion", "bkt/%zz": "InvalidArgument",
	} {
		if src == "" {
			continue
		}
		if a := g.do(call{method: "PUT", target: "/bkt/dst", header: map[string]string{"x-amz-copy-source": src}}); a.code() != want {
			t.Errorf("%s: %s, want %s", src, a.code(), want)
		}
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", header: map[string]string{"x-amz-copy-source": "bkt/k"}}), 400, "InvalidRequest")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", header: map[string]string{"x-amz-copy-source": "bkt/k", "x-amz-metadata-directive": "REPLACE"}}), 200, "")
}

func TestListBucketsShowsTheServedOnes(t *testing.T) {
	g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	a := g.do(call{method: "GET", target: "/"})
	g.want(a, 200, "")
	if !bytes.Contains(a.body, []byte("<Name>bkt</Name>")) || bytes.Contains(a.body, []byte("other")) {
		t.Fatalf("%s", a.body)
	}
	g.store.buckets = map[string]map[string]*blob{}
	if a := g.do(call{method: "GET", target: "/"}); bytes.Contains(a.body, []byte("<Buckets>")) {
		t.Fatalf("an empty Buckets element: %s", a.body)
	}
}

func TestGateRefusesAForeignBucketState(t *testing.T) {
	g := newRig(t)
	g.store.buckets["bkt"]["somebody's"] = &blob{data: []byte("plain"), etag: `"x"`}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x")}), 503, "ServiceUnavailable")
	g.want(g.get("/bkt/k"), 503, "ServiceUnavailable")
	delete(g.store.buckets["bkt"], "somebody's")
	g.put("/bkt/k", []byte("x"))
	// The state vanishes: the proxy that knew it, and a new one, both refuse.
	state := g.store.buckets["bkt"][format.StateKey]
	delete(g.store.buckets["bkt"], format.StateKey)
	g.s.gate.mu.Lock()
	g.s.gate.buckets["bkt"].verified = time.Time{}
	g.s.gate.mu.Unlock()
	g.want(g.get("/bkt/k"), 503, "ServiceUnavailable")
	g.s.gate.forget("bkt")
	g.want(g.get("/bkt/k"), 503, "ServiceUnavailable")
	// Another bucket's state in its place.
	g.put("/other/k", []byte("x"))
	g.store.buckets["bkt"][format.StateKey] = g.store.buckets["other"][format.StateKey]
	g.want(g.get("/bkt/k"), 503, "ServiceUnavailable")
	g.store.buckets["bkt"][format.StateKey] = state
	g.s.gate.forget("bkt")
	g.want(g.get("/bkt/k"), 200, "")
}

func TestTwoProxiesInitialiseOneBucketOnce(t *testing.T) {
	a, b := newRig(t), newRig(t)
	b.store = a.store
	b.s.backend, b.s.gate = a.store, newGate(a.store, format.DefaultBlockSize, time.Now)
	done := make(chan int, 8)
	for i := range 8 {
		g := []*rig{a, b}[i%2]
		go func() { done <- g.do(call{method: "PUT", target: fmt.Sprintf("/bkt/k%d", i), body: pattern(i)}).status }()
	}
	for range 8 {
		if s := <-done; s != 200 {
			t.Errorf("a write gave %d", s)
		}
	}
	for i := range 8 {
		if got := b.get(fmt.Sprintf("/bkt/k%d", i)); !bytes.Equal(got.body, pattern(i)) {
			t.Errorf("k%d: %d", i, got.status)
		}
	}
}
