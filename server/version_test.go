package server

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// versioned is a rig whose bucket keeps versions.
func versioned(t *testing.T, change ...func(*Config)) *rig {
	g := newRig(t, change...)
	g.store.versioning["bkt"] = "Enabled"
	return g
}

func (a answer) version() string { return a.header.Get("X-Amz-Version-Id") }

func TestEveryVersionOpensUnderItsKey(t *testing.T) {
	g := versioned(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, g.put("/bkt/k", pattern(100_000+i)).version())
	}
	if ids[0] == "" || ids[0] == ids[1] || ids[1] == ids[2] {
		t.Fatalf("%q", ids)
	}
	if a := g.get("/bkt/k"); a.version() != ids[2] || !bytes.Equal(a.body, pattern(100_002)) {
		t.Errorf("current: %d %q", a.status, a.version())
	}
	for i, id := range ids {
		want := pattern(100_000 + i)
		query := "/bkt/k?versionId=" + id
		if a := g.get(query); a.status != 200 || a.version() != id || !bytes.Equal(a.body, want) {
			t.Errorf("GET %s: %d %q, %d bytes", id, a.status, a.version(), len(a.body))
		}
		if a := g.do(call{method: "HEAD", target: query}); a.status != 200 || a.version() != id || a.header.Get("Content-Length") != fmt.Sprint(len(want)) {
			t.Errorf("HEAD %s: %d %v", id, a.status, a.header)
		}
		if a := g.do(call{method: "GET", target: query, header: map[string]string{"range": "bytes=70000-"}}); a.status != 206 || a.version() != id || !bytes.Equal(a.body, want[70000:]) {
			t.Errorf("range of %s: %d %q, %d bytes", id, a.status, a.version(), len(a.body))
		}
		if a := g.do(call{method: "GET", target: "/bkt/k?attributes&versionId=" + id, header: map[string]string{"x-amz-object-attributes": "ObjectSize"}}); a.version() != id || !strings.Contains(string(a.body), fmt.Sprintf("<ObjectSize>%d<", len(want))) {
			t.Errorf("attributes of %s: %d %s", id, a.status, a.body)
		}
		for target, version := range map[string]bool{"/bkt/copy": true, "/other/copy": false} {
			a := g.do(call{method: "PUT", target: target, header: map[string]string{"x-amz-copy-source": "bkt/k?versionId=" + id}})
			if g.want(a, 200, ""); a.header.Get("X-Amz-Copy-Source-Version-Id") != id || (a.version() != "") != version || a.version() == id {
				t.Errorf("copy of %s to %s: %v", id, target, a.header)
			}
			if got := g.get(target); !bytes.Equal(got.body, want) {
				t.Errorf("the copy of %s has %d bytes", id, len(got.body))
			}
		}
	}
	// A version that is copied onto its own key is the rollback that S3 has.
	g.want(g.do(call{method: "PUT", target: "/bkt/k", header: map[string]string{"x-amz-copy-source": "bkt/k?versionId=" + ids[0]}}), 200, "")
	if a := g.get("/bkt/k"); !bytes.Equal(a.body, pattern(100_000)) {
		t.Error("not rolled back")
	}
}

func TestVersionsOfMultipartObjects(t *testing.T) {
	t.Parallel()
	g := versioned(t)
	body := pattern(12 << 20)
	u := g.begin("/bkt/k", nil)
	first := u.complete(listed{1, u.part(1, body[:5<<20])}, listed{2, u.part(2, body[5<<20:])})
	g.want(first, 200, "")
	second := g.put("/bkt/k", []byte("newer"))
	if first.version() == "" || first.version() == second.version() {
		t.Fatalf("%q, %q", first.version(), second.version())
	}
	query := "/bkt/k?versionId=" + first.version()
	if a := g.get(query); !bytes.Equal(a.body, body) || a.version() != first.version() {
		t.Errorf("%d, %d bytes of %d", a.status, len(a.body), len(body))
	}
	if a := g.do(call{method: "GET", target: query + "&partNumber=2"}); a.status != 206 || !bytes.Equal(a.body, body[5<<20:]) {
		t.Errorf("part 2: %d, %d bytes", a.status, len(a.body))
	}
	a := g.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "bkt/k?versionId=" + first.version()}})
	if g.want(a, 200, ""); a.header.Get("X-Amz-Copy-Source-Version-Id") != first.version() {
		t.Errorf("%v", a.header)
	}
	if got := g.get("/bkt/copy"); !bytes.Equal(got.body, body) {
		t.Errorf("copy: %d, %d bytes", got.status, len(got.body))
	}
	id := g.begin("/bkt/parts", nil).id
	a = g.do(call{method: "PUT", target: "/bkt/parts?partNumber=1&uploadId=" + id, header: map[string]string{"x-amz-copy-source": "bkt/k?versionId=" + first.version(), "x-amz-copy-source-range": "bytes=1-6000000"}})
	if g.want(a, 200, ""); a.header.Get("X-Amz-Copy-Source-Version-Id") != first.version() {
		t.Errorf("UploadPartCopy: %v", a.header)
	}
}

func TestDeleteMarkers(t *testing.T) {
	g := versioned(t)
	old := g.put("/bkt/k", []byte("old")).version()
	a := g.do(call{method: "DELETE", target: "/bkt/k"})
	marker := a.version()
	if g.want(a, 204, ""); a.header.Get("X-Amz-Delete-Marker") != "true" || marker == "" || marker == old {
		t.Fatalf("%v", a.header)
	}
	for _, method := range []string{"GET", "HEAD"} {
		a := g.do(call{method: method, target: "/bkt/k"})
		if a.status != 404 || a.header.Get("X-Amz-Delete-Marker") != "true" || a.version() != marker || method == "GET" && a.code() != "NoSuchKey" {
			t.Errorf("%s of a deleted key: %d %v %s", method, a.status, a.header, a.body)
		}
		a = g.do(call{method: method, target: "/bkt/k?versionId=" + marker})
		if a.status != 405 || a.header.Get("X-Amz-Delete-Marker") != "true" || a.header.Get("Allow") != "DELETE" || a.header.Get("Last-Modified") == "" || method == "GET" && a.code() != "MethodNotAllowed" {
			t.Errorf("%s of a marker: %d %v %s", method, a.status, a.header, a.body)
		}
	}
	for _, target := range []string{"/bkt/k?attributes", "/bkt/k?attributes&versionId=" + marker} {
		a := g.do(call{method: "GET", target: target, header: map[string]string{"x-amz-object-attributes": "ETag"}})
		if g.want(a, 404, "NoSuchKey"); a.header.Get("X-Amz-Delete-Marker") != "true" || a.header.Get("Allow") != "" {
			t.Errorf("%s: %v", target, a.header)
		}
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "bkt/k?versionId=" + marker}}), 400, "InvalidRequest")
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "bkt/k"}}), 404, "NoSuchKey")
	if a := g.get("/bkt/k?versionId=" + old); string(a.body) != "old" {
		t.Errorf("below the marker: %d", a.status)
	}
	a = g.do(call{method: "DELETE", target: "/bkt/k?versionId=" + marker})
	if g.want(a, 204, ""); a.header.Get("X-Amz-Delete-Marker") != "true" || a.version() != marker {
		t.Errorf("%v", a.header)
	}
	if a := g.get("/bkt/k"); string(a.body) != "old" {
		t.Errorf("without the marker: %d", a.status)
	}
	a = g.do(call{method: "DELETE", target: "/bkt/k?versionId=" + old})
	if g.want(a, 204, ""); a.header.Get("X-Amz-Delete-Marker") != "" || a.version() != old {
		t.Errorf("%v", a.header)
	}
	g.want(g.get("/bkt/k?versionId="+old), 404, "NoSuchVersion")
}

func TestVersionsThatAreNone(t *testing.T) {
	g := versioned(t)
	g.put("/bkt/k", []byte("x"))
	for version, want := range map[string]struct {
		status int
		code   string
	}{"v999": {404, "NoSuchVersion"}, "what%2Fis%2Fit": {400, "InvalidArgument"}, "": {400, "InvalidArgument"}} {
		for _, c := range []call{
			{method: "GET", target: "/bkt/k?versionId=" + version}, {method: "HEAD", target: "/bkt/k?versionId=" + version},
			{method: "GET", target: "/bkt/k?attributes&versionId=" + version, header: map[string]string{"x-amz-object-attributes": "ETag"}},
			{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "bkt/k?versionId=" + version}},
		} {
			a := g.do(c)
			if a.status != want.status || c.method != "HEAD" && a.code() != want.code {
				t.Errorf("%s %s of version %q: %d %s", c.method, c.target, version, a.status, a.body)
			}
		}
		if a := g.do(call{method: "DELETE", target: "/bkt/k?versionId=" + version}); want.status == 400 && a.status != 400 || want.status == 404 && a.status != 204 {
			t.Errorf("DELETE of version %q: %d", version, a.status)
		}
	}
	if a := g.get("/bkt/k"); string(a.body) != "x" {
		t.Error("something was deleted")
	}
	g.want(g.get("/other/k?versionId=v1"), 404, "NoSuchVersion") // a bucket that nothing was stored in
}

func TestNullVersions(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("before"))
	if a := g.get("/bkt/k?versionId=null"); string(a.body) != "before" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	g.store.versioning["bkt"] = "Enabled"
	kept := g.put("/bkt/k", []byte("kept")).version()
	g.store.versioning["bkt"] = "Suspended"
	if a := g.put("/bkt/k", []byte("null")); a.version() != "null" {
		t.Errorf("%v", a.header)
	}
	for version, want := range map[string]string{"null": "null", kept: "kept"} {
		if a := g.get("/bkt/k?versionId=" + version); string(a.body) != want || a.version() != version {
			t.Errorf("%s: %d %s", version, a.status, a.body)
		}
	}
	a := g.do(call{method: "DELETE", target: "/bkt/k"})
	if g.want(a, 204, ""); a.version() != "null" || a.header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("%v", a.header)
	}
	g.want(g.get("/bkt/k?versionId=null"), 405, "MethodNotAllowed")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k?versionId=null"}), 204, "")
	if a := g.get("/bkt/k"); string(a.body) != "kept" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestDeleteObjectsByVersion(t *testing.T) {
	g := versioned(t)
	first, second := g.put("/bkt/k", []byte("1")).version(), g.put("/bkt/k", []byte("2")).version()
	g.put("/bkt/m", nil)
	doc := "<Delete><Object><Key>k</Key><VersionId>" + second + "</VersionId></Object><Object><Key>m</Key></Object><Object><Key>k</Key><VersionId>bad</VersionId></Object></Delete>"
	a := g.do(call{method: "POST", target: "/bkt/?delete", body: []byte(doc)})
	g.want(a, 200, "")
	for _, want := range []string{"<Deleted><Key>k</Key><VersionId>" + second + "</VersionId><DeleteMarker>false</DeleteMarker></Deleted>", "<Deleted><Key>m</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>v",
		"<Error><Key>k</Key><VersionId>bad</VersionId><Code>InvalidArgument</Code>"} {
		if !strings.Contains(string(a.body), want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if a := g.get("/bkt/k"); a.version() != first || string(a.body) != "1" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestConditionalDeleteOfAVersion(t *testing.T) {
	g := versioned(t)
	old := g.put("/bkt/k", []byte("old"))
	now := g.put("/bkt/k", []byte("new"))
	target := "/bkt/k?versionId=" + old.version()
	g.want(g.do(call{method: "DELETE", target: target, header: map[string]string{"if-match": now.header.Get("ETag")}}), 412, "PreconditionFailed")
	g.want(g.do(call{method: "DELETE", target: target, header: map[string]string{"if-match": old.header.Get("ETag")}}), 204, "")
	g.want(g.get(target), 404, "NoSuchVersion")
	if a := g.get("/bkt/k"); string(a.body) != "new" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestReadsArePinned: an object that is replaced between two requests of one read is
// read on as the version it was.
func TestReadsArePinned(t *testing.T) {
	for _, grants := range []bool{true, false} {
		g := versioned(t)
		body := pattern(300_000)
		old := g.put("/bkt/k", body).version()
		gets, replaced := 0, false
		g.store.before = func(op, bucket, key string) error {
			if op != "Get" || key != "k" {
				return nil
			}
			if gets++; gets == 2 {
				b := g.store.buckets[bucket]
				g.store.commit(bucket, b, key, b[key].data[:100], backend.Conditions{})
				replaced = true
			}
			return nil
		}
		if !grants {
			g.store.denyVersions = true
		}
		a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"range": "bytes=200000-299999"}})
		switch {
		case !replaced:
			t.Fatal("the read took one request")
		case grants && (a.status != 206 || a.version() != old || !bytes.Equal(a.body, body[200_000:])):
			t.Errorf("%d, %d bytes of version %s", a.status, len(a.body), a.version())
		case !grants && a.status != 500: // what stands there now is no sealed object
			t.Errorf("without the grant: %d", a.status)
		}
	}
}

// TestReadsWithoutTheGrantOfVersions: reading versions is a permission of its own, which
// a read of what is current must not need.
func TestReadsWithoutTheGrantOfVersions(t *testing.T) {
	t.Parallel()
	g := versioned(t)
	body := g.multipartObject("/bkt/k", nil, 5<<20, 7<<20)
	version := g.get("/bkt/k").version()
	g.store.denyVersions = true
	if a := g.get("/bkt/k"); a.status != 200 || !bytes.Equal(a.body, body) {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
	if a := g.get("/bkt/k?versionId=" + version); a.status != http.StatusServiceUnavailable {
		t.Errorf("%d", a.status)
	}
}
