package server

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// streamedPut is a PUT with an aws-chunked body.
type streamedPut struct {
	target  string
	payload string // x-amz-content-sha256
	data    []byte
	chunk   int
	trailer []sigv4.Header
	header  map[string]string
	te      bool                // HTTP chunked transfer coding, no Content-Length
	edit    func([]byte) []byte // changes the framed body
}

const (
	signedChunks    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

func (p streamedPut) raw(t testing.TB, host string) []byte {
	t.Helper()
	headers := []sigv4.Header{{Name: "content-encoding", Value: "aws-chunked"}, {Name: "x-amz-decoded-content-length", Value: strconv.Itoa(len(p.data))}}
	for n, v := range p.header {
		headers = append(headers, sigv4.Header{Name: n, Value: v})
	}
	var names []string
	for _, h := range p.trailer {
		names = append(names, h.Name)
	}
	if names != nil {
		headers = append(headers, sigv4.Header{Name: "x-amz-trailer", Value: strings.Join(names, ",")})
	}
	signed, err := sigv4.NewSigner(testAccess, testSecret, "us-west-1").Sign("PUT", host, p.target, headers, p.payload, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := sigv4.New(sigv4.Config{Lookup: func(string) (string, bool) { return testSecret, true }}).
		Verify(&sigv4.Request{Method: "PUT", Target: p.target, Headers: signed})
	if err != nil {
		t.Fatal(err)
	}
	chunk := p.chunk
	if chunk == 0 {
		chunk = 64 << 10
	}
	wire := sigv4.Frame(v, p.data, chunk, p.trailer...)
	if p.edit != nil {
		wire = p.edit(wire)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "PUT %s HTTP/1.1\r\n", p.target)
	for _, h := range signed {
		fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
	}
	if !p.te {
		fmt.Fprintf(&b, "content-length: %d\r\n\r\n", len(wire))
		b.Write(wire)
		return b.Bytes()
	}
	b.WriteString("transfer-encoding: chunked\r\n\r\n")
	for len(wire) > 0 {
		n := min(10_000, len(wire))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, wire[:n])
		wire = wire[n:]
	}
	b.WriteString("0\r\n\r\n")
	return b.Bytes()
}

func (g *rig) doStreamed(p streamedPut) answer {
	g.t.Helper()
	conn := g.dial()
	defer conn.Close()
	go conn.Write(p.raw(g.t, g.addr))
	return readAnswer(g.t, bufio.NewReader(conn), "PUT")
}

// sumOf is a checksum's header for some bytes.
func sumOf(name string, data []byte) sigv4.Header {
	c := checksumByHeader(checksumPrefix + name)
	h := c.make()
	h.Write(data)
	return sigv4.Header{Name: c.header(), Value: base64.StdEncoding.EncodeToString(h.Sum(nil))}
}

func TestStreamedBodiesAreStoredWithoutTheirFraming(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(c *Config) { c.WholeObject = 12 << 20 })
	for _, n := range []int{0, 1, 65536, 200_001, 13 << 20} { // the last one goes in parts
		data := pattern(n)
		for _, p := range []streamedPut{
			{payload: signedChunks},
			{payload: signedChunks, te: true},
			{payload: signedTrailer, trailer: []sigv4.Header{sumOf("crc32c", data)}},
			{payload: unsignedTrailer, trailer: []sigv4.Header{sumOf("crc64nvme", data)}, te: true},
			{payload: unsignedTrailer, trailer: []sigv4.Header{sumOf("sha256", data)}, header: map[string]string{"x-amz-sdk-checksum-algorithm": "SHA256"}},
			{payload: unsignedTrailer},
		} {
			p.target, p.data = "/bkt/streamed", data
			a := g.doStreamed(p)
			g.want(a, 200, "")
			got := g.do(call{method: "GET", target: p.target, header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
			g.want(got, 200, "")
			if !bytes.Equal(got.body, data) {
				t.Fatalf("%d bytes, %s: read other bytes", n, p.payload)
			}
			if e := got.header.Get("Content-Encoding"); e != "" {
				t.Errorf("Content-Encoding %q was kept: it is the wire's", e)
			}
			for _, h := range p.trailer {
				if got.header.Get(h.Name) != h.Value || a.header.Get(h.Name) != h.Value || got.header.Get("x-amz-checksum-type") != "FULL_OBJECT" {
					t.Errorf("%d bytes: %s is %q on PUT and %q on GET, want %q", n, h.Name, a.header.Get(h.Name), got.header.Get(h.Name), h.Value)
				}
			}
		}
	}
}

func TestChecksumIsShownOnlyWhereAskedFor(t *testing.T) {
	g := newRig(t)
	data := []byte("123456789")
	for i := range checksums {
		name := checksums[i].name
		h := sumOf(strings.ToLower(name), data)
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: data, header: map[string]string{h.Name: h.Value}}), 200, "")
		for _, method := range []string{"GET", "HEAD"} {
			if a := g.do(call{method: method, target: "/bkt/k", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}}); a.header.Get(h.Name) != h.Value {
				t.Errorf("%s: %s is %q", method, h.Name, a.header.Get(h.Name))
			}
			if a := g.do(call{method: method, target: "/bkt/k"}); a.header.Get(h.Name) != "" {
				t.Errorf("%s shows a checksum nobody asked for", method)
			}
		}
		stored := g.store.stored("bkt", "k")
		if raw, _ := base64.StdEncoding.DecodeString(h.Value); bytes.Contains(stored, raw) {
			t.Errorf("%s of the plaintext lies in the clear", name)
		}
	}
}

func TestWrongStreamedBodyLeavesNothing(t *testing.T) {
	data := pattern(100_000)
	flipData := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for name, c := range map[string]struct {
		put    streamedPut
		status int
		code   string
	}{
		"chunk changed":          {streamedPut{payload: signedChunks, edit: flipData}, 403, "SignatureDoesNotMatch"},
		"changed, trailing CRC":  {streamedPut{payload: unsignedTrailer, trailer: []sigv4.Header{sumOf("crc32", data)}, edit: flipData}, 400, "BadDigest"},
		"wrong trailing CRC":     {streamedPut{payload: unsignedTrailer, trailer: []sigv4.Header{sumOf("crc32", data[1:])}}, 400, "BadDigest"},
		"trailer is no checksum": {streamedPut{payload: unsignedTrailer, trailer: []sigv4.Header{{Name: "x-amz-meta-a", Value: "b"}}}, 400, "InvalidRequest"},
		"CRC of another length":  {streamedPut{payload: unsignedTrailer, trailer: []sigv4.Header{{Name: "x-amz-checksum-crc32", Value: "AAAAAAA="}}}, 400, "InvalidRequest"},
		"last chunk missing":     {streamedPut{payload: signedChunks, edit: func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte("0;chunk"))] }}, 400, "IncompleteBody"},
		"trailer missing":        {streamedPut{payload: unsignedTrailer, trailer: []sigv4.Header{sumOf("crc32", data)}, edit: func(b []byte) []byte { return append(b[:bytes.LastIndex(b, []byte("x-amz"))], "\r\n"...) }}, 400, "MalformedTrailerError"},
		"not framed at all":      {streamedPut{payload: unsignedTrailer, edit: func([]byte) []byte { return data }}, 400, "IncompleteBody"},
		"bytes behind the end":   {streamedPut{payload: signedChunks, edit: func(b []byte) []byte { return append(b, "junk"...) }}, 400, "IncompleteBody"},
		"wrong hint":             {streamedPut{payload: unsignedTrailer, trailer: []sigv4.Header{sumOf("crc32", data)}, header: map[string]string{"x-amz-sdk-checksum-algorithm": "SHA1"}}, 400, "InvalidRequest"},
		"two checksums":          {streamedPut{payload: unsignedTrailer, trailer: []sigv4.Header{sumOf("crc32", data)}, header: map[string]string{"x-amz-checksum-sha1": sumOf("sha1", data).Value}}, 400, "InvalidRequest"},
	} {
		for _, te := range []bool{false, true} {
			for _, whole := range []int64{1 << 10, 64 << 20} { // in parts, and whole
				t.Run(fmt.Sprintf("%s, te %v, whole %d", name, te, whole), func(t *testing.T) {
					g := newRig(t, func(cfg *Config) { cfg.WholeObject = whole })
					p := c.put
					p.target, p.data, p.te = "/bkt/k", bytes.Clone(data), te
					g.want(g.doStreamed(p), c.status, c.code)
					if g.store.stored("bkt", "k") != nil {
						t.Error("an object was stored")
					}
				})
			}
		}
	}
}

func TestConnectionGoesOnAfterAStreamedBody(t *testing.T) {
	g := newRig(t)
	data := pattern(70_000)
	conn := g.dial()
	r := bufio.NewReader(conn)
	for i := range 4 {
		p := streamedPut{target: "/bkt/k", payload: unsignedTrailer, data: data, te: i%2 == 0, trailer: []sigv4.Header{sumOf("crc32", data)}}
		if _, err := conn.Write(append(p.raw(t, g.addr), call{method: "GET", target: "/bkt/k"}.raw(g.addr)...)); err != nil {
			t.Fatal(err)
		}
		g.want(readAnswer(t, r, "PUT"), 200, "")
		if a := readAnswer(t, r, "GET"); !bytes.Equal(a.body, data) {
			t.Fatalf("round %d: %d, %d bytes", i, a.status, len(a.body))
		}
	}
}

func TestTrailingChecksumIsKeptWhenTheBudgetIsShort(t *testing.T) {
	g := newRig(t)
	data := pattern(8 << 20)
	hold, err := g.engine.Reserve(t.Context(), g.engine.Stats().Budget/4*3)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Release()
	h := sumOf("crc32c", data)
	g.want(g.doStreamed(streamedPut{target: "/bkt/k", payload: unsignedTrailer, data: data, trailer: []sigv4.Header{h}}), 200, "")
	if a := g.do(call{method: "HEAD", target: "/bkt/k", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}}); a.header.Get(h.Name) != h.Value {
		t.Errorf("the checksum is %q", a.header.Get(h.Name))
	}
}

func TestPresignedRequests(t *testing.T) {
	g := newRig(t)
	data := pattern(5000)
	signer := sigv4.NewSigner(testAccess, testSecret, "us-west-1")
	ask := func(method, target string, body []byte, extra ...sigv4.Header) answer {
		t.Helper()
		signed, err := signer.Presign(method, g.addr, target, nil, time.Now(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nhost: %s\r\n", method, signed, g.addr)
		for _, h := range extra {
			fmt.Fprintf(&b, "%s: %s\r\n", h.Name, h.Value)
		}
		if method == "PUT" {
			fmt.Fprintf(&b, "content-length: %d\r\n", len(body))
		}
		b.WriteString("\r\n")
		b.Write(body)
		conn := g.dial()
		defer conn.Close()
		go conn.Write(b.Bytes())
		return readAnswer(t, bufio.NewReader(conn), method)
	}
	g.want(ask("PUT", "/bkt/a%20b%2Bc", data), 200, "")
	if a := ask("GET", "/bkt/a%20b%2Bc", nil); a.status != 200 || !bytes.Equal(a.body, data) {
		t.Errorf("GET: %d %s", a.status, a.code())
	}
	if a := ask("GET", "/bkt?list-type=2&prefix=a", nil); a.status != 200 || !bytes.Contains(a.body, []byte("<Size>5000</Size>")) {
		t.Errorf("LIST: %d %s", a.status, a.body)
	}
	g.want(ask("PUT", "/bkt/k", data, sigv4.Header{Name: "x-amz-copy-source", Value: "/bkt/a"}), 403, "AccessDenied")
	g.want(ask("GET", "/bkt/k?restore", nil), 501, "NotImplemented")
	g.want(ask("GET", "/secret/k", nil), 404, "NoSuchBucket")
	old, err := signer.Presign("GET", g.addr, "/bkt/a%20b%2Bc", nil, time.Now().Add(-2*time.Minute), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	conn := g.dial()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nhost: %s\r\n\r\n", old, g.addr)
	a := readAnswer(t, bufio.NewReader(conn), "GET")
	g.want(a, 403, "AccessDenied")
	if !strings.Contains(string(a.body), "Request has expired") {
		t.Errorf("%s", a.body)
	}
}
