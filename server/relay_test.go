package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func TestRelayPassesTheQuestionAndTheAnswerOn(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k%20+", []byte("x"))
	doc := []byte("<Tagging><TagSet/></Tagging>")
	a := g.do(call{method: "PUT", target: "/bkt/k%20+?tagging", body: doc})
	if a.status != 200 || string(a.body) != "<Asked/>" {
		t.Errorf("%d %s", a.status, a.body)
	}
	q := g.store.asked[0]
	if q.Op != "PutObjectTagging" || q.Bucket != "bkt" || q.Key != "k +" || q.Method != "PUT" || string(q.Body) != string(doc) || !q.Query.Has("tagging") || len(q.Query) != 1 {
		t.Errorf("%+v", q)
	}
	for name := range q.Header {
		if name != "Content-Type" {
			t.Errorf("the header %s was passed on", name)
		}
	}
	g.store.reply = &backend.Reply{Status: 404, Code: "NoSuchTagSet", Message: "there <are> none", Header: http.Header{}}
	a = g.do(call{method: "GET", target: "/bkt?tagging"})
	if a.status != 404 || a.code() != "NoSuchTagSet" || !strings.Contains(string(a.body), "there &lt;are&gt; none") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestRelayPassesOnlyListedHeaders(t *testing.T) {
	g := newRig(t)
	g.want(g.do(call{method: "PUT", target: "/bkt?acl", header: map[string]string{"x-amz-acl": "private"}}), 200, "")
	if got := g.store.asked[0].Header.Get("x-amz-acl"); got != "private" {
		t.Errorf("x-amz-acl is %q", got)
	}
	before := g.store.count()
	g.want(g.do(call{method: "PUT", target: "/bkt?acl", header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 501, "NotImplemented")
	g.want(g.do(call{method: "GET", target: "/bkt?acl&versioning"}), 501, "NotImplemented")
	g.want(g.do(call{method: "PUT", target: "/bkt?tagging", body: []byte("<x/>"), sha: strings.Repeat("0", 64)}), 400, "XAmzContentSHA256Mismatch")
	g.want(g.do(call{method: "GET", target: "/bkt/_objcryptproxy___.json?tagging"}), 403, "AccessDenied")
	if calls := g.store.callsSince(before); len(calls) > 0 {
		t.Errorf("backend calls %v", calls)
	}
}

// Rules that a backend would apply to sealed objects by itself are refused: an
// expiry would take the bucket's sealed state with it.
func TestRulesThatWouldHarmSealedDataAreRefused(t *testing.T) {
	g := newRig(t)
	before := g.store.count()
	for _, sub := range []string{"lifecycle", "replication", "inventory", "encryption", "website", "notification", "logging"} {
		g.want(g.do(call{method: "PUT", target: "/bkt?" + sub, body: []byte("<x/>")}), 501, "NotImplemented")
	}
	if calls := g.store.callsSince(before); len(calls) > 0 {
		t.Errorf("backend calls %v", calls)
	}
}
