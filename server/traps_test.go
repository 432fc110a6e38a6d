package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Each test here is one trap of fasthttp, reproduced once and closed for ever.

// Trap 1: a handler that answers early leaves the body on the wire, and
// fasthttp parses it as the next request.
func TestUnreadBodyIsNotTheNextRequest(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/secret", []byte("must not be served"))
	smuggled := call{method: "GET", target: "/bkt/secret"}.raw(g.addr)
	for name, c := range map[string]call{
		"bad signature":   {method: "PUT", target: "/bkt/k", body: smuggled, access: "WRONGKEY"},
		"foreign":         {method: "PUT", target: "/" + strings.Repeat("x", 70) + "/k", body: smuggled},
		"unknown op":      {method: "PUT", target: "/bkt/k?tagging", body: smuggled},
		"body on GET":     {method: "GET", target: "/bkt/k", body: smuggled, header: map[string]string{"content-length": fmt.Sprint(len(smuggled))}},
		"body on DELETE":  {method: "DELETE", target: "/bkt/none", body: smuggled, header: map[string]string{"content-length": fmt.Sprint(len(smuggled))}},
		"unknown header":  {method: "PUT", target: "/bkt/k", body: smuggled, header: map[string]string{"x-amz-tagging": "a=b"}},
		"wrong condition": {method: "PUT", target: "/bkt/k", body: smuggled, header: map[string]string{"if-match": `"nope"`}},
	} {
		t.Run(name, func(t *testing.T) {
			conn := g.dial()
			conn.Write(c.raw(g.addr))
			conn.(interface{ CloseWrite() error }).CloseWrite()
			all, _ := io.ReadAll(conn)
			if n := bytes.Count(all, []byte("HTTP/1.1 ")); n != 1 {
				t.Fatalf("%d answers to one request:\n%s", n, all)
			}
			if bytes.Contains(all, []byte("must not be served")) {
				t.Fatal("the body ran as a request")
			}
		})
	}
}

// Trap 2: a body cut short ends in a clean io.EOF.
func TestTruncatedBodyIsIncomplete(t *testing.T) {
	g := newRig(t)
	c := call{method: "PUT", target: "/bkt/k", body: pattern(20_000)}
	n := 100_000
	c.length = &n
	conn := g.dial()
	conn.Write(c.raw(g.addr))
	conn.(interface{ CloseWrite() error }).CloseWrite()
	g.want(readAnswer(t, bufio.NewReader(conn), "PUT"), 400, "IncompleteBody")
	if g.store.stored("bkt", "k") != nil {
		t.Fatal("a truncated body became an object")
	}
}

// Trap 3: MaxRequestBodySize does not hold in stream mode.
func TestOversizedLengthIsRefusedBeforeTheBody(t *testing.T) {
	g := newRig(t, func(c *Config) { c.MaxObject, c.ProgressTimeout = 1<<20, time.Second }) // the rest is awaited as long
	n := 1<<20 + 1
	conn := g.dial()
	conn.Write(call{method: "PUT", target: "/bkt/k", length: &n, body: []byte("x")}.raw(g.addr))
	before := g.store.count()
	a := readAnswer(t, bufio.NewReader(conn), "PUT")
	g.want(a, 400, "EntityTooLarge")
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Fatalf("the backend was asked: %v", got)
	}
}

// Trap 4: Content-Length beside Transfer-Encoding is accepted by fasthttp, and
// repeated or chunked framing can be read two ways.
func TestAmbiguousFramingIsRefused(t *testing.T) {
	g := newRig(t)
	for name, edit := range map[string]func(string) string{
		"CL and TE":   func(h string) string { return h + "Transfer-Encoding: chunked\r\n" },
		"TE and CL":   func(h string) string { return strings.Replace(h, "\r\n", "\r\nTransfer-Encoding: chunked\r\n", 1) },
		"two CL":      func(h string) string { return h + "Content-Length: 3\r\n" },
		"two CL same": func(h string) string { return h + "Content-Length: 5\r\n" },
		"two Host":    func(h string) string { return h + "Host: elsewhere\r\n" },
		"TE odd":      func(h string) string { return h + "Transfer-Encoding: xchunked\r\n" },
		"folded":      func(h string) string { return h + "X-Fold: a\r\n b\r\n" },
		"bare CR":     func(h string) string { return h + "X-Cr: a\rb\r\n" },
		"NUL":         func(h string) string { return h + "X-Nul: a\x00b\r\n" },
		"no colon":    func(h string) string { return h + "nocolon\r\n" },
		"space colon": func(h string) string { return h + "Content-Length : 5\r\n" },
		"negative CL": func(h string) string {
			return strings.Replace(h, "content-length: 5", "content-length: -5", 1)
		},
		"plus CL": func(h string) string { return strings.Replace(h, "content-length: 5", "content-length: +5", 1) },
		"huge CL": func(h string) string {
			return strings.Replace(h, "content-length: 5", "content-length: 99999999999999999999", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := g.store.count()
			conn := g.dial()
			conn.Write(call{method: "PUT", target: "/bkt/k", body: []byte("hello"), edit: edit}.raw(g.addr))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil && resp.StatusCode/100 == 2 {
				t.Fatalf("accepted: %d", resp.StatusCode)
			}
			if err == nil && !resp.Close {
				t.Error("the connection stays open after broken framing")
			}
			if got := g.store.callsSince(before); len(got) != 0 {
				t.Fatalf("the backend was asked: %v", got)
			}
		})
	}
}

// Trap 4b: a body without a length.
func TestChunkedBodyNeedsALength(t *testing.T) {
	g := newRig(t)
	conn := g.dial()
	c := call{method: "PUT", target: "/bkt/k", header: map[string]string{"content-length": "", "transfer-encoding": "chunked"}}
	conn.Write(c.raw(g.addr))
	conn.Write([]byte("5\r\nhello\r\n0\r\n\r\n"))
	g.want(readAnswer(t, bufio.NewReader(conn), "PUT"), 411, "MissingContentLength")
}

// Trap 5: Expect: 100-continue is answered before the handler runs; the
// signature still decides before the body is stored.
func TestExpectContinue(t *testing.T) {
	g := newRig(t)
	for _, access := range []string{testAccess, "WRONGKEY"} {
		conn := g.dial()
		raw := call{method: "PUT", target: "/bkt/k", body: []byte("hello"), access: access,
			edit: func(h string) string { return h + "Expect: 100-continue\r\n" }}.raw(g.addr)
		conn.Write(raw[:len(raw)-5])
		r := bufio.NewReader(conn)
		if line, _ := r.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100") {
			t.Fatalf("no 100 Continue: %q", line)
		}
		r.ReadString('\n')
		conn.Write([]byte("hello"))
		a := readAnswer(t, r, "PUT")
		if (access == testAccess) != (a.status == 200) {
			t.Errorf("%s: %d", access, a.status)
		}
	}
}

// Trap 6: Path() collapses `//`, resolves `..` and decodes %2F; what is signed
// and stored is the raw target.
func TestRawTargetIsTheKey(t *testing.T) {
	g := newRig(t)
	for target, key := range map[string]string{
		"/bkt/a//b":                         "a//b",
		"/bkt/a/..b/.c/...":                 "a/..b/.c/...",
		"/bkt/a%2Fb":                        "a/b",
		"/bkt/a%252Fb":                      "a%2Fb",
		"/bkt/2025-07-14T14%3A20%3A02Z/x":   "2025-07-14T14:20:02Z/x",
		"/bkt/a+b":                          "a+b",
		"/bkt/a%20b":                        "a b",
		"/bkt/q%3Fx=1":                      "q?x=1",
		"/bkt/%C3%A4":                       "ä",
		"/bkt/a/":                           "a/",
		"/bkt//lead":                        "/lead",
		"/bkt/" + strings.Repeat("k", 1024): strings.Repeat("k", 1024),
	} {
		body := []byte(key)
		g.put(target, body)
		if g.store.stored("bkt", key) == nil {
			t.Errorf("%s was not stored as %q", target, key)
		}
		if a := g.get(target); a.status != 200 || !bytes.Equal(a.body, body) {
			t.Errorf("%s: %d %q", target, a.status, a.body)
		}
	}
	for target, code := range map[string]string{
		"/bkt/%zz":                          "InvalidURI",
		"/bkt/%2":                           "InvalidURI",
		"/bkt/%00":                          "InvalidURI",
		"/bkt/%ff":                          "InvalidURI",
		"/bkt/" + strings.Repeat("k", 1025): "KeyTooLongError",
		"/bkt/_objcryptproxy___.json":       "AccessDenied",
		"/bkt/_objcryptproxy___/mpu/x":      "AccessDenied",
		"/bkt//_objcryptproxy___.json":      "AccessDenied",
		"/bkt/./_objcryptproxy___.json":     "AccessDenied",
		"/bkt/a/../_objcryptproxy___.json":  "AccessDenied",
		"/BKT/k":                            "InvalidBucketName",
		"/a..b/k":                           "InvalidBucketName",
		"/host:1%23/k":                      "InvalidBucketName",
		"/%2e%2e/k":                         "InvalidBucketName",
	} {
		before := g.store.count()
		if a := g.do(call{method: "PUT", target: target, body: []byte("x")}); a.code() != code {
			t.Errorf("%s: %d %s, want %s", target, a.status, a.code(), code)
		}
		if got := g.store.callsSince(before); len(got) != 0 {
			t.Errorf("%s: the backend was asked: %v", target, got)
		}
	}
}

// Trap 6b: absolute-form targets arrive raw.
func TestAbsoluteTargetIsRefused(t *testing.T) {
	g := newRig(t)
	absolute := func(h string) string { return strings.Replace(h, "GET /", "GET http://"+g.addr+"/", 1) }
	g.want(g.do(call{method: "GET", target: "/bkt/k", edit: absolute}), 400, "InvalidURI")
}

// Trap 7: header names are normalised; values of user metadata survive.
func TestMetadataRoundTrip(t *testing.T) {
	g := newRig(t)
	h := map[string]string{
		"content-type": "text/plain; charset=utf-8", "cache-control": "no-store", "content-disposition": `attachment; filename="a b"`,
		"content-encoding": "gzip", "content-language": "de", "expires": "Thu, 01 Dec 2033 16:00:00 GMT",
		"x-amz-meta-one": "1", "x-amz-meta-two-words": "a  b",
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: h}), 200, "")
	for _, m := range []string{"GET", "HEAD"} {
		a := g.do(call{method: m, target: "/bkt/k"})
		for name, v := range h {
			if got := a.header.Get(name); got != v {
				t.Errorf("%s: %s is %q, want %q", m, name, got, v)
			}
		}
	}
	if bytes.Contains(g.store.stored("bkt", "k"), []byte("no-store")) {
		t.Error("metadata lies unsealed at the backend")
	}
	big := map[string]string{"x-amz-meta-big": strings.Repeat("v", 2000)}
	g.want(g.do(call{method: "PUT", target: "/bkt/k2", body: []byte("x"), header: big}), 400, "MetadataTooLarge")
}

// Trap 8: multipart/form-data bodies are swallowed unless pre-parsing is off.
func TestFormBodyIsStoredAsItIs(t *testing.T) {
	g := newRig(t)
	body := []byte("--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b--\r\n")
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: body, header: map[string]string{"content-type": "multipart/form-data; boundary=b"}}), 200, "")
	if a := g.get("/bkt/k"); !bytes.Equal(a.body, body) {
		t.Fatalf("%q came back", a.body)
	}
}

// Trap 9: the read buffer is the header limit.
func TestHeaderLimit(t *testing.T) {
	g := newRig(t)
	ok := map[string]string{"x-ignored": strings.Repeat("v", 7000)}
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: ok}), 200, "")
	conn := g.dial()
	go conn.Write(call{method: "PUT", target: "/bkt/k", edit: func(h string) string { return h + "X-Ignored: " + strings.Repeat("v", 64<<10) + "\r\n" }}.raw(g.addr))
	a := readAnswer(t, bufio.NewReader(conn), "PUT")
	if a.status != 400 || !a.close {
		t.Fatalf("%d %v", a.status, a.header)
	}
}

// Trap 10: Shutdown hangs on a connection that never sent a byte.
func TestShutdownWithAnIdleConnection(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.dial()
	g.until("the connection is there", func() bool { return g.value("client_connections") >= 1 })
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := timeout(time.Second)
		defer cancel()
		g.s.Shutdown(ctx)
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Shutdown hangs")
	}
}

// Trap 11: deadlines cover the progress of a body, not the whole of it.
func TestSlowButMovingUploadIsServed(t *testing.T) {
	t.Parallel()
	const progress = 800 * time.Millisecond
	g := newRig(t, func(c *Config) { c.ProgressTimeout = progress; c.HeaderTimeout = progress })
	body := pattern(6 * 64 << 10)
	upload := func() (answer, time.Duration) {
		raw := call{method: "PUT", target: "/bkt/slow", body: body}.raw(g.addr)
		head := len(raw) - len(body)
		conn := g.dial()
		conn.Write(raw[:head])
		began := time.Now()
		for i := 0; i < len(body); i += 64 << 10 {
			time.Sleep(progress / 4)
			conn.Write(body[i : i+64<<10])
		}
		return readAnswer(t, bufio.NewReader(conn), "PUT"), time.Since(began)
	}
	// A machine that stands still for longer than the deadline cuts one; it does not do so ten times.
	for range 10 {
		a, took := upload()
		if took <= progress {
			t.Fatalf("it took %v only", took)
		}
		if a.status == 200 {
			return
		}
		t.Logf("%d %s after %v", a.status, a.code(), took)
	}
	t.Error("no upload that moves is served")
}

func TestStalledUploadIsCut(t *testing.T) {
	g := newRig(t, func(c *Config) { c.ProgressTimeout = 300 * time.Millisecond })
	raw := call{method: "PUT", target: "/bkt/stalled", body: pattern(1 << 20)}.raw(g.addr)
	conn := g.dial()
	conn.Write(raw[:len(raw)-1000])
	g.want(readAnswer(t, bufio.NewReader(conn), "PUT"), 400, "RequestTimeout")
	g.until("the budget is free", func() bool { return g.engine.Stats().BudgetUsed == 0 })
}

// Trap 12: a body stream shorter than announced must break the connection:
// TestTamperedTailBreaksTheConnection.

// Trap 13: pipelined requests are answered in order.
func TestPipelinedRequests(t *testing.T) {
	g := newRig(t)
	conn := g.dial()
	var raw []byte
	for i := range 5 {
		raw = append(raw, call{method: "PUT", target: fmt.Sprintf("/bkt/p%d", i), body: pattern(1000 * i)}.raw(g.addr)...)
	}
	for i := range 5 {
		raw = append(raw, call{method: "GET", target: fmt.Sprintf("/bkt/p%d", i)}.raw(g.addr)...)
	}
	go conn.Write(raw)
	r := bufio.NewReader(conn)
	for range 5 {
		g.want(readAnswer(t, r, "PUT"), 200, "")
	}
	for i := range 5 {
		if a := readAnswer(t, r, "GET"); !bytes.Equal(a.body, pattern(1000*i)) {
			t.Fatalf("answer %d is another one's", i)
		}
	}
}
