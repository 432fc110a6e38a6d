package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// TestExpectedOwnerIsTheClient: another expectation is refused before the backend is
// asked anything.
func TestExpectedOwnerIsTheClient(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	n := g.store.count()
	for _, c := range []call{
		{method: "GET", target: "/bkt/k"}, {method: "HEAD", target: "/bkt"}, {method: "DELETE", target: "/bkt/k"},
		{method: "PUT", target: "/bkt/k", body: []byte("y")}, {method: "GET", target: "/bkt?tagging"}, {method: "GET", target: "/bkt?list-type=2"},
	} {
		c.header = map[string]string{"x-amz-expected-bucket-owner": "another"}
		if a := g.do(c); a.status != 403 {
			t.Errorf("%s %s: %d", c.method, c.target, a.status)
		}
	}
	source := map[string]string{"x-amz-copy-source": "/bkt/k", "x-amz-source-expected-bucket-owner": "another"}
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: source}), 403, "AccessDenied")
	if calls := g.store.callsSince(n); len(calls) > 0 {
		t.Errorf("backend calls %v", calls)
	}
	g.want(g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"x-amz-expected-bucket-owner": testAccess}}), 200, "")
	g.want(g.do(call{method: "GET", target: "/bkt?tagging", header: map[string]string{"x-amz-expected-bucket-owner": testAccess}}), 200, "")
}

const backendACL = `<AccessControlPolicy><Owner><ID>BACK&amp;END</ID><DisplayName>BACK&amp;END</DisplayName></Owner><AccessControlList>` +
	`<Grant><Grantee><ID>BACK&amp;END</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>`

// TestACLsNameTheClientAsOwner: the backend's account is not shown, and a list that was
// read can be sent back.
func TestACLsNameTheClientAsOwner(t *testing.T) {
	g := newRig(t)
	g.store.reply = &backend.Reply{Status: 200, Body: []byte(backendACL), Header: http.Header{}}
	a := g.do(call{method: "GET", target: "/bkt?acl"})
	if body := string(a.body); a.status != 200 || strings.Contains(body, "BACK") || strings.Count(body, ">"+testAccess+"<") != 3 {
		t.Fatalf("%d %s", a.status, body)
	}
	g.want(g.do(call{method: "PUT", target: "/bkt?acl", body: a.body}), 200, "")
	if got := g.store.asked[len(g.store.asked)-1]; string(got.Body) != backendACL {
		t.Errorf("%s", got.Body)
	}
	g.want(g.do(call{method: "PUT", target: "/bkt?acl", header: map[string]string{"x-amz-grant-read": `id="` + testAccess + `", uri="http://x"`}}), 200, "")
	if got := g.store.asked[len(g.store.asked)-1].Header.Get("x-amz-grant-read"); got != `id="BACK&END", uri="http://x"` {
		t.Errorf("%s", got)
	}
	// Without a word about the client nothing is asked first.
	n := len(g.store.asked)
	g.want(g.do(call{method: "PUT", target: "/bkt?acl", header: map[string]string{"x-amz-acl": "private"}}), 200, "")
	if len(g.store.asked) != n+1 {
		t.Errorf("%+v", g.store.asked[n:])
	}
	// An owner that the backend does not tell is not guessed.
	g.store.reply = &backend.Reply{Status: 200, Body: []byte("<x/>"), Header: http.Header{}}
	g.want(g.do(call{method: "PUT", target: "/bkt?acl", body: a.body}), 503, "ServiceUnavailable")
}

func TestRenamedGrants(t *testing.T) {
	for in, want := range map[string]string{
		"me": "you", "id=me": "id=you", `id="me"`: `id="you"`, "meme": "meme", "emailAddress=me": "emailAddress=me", "id=a,id=me": "id=a,id=you", "": "",
	} {
		if got := renamedGrants(in, "me", "you"); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestRelayOfAVersion: a version is named to the backend; an empty one is none.
func TestRelayOfAVersion(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	for value, sent := range map[string]bool{"": false, "v1": true} {
		g.want(g.do(call{method: "PUT", target: "/bkt/k?legal-hold&versionId=" + value, body: []byte("<LegalHold/>")}), 200, "")
		q := g.store.asked[len(g.store.asked)-1]
		if q.Query.Has("versionId") != sent || q.Query.Get("versionId") != value {
			t.Errorf("%v", q.Query)
		}
	}
	g.want(g.do(call{method: "GET", target: "/bkt?tagging&versionId=v1"}), 501, "NotImplemented")
	g.want(g.do(call{method: "PUT", target: "/bkt/k?versionId=v1", body: []byte("x")}), 501, "NotImplemented")
}
