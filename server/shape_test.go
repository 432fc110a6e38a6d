package server

import (
	"strings"
	"testing"
)

// TestMisshapenRequestsNeedNoSignature: what no operation has is refused in S3's words,
// signed or not, and nobody is asked.
func TestMisshapenRequestsNeedNoSignature(t *testing.T) {
	g := newRig(t, func(c *Config) { c.PostForms = true })
	g.put("/bkt/k", []byte("stays"))
	before := g.store.count()
	source := map[string]string{"x-amz-copy-source": "bkt/k"}
	for _, f := range []struct {
		method, target string
		header         map[string]string
		status         int
		says           string
	}{
		{"GET", "/bkt/k", source, 400, "<ArgumentName>x-amz-copy-source</ArgumentName><ArgumentValue>bkt/k</ArgumentValue>"},
		{"HEAD", "/bkt/k", source, 400, ""},
		{"DELETE", "/bkt/k", source, 400, "You can only specify a copy source header for copy requests."},
		{"DELETE", "/bkt", source, 400, "You can only specify"},
		{"POST", "/bkt/k?uploadId=x", source, 400, "You can only specify"},
		{"GET", "/bkt/k?uploads", nil, 400, "Key is not expected for the GET method ?uploads subresource"},
		{"GET", "/bkt/k?versions", nil, 400, "There is no such thing as the ?versions sub-resource for a key"},
		{"PUT", "/bkt/k?uploadId=x", nil, 405, "<Method>PUT</Method><ResourceType>UPLOAD</ResourceType>"},
		{"PUT", "/bkt/k?partNumber=1", nil, 400, "This operation does not accept partNumber without uploadId"},
		{"POST", "/bkt/k", nil, 405, "<Method>POST</Method>"},
		{"POST", "/", nil, 405, "<Method>POST</Method>"},
		{"POST", "/bkt", map[string]string{"content-type": "application/json"}, 412, "<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>"},
	} {
		for name, edit := range map[string]func(string) string{"signed": nil, "unsigned": dropHeader("authorization")} {
			a := g.do(call{method: f.method, target: f.target, header: f.header, edit: edit})
			if a.status != f.status || !strings.Contains(string(a.body), f.says) {
				t.Errorf("%s %s, %s: %d %s", f.method, f.target, name, a.status, a.body)
			}
		}
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Errorf("the backend was asked: %v", got)
	}
	if a := g.get("/bkt/k"); string(a.body) != "stays" {
		t.Errorf("the object is %q", a.body)
	}
}

// TestUnsignedReadsMayNotChooseHeaders: they are refused in S3's words, counted as what they
// are, and nobody is asked. A wrong signature is told of as such.
func TestUnsignedReadsMayNotChooseHeaders(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	before := g.store.count()
	unsigned := dropHeader("authorization")
	for _, name := range responseNames {
		a := g.do(call{method: "GET", target: "/bkt/k?" + name + "=x", edit: unsigned})
		if g.want(a, 400, "InvalidRequest"); !strings.Contains(string(a.body), "Request specific response headers cannot be used for anonymous GET requests.") {
			t.Errorf("%s", a.body)
		}
		g.want(g.do(call{method: "HEAD", target: "/bkt/k?" + name + "=x", edit: unsigned}), 400, "")
	}
	for _, c := range []call{{method: "GET", target: "/bkt/k"}, {method: "GET", target: "/bkt?response-expires=x"}, {method: "PUT", target: "/bkt/k?response-expires=x"}} {
		c.edit = unsigned
		g.want(g.do(c), 403, "AccessDenied")
	}
	g.want(g.do(call{method: "GET", target: "/bkt/k?response-expires=x", access: "NOBODY"}), 403, "InvalidAccessKeyId")
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Errorf("the backend was asked: %v", got)
	}
}

// TestShapeLeavesOperationsAlone: every row of the route table passes.
func TestShapeLeavesOperationsAlone(t *testing.T) {
	g := newRig(t)
	for _, r := range routes {
		target := map[level]string{onService: "/", onBucket: "/bkt", onObject: "/bkt/k"}[r.level]
		for i, q := range r.query {
			target += "?&"[min(i, 1):min(i, 1)+1] + q + "=1"
		}
		h := map[string]string{}
		if r.header != "" {
			h[r.header] = "bkt/k"
		}
		if a := g.do(call{method: r.method, target: target, header: h, edit: dropHeader("authorization")}); a.status != 403 {
			t.Errorf("%s: %d %s", r.op, a.status, a.body)
		}
	}
}

// TestHeadersHaveABound: S3's, whoever sends them.
func TestHeadersHaveABound(t *testing.T) {
	g := newRig(t)
	for size, status := range map[int]int{6 << 10: 200, 8 << 10: 400, 15 << 10: 400, 60 << 10: 400} {
		a := g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: map[string]string{"user-agent": strings.Repeat("a", size)}})
		if a.status != status || status == 400 && !strings.Contains(string(a.body), "<Code>RequestHeaderSectionTooLarge</Code><Message>Your request header section exceeds the maximum allowed size.</Message><MaxSizeAllowed>8192</MaxSizeAllowed>") {
			t.Errorf("%d bytes: %d %s", size, a.status, a.body)
		}
	}
}

// TestStreamedBodiesAreForObjects: of PUTs.
func TestStreamedBodiesAreForObjects(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	before := g.store.count()
	for _, target := range []string{"/bkt?cors", "/bkt?tagging", "/bkt?object-lock", "/bkt?ownershipControls", "/bkt?versioning", "/bkt?policy", "/bkt/k?tagging", "/bkt/k?acl", "/fresh"} {
		for _, mode := range []string{signedChunks, signedTrailer, unsignedTrailer} {
			a := g.do(call{method: "PUT", target: target, body: []byte("5\r\nabcde\r\n0\r\n\r\n"), sha: mode, noMD5: true, header: map[string]string{"x-amz-decoded-content-length": "5"}})
			if a.status != 400 || a.code() != "InvalidRequest" || !strings.Contains(string(a.body), "The value of x-amz-content-sha256 header is invalid.") {
				t.Errorf("%s, %s: %d %s", target, mode, a.status, a.body)
			}
		}
	}
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Errorf("the backend was asked: %v", got)
	}
}
