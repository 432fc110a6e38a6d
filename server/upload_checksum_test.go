package server

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
)

// text is a checksum of data as headers have it.
func (c *checksum) text(data []byte) string {
	return base64.StdEncoding.EncodeToString(c.sumOf(data))
}

// whole is what an object's checksum of that kind must be, computed from all its bytes.
func (c *checksum) whole(kind byte, parts ...[]byte) string {
	if kind == fullObject {
		return c.text(bytes.Join(parts, nil))
	}
	var all []byte
	for _, p := range parts {
		all = append(all, c.sumOf(p)...)
	}
	return fmt.Sprintf("%s-%d", c.text(all), len(parts))
}

// summedUp is an upload with a checksum.
type summedUp struct {
	*partsUp
	*checksum
	kind byte
	list []listed
	sums []string
	data [][]byte
}

func (g *rig) beginSummed(target string, c *checksum, kind byte) *summedUp {
	g.t.Helper()
	u := g.begin(target, map[string]string{"x-amz-checksum-algorithm": c.name, "x-amz-checksum-type": kindNames[kind]})
	return &summedUp{partsUp: u, checksum: c, kind: kind}
}

// send sends the next part with its checksum in a header.
func (u *summedUp) send(data []byte) {
	u.t.Helper()
	n := len(u.list) + 1
	c := u.partCall(n, data)
	c.header = map[string]string{u.header(): u.text(data)}
	a := u.do(c)
	u.want(a, 200, "")
	if got := a.header.Get(u.header()); got != u.text(data) {
		u.t.Errorf("part %d: the answer says %q", n, got)
	}
	u.list, u.sums, u.data = append(u.list, listed{n, a.header.Get("ETag")}), append(u.sums, u.text(data)), append(u.data, data)
}

// finish completes with the parts' checksums; edit changes the document.
func (u *summedUp) finish(header map[string]string, edit func(string) string) answer {
	u.t.Helper()
	c := u.completeCall(u.list...)
	doc := string(c.body)
	for _, sum := range u.sums {
		doc = strings.Replace(doc, "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>", fmt.Sprintf("<Checksum%s>%s</Checksum%[1]s>", u.name, sum), 1)
	}
	if edit != nil {
		doc = edit(doc)
	}
	c.body, c.header = []byte(doc), header
	return u.do(c)
}

// TestUploadOfEveryChecksum: parts' checksums become the object's, which Complete,
// HEAD, GET and GetObjectAttributes tell, also through another proxy.
func TestUploadOfEveryChecksum(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	twin := g.twin()
	for i := range checksums {
		c := &checksums[i]
		for _, kind := range c.kinds {
			for shape, sizes := range map[string][]int{"parts": {5 * mib, 5*mib + 70001, 3}, "stream": {1000}} {
				if c.name != "CRC32C" && shape == "parts" {
					sizes = sizes[1:] // one that has three is enough
				}
				target := fmt.Sprintf("/bkt/%s-%d-%s", c.name, kind, shape)
				u := g.beginSummed(target, c, kind)
				for j, n := range sizes {
					u.send(pattern(n + j)[j:])
				}
				u.rig = twin
				want := c.whole(kind, u.data...)
				done := u.finish(map[string]string{c.header(): want, "x-amz-checksum-type": kindNames[kind]}, nil)
				g.want(done, 200, "")
				if got := between(done.body, "Checksum"+c.name); got != want || between(done.body, "ChecksumType") != kindNames[kind] {
					t.Errorf("%s: Complete says %s, want %s", target, done.body, want)
				}
				for _, method := range []string{"HEAD", "GET"} {
					a := g.do(call{method: method, target: target, header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
					if got := a.header.Get(c.header()); got != want || a.header.Get("x-amz-checksum-type") != kindNames[kind] {
						t.Errorf("%s: %s says %q, want %q", target, method, got, want)
					}
					if method == "GET" && !bytes.Equal(a.body, bytes.Join(u.data, nil)) {
						t.Errorf("%s: %d bytes", target, len(a.body))
					}
				}
				a := g.do(call{method: "GET", target: target + "?attributes", header: map[string]string{"x-amz-object-attributes": "Checksum"}})
				if got := between(a.body, "Checksum"+c.name); got != want {
					t.Errorf("%s: GetObjectAttributes says %s", target, a.body)
				}
				// The answer was lost, and the client asks again.
				again := u.finish(nil, nil)
				g.want(again, 200, "")
				if got := between(again.body, "Checksum"+c.name); got != want {
					t.Errorf("%s: the second Complete says %q", target, got)
				}
			}
		}
	}
}

// TestUploadChecksumRefusals: what AWS documents for each wrong claim. The object does
// not exist until all of them are right.
func TestUploadChecksumRefusals(t *testing.T) {
	g := newRig(t)
	create := func(algorithm, kind string) answer {
		h := map[string]string{}
		if algorithm != "" {
			h["x-amz-checksum-algorithm"] = algorithm
		}
		if kind != "" {
			h["x-amz-checksum-type"] = kind
		}
		return g.do(call{method: "POST", target: "/bkt/k?uploads", header: h})
	}
	before := g.store.count()
	for _, c := range [][2]string{{"", "COMPOSITE"}, {"CRC32", "x"}, {"SHA256", "FULL_OBJECT"}, {"CRC64NVME", "COMPOSITE"}, {"CRC31", ""}} {
		g.want(create(c[0], c[1]), 400, "InvalidRequest")
	}
	for _, c := range g.store.callsSince(before) {
		if strings.HasPrefix(c, "CreateUpload") {
			t.Errorf("a refused request began an upload")
		}
	}
	sha, crc := checksumByName("sha256"), checksumByName("crc32")
	u := g.beginSummed("/bkt/k", sha, composite)
	part := func(h, v string) answer {
		c := u.partCall(1, []byte("abc"))
		if h != "" {
			c.header = map[string]string{h: v}
		}
		return g.do(c)
	}
	if a := part("", ""); a.code() != "InvalidRequest" || !strings.Contains(string(a.body), "expected checksum Type: SHA256, actual checksum Type: null") {
		t.Errorf("%d %s", a.status, a.body)
	}
	g.want(part(crc.header(), crc.text([]byte("abc"))), 400, "InvalidRequest")
	g.want(part(sha.header(), sha.text([]byte("abd"))), 400, "BadDigest")
	u.send(pattern(5 * mib))
	u.send([]byte("end"))
	right := sha.whole(composite, u.data...)
	replace := func(old, new string) func(string) string {
		return func(doc string) string {
			if !strings.Contains(doc, old) {
				t.Fatalf("%s is not in %s", old, doc)
			}
			return strings.Replace(doc, old, new, 1)
		}
	}
	element := "<ChecksumSHA256>" + u.sums[1] + "</ChecksumSHA256>"
	for name, x := range map[string]struct {
		header map[string]string
		edit   func(string) string
		code   string
	}{
		"a part's checksum is missing":      {nil, replace(element, ""), "InvalidRequest"},
		"a part's checksum is another's":    {nil, replace(u.sums[1], u.sums[0]), "InvalidPart"},
		"a part's checksum is no base64":    {nil, replace(u.sums[1], "x"), "InvalidArgument"},
		"a part has two":                    {nil, replace(element, element+"<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"), "InvalidArgument"},
		"a part's is of another algorithm":  {nil, replace(element, "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"), "BadDigest"},
		"the total is wrong":                {map[string]string{sha.header(): sha.text(nil) + "-2"}, nil, "BadDigest"},
		"the total counts other parts":      {map[string]string{sha.header(): strings.Replace(right, "-2", "-3", 1)}, nil, "BadDigest"},
		"the total counts nonsense":         {map[string]string{sha.header(): strings.Replace(right, "-2", "-+2", 1)}, nil, "InvalidRequest"},
		"the total is no base64":            {map[string]string{sha.header(): "x"}, nil, "InvalidRequest"},
		"the total is of another algorithm": {map[string]string{crc.header(): "AAAAAA=="}, nil, "BadDigest"},
		"two totals":                        {map[string]string{crc.header(): "AAAAAA==", sha.header(): right}, nil, "InvalidRequest"},
		"another type":                      {map[string]string{"x-amz-checksum-type": "FULL_OBJECT"}, nil, "InvalidRequest"},
		"no type":                           {map[string]string{"x-amz-checksum-type": "x"}, nil, "InvalidRequest"},
		"no algorithm":                      {map[string]string{"x-amz-checksum-crc31": "x"}, nil, "InvalidRequest"},
	} {
		if a := u.finish(x.header, x.edit); a.status != 400 || a.code() != x.code {
			t.Errorf("%s: %d %s, want %s: %s", name, a.status, a.code(), x.code, a.body)
		}
	}
	if a := g.get("/bkt/k"); a.status != 404 {
		t.Errorf("a refused Complete made an object: %d", a.status)
	}
	g.want(u.finish(map[string]string{sha.header(): right}, nil), 200, "")
	g.onlyObjects("k")
}

// TestUploadSumsForClientsThatDoNot: under a full-object CRC a part without a checksum
// gets ours, copied ones too.
func TestUploadSumsForClientsThatDoNot(t *testing.T) {
	g := newRig(t)
	c := checksumByName("CRC64NVME")
	g.put("/bkt/source", pattern(5*mib))
	u := g.beginSummed("/bkt/k", c, fullObject)
	copied := u.partCall(1, nil)
	copied.header = map[string]string{"x-amz-copy-source": "/bkt/source"}
	a := g.do(copied)
	g.want(a, 200, "")
	if got := between(a.body, "ChecksumCRC64NVME"); got != c.text(pattern(5*mib)) {
		t.Errorf("the copied part has the checksum %q", got)
	}
	second := g.do(u.partCall(2, []byte("end")))
	if got := second.header.Get(c.header()); got != c.text([]byte("end")) {
		t.Errorf("the sent part has the checksum %q", got)
	}
	etag := strings.ReplaceAll(strings.ReplaceAll(between(a.body, "ETag"), "&#34;", `"`), "&quot;", `"`)
	done := u.complete(listed{1, etag}, listed{2, second.header.Get("ETag")})
	if done.status != 400 || done.code() != "BadDigest" {
		t.Errorf("CRC32 of a part in a CRC64NVME upload: %d %s", done.status, done.body)
	}
	u.list, u.sums = []listed{{1, etag}, {2, second.header.Get("ETag")}}, []string{c.text(pattern(5 * mib)), c.text([]byte("end"))}
	done = u.finish(nil, nil)
	g.want(done, 200, "")
	if want := c.whole(fullObject, pattern(5*mib), []byte("end")); between(done.body, "ChecksumCRC64NVME") != want {
		t.Errorf("%s, want %s", done.body, want)
	}
}

// TestTotalOfUnsummedUpload: a total that Complete brings is proved where the parts came
// with their checksums, although Create named none; otherwise it says nothing, as at S3.
func TestTotalOfUnsummedUpload(t *testing.T) {
	g := newRig(t)
	c := checksumByName("CRC32C")
	for _, with := range []bool{true, false} {
		u := &summedUp{partsUp: g.begin("/bkt/k", nil), checksum: c, kind: fullObject}
		if with {
			u.send(pattern(5 * mib))
			u.send([]byte("end"))
			g.want(u.finish(map[string]string{c.header(): c.text([]byte("x"))}, nil), 400, "BadDigest")
			g.want(u.finish(map[string]string{c.header(): c.whole(fullObject, u.data...)}, nil), 200, "")
		} else {
			u.list = []listed{{1, u.part(1, []byte("x"))}}
			g.want(u.finish(map[string]string{c.header(): c.text([]byte("y"))}, nil), 200, "")
		}
		a := g.do(call{method: "HEAD", target: "/bkt/k", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
		if got := a.header.Get(c.header()); (got != "") != with {
			t.Errorf("with checksums of the parts %v: the object has %q", with, got)
		}
	}
}

// FuzzPartNote: a note that opens is the one that was encoded.
func FuzzPartNote(f *testing.F) {
	for i := range checksums {
		n := partNote{checksum: &checksums[i], sum: make([]byte, checksums[i].size)}
		f.Add(n.encode())
		n.md5 = make([]byte, 16)
		f.Add(n.encode())
		n.offer = make([]byte, offerSize)
		f.Add(n.encode())
		n.md5 = nil
		f.Add(n.encode())
	}
	f.Add(partNote{md5: make([]byte, 16)}.encode())
	f.Add(partNote{offer: make([]byte, offerSize)}.encode())
	f.Add("\x00")
	f.Add("")
	f.Add("\xff123")
	f.Fuzz(func(t *testing.T, s string) {
		if n := openNote(s); (n.checksum != nil || n.md5 != nil || n.offer != nil) && n.encode() != s {
			t.Fatalf("%q opens as %q", s, n.encode())
		}
	})
}
