package server

import (
	"fmt"
	"html"
	"strings"
	"testing"
)

// saying wants an answer that says text, as a document has it.
func (g *rig) saying(a answer, status int, code string, texts ...string) {
	g.t.Helper()
	g.want(a, status, code)
	for _, text := range texts {
		if got := html.UnescapeString(string(a.body)); !strings.Contains(got, text) {
			g.t.Errorf("%s\nlacks %q", got, text)
		}
	}
}

// Arguments that are none are refused in S3's words, before anybody looks for the object.
func TestArgumentsAreRefusedInS3sWords(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/source", pattern(1000))
	const number = "Part number must be an integer between 1 and 10000, inclusive."
	for _, n := range []string{"0", "-3", "10001", "x", "01", ""} {
		value := "<ArgumentName>partNumber</ArgumentName><ArgumentValue>" + n + "</ArgumentValue>"
		g.saying(g.do(call{method: "GET", target: "/bkt/absent?partNumber=" + n}), 400, "InvalidArgument", number, value)
		g.want(g.do(call{method: "HEAD", target: "/bkt/absent?partNumber=" + n}), 400, "")
		u := g.begin("/bkt/k", nil)
		put := call{method: "PUT", target: fmt.Sprintf("/bkt/k?partNumber=%s&uploadId=%s", n, u.id), body: []byte("x")}
		g.saying(g.do(put), 400, "InvalidArgument", number, value)
		put.body, put.header = nil, map[string]string{"x-amz-copy-source": "bkt/source"}
		g.saying(g.do(put), 400, "InvalidArgument", number, value)
		g.want(u.abort(), 204, "")
	}

	u := g.begin("/bkt/k", nil)
	for _, span := range []string{"byte=1-2", "bytes=2-1", "bytes=-5", "bytes=5-", "bytes=a-2", "bytes=-2-3", "bytes=01-2", "bytes=1-2,3-4"} {
		g.saying(g.do(u.copyCall(1, "bkt/absent", span)),
			400, "InvalidArgument", "must be of the form bytes=first-last", "<ArgumentName>x-amz-copy-source-range</ArgumentName>")
	}
	for _, span := range []string{"bytes=0-1000", "bytes=1000-1000", "bytes=1250-3000"} {
		g.saying(g.do(u.copyCall(1, "bkt/source", span)), 400, "InvalidArgument", "Range specified is not valid for source object of size: 1000")
	}
	p := u.part(1, []byte("x"))
	g.saying(u.complete(listed{-4, p}), 400, "InvalidArgument", "PartNumber must be >= 1", "<ArgumentValue>-4</ArgumentValue>")
	with := func(header map[string]string) answer {
		c := u.completeCall(listed{1, p})
		c.header = header
		return g.do(c)
	}
	g.saying(with(map[string]string{"x-amz-mp-object-size": "-1"}), 400, "InvalidRequest", "x-amz-mp-object-size header is less than zero: '-1'")
	g.saying(with(map[string]string{"x-amz-mp-object-size": "a"}), 400, "InvalidRequest", "x-amz-mp-object-size header is invalid: 'a'")
	g.saying(with(map[string]string{"x-amz-mp-object-size": "2"}), 400, "InvalidRequest", "header value 1 does not match what was computed: 2", "<additionalMessage>the header says 2 bytes, the parts have 1</additionalMessage>")
	g.saying(with(map[string]string{"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA==", "x-amz-checksum-type": "COMPOSITE"}), 400, "InvalidRequest", "Expecting a single x-amz-checksum- header")
	g.want(with(map[string]string{"x-amz-mp-object-size": "1"}), 200, "")
}

// If-Match on a write says of an absent object that it is absent, though it names none that
// could be: as the store says it of one that could.
func TestWritesUnderIfMatchTellAbsence(t *testing.T) {
	for _, mode := range []ETagMode{ETagOpaque, ETagMD5} {
		g := newRig(t, func(c *Config) { c.ETags = mode })
		g.put("/bkt/there", []byte("x"))
		for _, etag := range []string{"nonsense", `"d41d8cd98f00b204e9800998ecf8427e"`, "*"} {
			h := map[string]string{"if-match": etag}
			g.want(g.do(call{method: "PUT", target: "/bkt/absent", header: h, body: []byte("y")}), 404, "NoSuchKey")
			g.want(g.do(call{method: "PUT", target: "/bkt/there", header: h, body: []byte("y")}), 412, "PreconditionFailed")
		}
		if a := g.get("/bkt/there"); string(a.body) != "x" {
			t.Errorf("replaced: %q", a.body)
		}
		g.want(g.get("/bkt/absent"), 404, "NoSuchKey")
	}
}
