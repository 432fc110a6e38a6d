package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// allAttributes is a header for every attribute there is.
func allAttributes() map[string]string {
	return map[string]string{
		"x-amz-acl": "private", "x-amz-grant-full-control": "id=a", "x-amz-grant-read": "id=b", "x-amz-grant-read-acp": "id=c", "x-amz-grant-write-acp": "id=d",
		"x-amz-tagging": "a=b", "x-amz-storage-class": "STANDARD_IA",
		"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "x-amz-object-lock-legal-hold": "ON",
	}
}

// TestAttributesGoToTheBackendInEveryWayOfAPut: whole, and in parts.
func TestAttributesGoToTheBackendInEveryWayOfAPut(t *testing.T) {
	for name, whole := range map[string]int64{"whole": 64 << 20, "parts": 5 << 20} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, func(c *Config) { c.WholeObject = whole })
			header := allAttributes()
			g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(11 << 20), header: header}), 200, "")
			got := g.store.buckets["bkt"]["k"].with
			if want := backend.AttributesFrom(func(n string) string { return header[n] }); got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if len(header) != len(backend.AttributeHeaders()) {
				t.Errorf("the test knows %d attributes of %d", len(header), len(backend.AttributeHeaders()))
			}
			a := g.do(call{method: "HEAD", target: "/bkt/k"})
			for _, h := range []string{"x-amz-storage-class", "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"} {
				if a.header.Get(h) != header[h] {
					t.Errorf("%s is %q", h, a.header.Get(h))
				}
			}
		})
	}
}

func TestMalformedAttributesNeverReachTheBackend(t *testing.T) {
	g := newRig(t)
	later, before := time.Now().Add(time.Hour).UTC().Format(time.RFC3339), time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	const mode, until, hold = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"
	n := g.store.count()
	for _, c := range []struct {
		header map[string]string
		code   string
		text   string
	}{
		{map[string]string{hold: "on"}, "InvalidArgument", "Legal Hold must be either of"},
		{map[string]string{mode: "GOVERNANCE"}, "InvalidArgument", "must both be supplied."},
		{map[string]string{until: later}, "InvalidArgument", "must both be supplied."},
		{map[string]string{mode: "x", until: later}, "InvalidArgument", "Unknown wormMode directive."},
		{map[string]string{mode: "COMPLIANCE", until: "tomorrow"}, "InvalidArgument", "must be provided in ISO 8601 format"},
		{map[string]string{mode: "COMPLIANCE", until: before}, "InvalidArgument", "must be in the future!"},
		{map[string]string{"x-amz-website-redirect-location": "ftp://x"}, "InvalidRedirectLocation", "must have a prefix of"},
		{map[string]string{"x-amz-meta-a": strings.Repeat("x", maxUserMeta)}, "MetadataTooLarge", "<MaxSizeAllowed>2048</MaxSizeAllowed>"},
	} {
		for _, source := range []string{"", "/bkt/other"} {
			header := map[string]string{}
			for k, v := range c.header {
				header[k] = v
			}
			if source != "" {
				header["x-amz-copy-source"] = source
			}
			a := g.do(call{method: "PUT", target: "/bkt/k", header: header})
			if g.want(a, 400, c.code); !strings.Contains(string(a.body), c.text) {
				t.Errorf("%v: %s", header, a.body)
			}
		}
	}
	if calls := g.store.callsSince(n); len(calls) > 0 {
		t.Errorf("backend calls %v", calls)
	}
}

// TestBackendsWordOnAttributesIsTheClients: and on names; anything else stays 503.
func TestBackendsWordOnAttributesIsTheClients(t *testing.T) {
	for _, c := range []struct {
		fault  backend.Error
		key    string
		header map[string]string
		status int
		code   string
	}{
		{backend.Error{Kind: backend.Invalid, Status: 400, Code: "InvalidRequest", Message: "no lock"}, "k", map[string]string{"x-amz-object-lock-legal-hold": "ON"}, 400, "InvalidRequest"},
		{backend.Error{Kind: backend.Invalid, Status: 400, Code: "InvalidRequest"}, "k", nil, 503, "ServiceUnavailable"},
		{backend.Error{Kind: backend.Busy, Status: 400, Code: "InvalidTag", Message: "no tag"}, "k", map[string]string{"x-amz-tagging": "?"}, 400, "InvalidTag"},
		{backend.Error{Kind: backend.Busy, Status: 409, Code: "ObjectParentIsFile", Message: "a file"}, "k", nil, 409, "ObjectParentIsFile"},
		{backend.Error{Kind: backend.Busy, Status: 400, Code: "DirectoryObjectContainsData", Message: "data"}, "dir/", nil, 400, "DirectoryObjectContainsData"},
		{backend.Error{Kind: backend.Busy, Status: 400, Code: "400", Message: "Bad Request"}, "a/b", nil, 503, "ServiceUnavailable"},
		{backend.Error{Kind: backend.Busy, Status: 500, Code: "InvalidTag"}, "k", map[string]string{"x-amz-tagging": "?"}, 503, "ServiceUnavailable"},
		{backend.Error{Kind: backend.Denied, Status: 403, Code: "AccessDenied", Message: "Access Denied because object protected by object lock."}, "k", nil, 403, "AccessDenied"},
		{backend.Error{Kind: backend.Denied, Status: 403, Code: "AccessDenied", Message: "no"}, "k", map[string]string{"x-amz-acl": "private"}, 503, "ServiceUnavailable"},
		{backend.Error{Kind: backend.Busy, Status: 404, Code: "NoSuchKey"}, "k", map[string]string{"if-match": `"x-s"`}, 404, "NoSuchKey"},
	} {
		g := newRig(t)
		g.put("/bkt/first", nil)
		g.store.before = func(op, _, key string) error {
			if op == "Put" && key == c.key {
				return &c.fault
			}
			return nil
		}
		a := g.do(call{method: "PUT", target: "/bkt/" + c.key, body: []byte("x"), header: c.header})
		if a.status != c.status || a.code() != c.code || c.fault.Message != "" && c.status < 500 && !strings.Contains(string(a.body), c.fault.Message) {
			t.Errorf("%+v: %d %s", c.fault, a.status, a.body)
		}
	}
}

func TestCopyTakesTagsAndAttributes(t *testing.T) {
	g := newRig(t)
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: map[string]string{"x-amz-tagging": "a=b&c=d", "x-amz-storage-class": "STANDARD_IA"}}), 200, "")
	copied := func(header map[string]string) backend.Attributes {
		t.Helper()
		header["x-amz-copy-source"] = "/bkt/k"
		g.want(g.do(call{method: "PUT", target: "/bkt/c", header: header}), 200, "")
		return g.store.buckets["bkt"]["c"].with
	}
	if got := copied(map[string]string{}); got != (backend.Attributes{Tagging: "a=b&c=d"}) {
		t.Errorf("%+v", got) // S3 copies tags, and nothing else that the store keeps
	}
	if got := copied(map[string]string{"x-amz-tagging": "e=f"}); got.Tagging != "a=b&c=d" {
		t.Errorf("tags without a directive count: %+v", got)
	}
	if got := copied(map[string]string{"x-amz-tagging": "e=f", "x-amz-tagging-directive": "REPLACE", "x-amz-object-lock-legal-hold": "OFF"}); got.Tagging != "e=f" || got.LegalHold != "OFF" {
		t.Errorf("%+v", got)
	}
	if got := copied(map[string]string{"x-amz-tagging-directive": "REPLACE"}); got.Tagging != "" {
		t.Errorf("%+v", got)
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/k", "x-amz-tagging-directive": "MOVE"}}), 400, "InvalidArgument")
	// A backend without tags, and one that hides them, copies too; one that fails does not.
	g.store.reply = &backend.Reply{Status: 501, Code: "NotImplemented", Header: http.Header{}}
	if got := copied(map[string]string{}); got.Tagging != "" {
		t.Errorf("%+v", got)
	}
	g.store.reply = &backend.Reply{Status: 200, Body: []byte("<html/>")}
	g.want(g.do(call{method: "PUT", target: "/bkt/d", header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 503, "ServiceUnavailable")
	if g.store.stored("bkt", "d") != nil {
		t.Error("copied without its tags")
	}
}

func TestLargeCopyKeepsItsTags(t *testing.T) {
	g := newRig(t, func(c *Config) { c.WholeObject = 5 << 20 })
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(wholeCopy), header: map[string]string{"x-amz-tagging": "a=b"}}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 200, "")
	if got := g.store.buckets["bkt"]["c"].with.Tagging; got != "a=b" {
		t.Errorf("%q", got)
	}
}

// TestUploadKeepsAttributes: what Create says of tags, class and locks becomes the
// object's, also where its only part is too small for a part and is stored by a PUT.
func TestUploadKeepsAttributes(t *testing.T) {
	g := newRig(t)
	for name, size := range map[string]int{"parts": 5 * mib, "stream": 10} {
		until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		u := g.begin("/bkt/"+name, map[string]string{"x-amz-tagging": "a=b", "x-amz-storage-class": "STANDARD_IA",
			"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until})
		part := u.part(1, pattern(size))
		u.rig = g.twin()
		g.want(u.complete(listed{1, part}), 200, "")
		with := g.store.buckets["bkt"][name].with
		if with.Tagging != "a=b" || with.StorageClass != "STANDARD_IA" || with.LockMode != "GOVERNANCE" || with.RetainUntil != until {
			t.Errorf("%s: %+v", name, with)
		}
	}
	g.want(g.do(call{method: "POST", target: "/bkt/k?uploads", header: map[string]string{"x-amz-object-lock-mode": "GOVERNANCE"}}), 400, "InvalidArgument")
	g.want(g.do(call{method: "POST", target: "/bkt/k?uploads", header: map[string]string{"x-amz-server-side-encryption": "AES256"}}), 501, "NotImplemented")
}
