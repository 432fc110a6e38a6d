package server

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// uploadForm is a browser's form of a test.
type uploadForm struct {
	conditions string // of the policy, beside those for the signature's own fields
	fields     [][2]string
	file       []byte
	filename   string
	access     string
	expires    time.Time
	body       func([]byte) []byte         // changes the rendered form
	signed     func(sigv4.Form) sigv4.Form // changes the signature
	headers    map[string]string           // of the request
	target     string
}

const testBoundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW"

func (p uploadForm) render() (body []byte) {
	at := time.Now().UTC()
	if p.expires.IsZero() {
		p.expires = at.Add(time.Minute)
	}
	if p.access == "" {
		p.access = testAccess
	}
	stamp := at.Format("20060102T150405Z")
	signer := sigv4.NewSigner(p.access, testSecret, "us-east-1")
	own := signer.SignForm("", stamp)
	doc := fmt.Sprintf(`{"expiration": %q, "conditions": [{"x-amz-algorithm": %q}, {"x-amz-credential": %q}, ["eq", "$x-amz-date", %q], {"bucket": "bkt"}%s]}`,
		p.expires.UTC().Format("2006-01-02T15:04:05.000Z"), own.Algorithm, own.Credential, own.Date, p.conditions)
	f := signer.SignForm(base64.StdEncoding.EncodeToString([]byte(doc)), stamp)
	if p.signed != nil {
		f = p.signed(f)
	}
	var b bytes.Buffer
	for _, x := range append(p.fields, [2]string{"policy", f.Policy}, [2]string{"X-Amz-Algorithm", f.Algorithm}, [2]string{"X-Amz-Credential", f.Credential}, [2]string{"X-Amz-Date", f.Date}, [2]string{"X-Amz-Signature", f.Signature}) {
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", testBoundary, x[0], x[1])
	}
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=%q\r\nContent-Type: text/evil\r\n\r\n", testBoundary, p.filename)
	b.Write(p.file)
	fmt.Fprintf(&b, "\r\n--%s--\r\n", testBoundary)
	if p.body != nil {
		return p.body(b.Bytes())
	}
	return b.Bytes()
}

// signedPolicy signs a policy as it is.
func signedPolicy(doc string) sigv4.Form {
	return sigv4.NewSigner(testAccess, testSecret, "us-east-1").SignForm(base64.StdEncoding.EncodeToString([]byte(doc)), time.Now().UTC().Format("20060102T150405Z"))
}

func (g *rig) post(p uploadForm) answer {
	g.t.Helper()
	target := p.target
	if target == "" {
		target = "/bkt"
	}
	req, err := http.NewRequest("POST", "http://"+g.addr+target, bytes.NewReader(p.render()))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+testBoundary)
	for name, v := range p.headers {
		req.Header.Set(name, v)
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, body, err, resp.Close}
}

func withForms(c *Config) { c.PostForms = true }

func TestFormsStoreWhatTheyCarry(t *testing.T) {
	g := newRig(t, withForms, func(c *Config) { c.WholeObject = 6 << 20 })
	for _, n := range []int{0, 1, 100, maxForm - 2000, maxForm, 100_000, 8 << 20} {
		file := pattern(n)
		a := g.post(uploadForm{conditions: `, ["starts-with", "$key", "up/"], ["starts-with", "$Content-Type", "image/"], {"x-amz-meta-a": "b"}, ["content-length-range", 0, "9000000"]`,
			fields: [][2]string{{"key", "up/${filename}"}, {"Content-Type", "image/png"}, {"X-Amz-Meta-A", "b"}, {"x-ignore-this", "c"}}, file: file, filename: `C:\dir\a b.png`})
		if g.want(a, 204, ""); a.header.Get("Location") != "http://"+g.addr+"/bkt/up/a%20b.png" {
			t.Errorf("%v", a.header)
		}
		got := g.get("/bkt/up/a%20b.png")
		if !bytes.Equal(got.body, file) || got.header.Get("Content-Type") != "image/png" || got.header.Get("X-Amz-Meta-A") != "b" || got.header.Get("ETag") != a.header.Get("ETag") {
			t.Errorf("%d bytes: %d, %d bytes, %v", n, got.status, len(got.body), got.header)
		}
	}
	// What looks like the end of the form and is none, at every place of a read.
	file := bytes.Repeat([]byte("\r\n--"+testBoundary[:len(testBoundary)-1]+"\r\n----"), 3000)
	g.want(g.post(uploadForm{conditions: `, {"key": "odd"}`, fields: [][2]string{{"key", "odd"}}, file: file}), 204, "")
	if got := g.get("/bkt/odd"); !bytes.Equal(got.body, file) {
		t.Errorf("%d bytes of %d", len(got.body), len(file))
	}
}

func TestFormsAreAnsweredAsTheyWish(t *testing.T) {
	g := newRig(t, withForms)
	post := func(name, value string) answer {
		return g.post(uploadForm{conditions: fmt.Sprintf(`, {"key": "a&b"}, [ "starts-with", "$%s", ""]`, name), fields: [][2]string{{"key", "a&b"}, {name, value}}, file: []byte("x")})
	}
	for status, want := range map[string]int{"200": 200, "201": 201, "204": 204, "500": 204} {
		if a := post("success_action_status", status); a.status != want || (len(a.body) > 0) != (want == 201) || want == 201 && !strings.Contains(string(a.body), "<Key>a&amp;b</Key>") {
			t.Errorf("%s: %d %s", status, a.status, a.body)
		}
	}
	a := post("success_action_redirect", "https://app.example.com/done?x=1")
	if a.status != 303 || !strings.HasPrefix(a.header.Get("Location"), "https://app.example.com/done?bucket=bkt&etag=%22") || !strings.HasSuffix(a.header.Get("Location"), "&key=a%26b&x=1") {
		t.Errorf("%d %v", a.status, a.header)
	}
	for _, bad := range []string{"javascript:alert(1)", "//evil", "nonsense", "https:"} {
		if a := post("success_action_redirect", bad); a.status != 204 {
			t.Errorf("%s: %d %v", bad, a.status, a.header)
		}
	}
}

// TestFormsAreHeldToTheirPolicy: what the policy does not allow, or is not signed, is
// refused before the backend hears of it.
func TestFormsAreHeldToTheirPolicy(t *testing.T) {
	g := withGrants(t, map[string]Grant{"reader": {Access: ReadOnly}, "below": {Prefixes: []string{"mine/"}}, "append": {Access: AppendOnly}}, withForms, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	g.put("/bkt/k", []byte("stands"))
	good := uploadForm{conditions: `, {"key": "k"}`, fields: [][2]string{{"key", "k"}}, file: []byte("hello")}
	before := g.store.count()
	for name, f := range map[string]struct {
		change func(*uploadForm)
		status int
		code   string
	}{
		"expired":              {func(p *uploadForm) { p.expires = time.Now().Add(-time.Second) }, 403, "AccessDenied"},
		"another key":          {func(p *uploadForm) { p.fields[0][1] = "l" }, 403, "AccessDenied"},
		"another prefix":       {func(p *uploadForm) { p.conditions = `, ["starts-with", "$key", "x"]` }, 403, "AccessDenied"},
		"no condition for key": {func(p *uploadForm) { p.conditions = "" }, 403, "AccessDenied"},
		"no bucket": {func(p *uploadForm) {
			p.signed = func(sigv4.Form) sigv4.Form {
				return signedPolicy(`{"expiration": "2100-01-01T00:00:00Z", "conditions": [["starts-with", "$key", ""], ["starts-with", "$x-amz-algorithm", ""], ["starts-with", "$x-amz-date", ""], ["starts-with", "$x-amz-credential", ""]]}`)
			}
		}, 403, "AccessDenied"},
		"an uncovered field":   {func(p *uploadForm) { p.fields = append(p.fields, [2]string{"x-amz-meta-a", "b"}) }, 403, "AccessDenied"},
		"a missing field":      {func(p *uploadForm) { p.conditions += `, {"acl": "private"}` }, 403, "AccessDenied"},
		"too large":            {func(p *uploadForm) { p.conditions += `, ["content-length-range", 0, 4]` }, 400, "EntityTooLarge"},
		"too small":            {func(p *uploadForm) { p.conditions += `, ["content-length-range", 6, 9]` }, 400, "EntityTooSmall"},
		"an unknown condition": {func(p *uploadForm) { p.conditions += `, ["ends-with", "$key", "k"]` }, 400, "InvalidPolicyDocument"},
		"a broken condition":   {func(p *uploadForm) { p.conditions += `, ["eq", "key", "k", "l"]` }, 400, "InvalidPolicyDocument"},
		"a negative range":     {func(p *uploadForm) { p.conditions += `, ["content-length-range", -1, 9]` }, 400, "InvalidPolicyDocument"},
		"broken JSON":          {func(p *uploadForm) { p.conditions += `]` }, 400, "InvalidPolicyDocument"},
		"wrong signature": {func(p *uploadForm) {
			p.signed = func(f sigv4.Form) sigv4.Form { f.Signature = strings.Repeat("0", 64); return f }
		}, 403, "SignatureDoesNotMatch"},
		"another policy": {func(p *uploadForm) { p.signed = func(f sigv4.Form) sigv4.Form { f.Policy = "e30="; return f } }, 403, "SignatureDoesNotMatch"},
		"no policy":      {func(p *uploadForm) { p.signed = func(sigv4.Form) sigv4.Form { return sigv4.Form{} } }, 400, "InvalidPolicyDocument"},
		"another date": {func(p *uploadForm) {
			p.signed = func(f sigv4.Form) sigv4.Form { f.Date = "20200101T000000Z"; return f }
		}, 400, "InvalidArgument"},
		"unknown key":    {func(p *uploadForm) { p.access = "NOBODY" }, 403, "InvalidAccessKeyId"},
		"a reader":       {func(p *uploadForm) { p.access = "reader" }, 403, "AccessDenied"},
		"beside its own": {func(p *uploadForm) { p.access = "below" }, 403, "AccessDenied"},
		"foreign bucket": {func(p *uploadForm) { p.target = "/other" }, 403, "AccessDenied"},
		"twice signed":   {func(p *uploadForm) { p.headers = map[string]string{"Authorization": "AWS4-HMAC-SHA256 x"} }, 400, "InvalidArgument"},
		"no key":         {func(p *uploadForm) { p.fields = nil }, 400, "InvalidArgument"},
		"key twice":      {func(p *uploadForm) { p.fields = append(p.fields, p.fields[0]) }, 400, "MalformedPOSTRequest"},
		"tagging": {func(p *uploadForm) {
			p.conditions += `, ["starts-with", "$tagging", ""]`
			p.fields = append(p.fields, [2]string{"tagging", "a=b"})
		}, 400, "MalformedXML"},
		"a token": {func(p *uploadForm) { p.fields = append(p.fields, [2]string{"x-amz-security-token", "x"}) }, 400, "InvalidToken"},
		"a line break": {func(p *uploadForm) {
			p.conditions += `, ["starts-with", "$x-amz-meta-a", ""]`
			p.fields = append(p.fields, [2]string{"x-amz-meta-a", "b\r\nx-amz-acl: public-read"})
		}, 400, "InvalidArgument"},
		"fields without end": {func(p *uploadForm) {
			p.fields = append(p.fields, [2]string{"x-ignore-a", strings.Repeat("x", maxForm)})
		}, 400, "MalformedPOSTRequest"},
		"no boundary":      {func(p *uploadForm) { p.headers = map[string]string{"Content-Type": "multipart/form-data"} }, 400, "MalformedPOSTRequest"},
		"another boundary": {func(p *uploadForm) { p.headers = map[string]string{"Content-Type": "multipart/form-data; boundary=x"} }, 400, "MalformedPOSTRequest"},
		"nothing":          {func(p *uploadForm) { p.body = func([]byte) []byte { return nil } }, 400, "MalformedPOSTRequest"},
		"no file": {func(p *uploadForm) {
			p.body = func(b []byte) []byte { return bytes.Replace(b, []byte(`name="file"`), []byte(`name="fil"`), 1) }
		}, 400, "MalformedPOSTRequest"},
		"cut in the file": {func(p *uploadForm) { p.body = func(b []byte) []byte { return b[:bytes.Index(b, []byte("hello"))+2] } }, 400, "MalformedPOSTRequest"},
	} {
		p := good
		p.fields = [][2]string{good.fields[0]}
		f.change(&p)
		if a := g.post(p); a.status != f.status || a.code() != f.code {
			t.Errorf("%s: %d %s %s, want %d %s", name, a.status, a.code(), a.body, f.status, f.code)
		}
		if got := g.store.callsSince(before); len(got) != 0 {
			t.Fatalf("%s: the backend was asked: %v", name, got)
		}
	}
	// What only the end of the body tells leaves nothing.
	for name, change := range map[string]func([]byte) []byte{
		"cut":         func(b []byte) []byte { return b[:len(b)-len(testBoundary)-4] },
		"another end": func(b []byte) []byte { return append(b[:len(b)-4], "xx\r\n"...) },
	} {
		for _, size := range []int{10, 100_000, 3 << 20} {
			p := good
			p.conditions, p.fields = `, {"key": "new"}`, [][2]string{{"key", "new"}}
			p.file, p.body = pattern(size), change
			g.want(g.post(p), 400, "MalformedPOSTRequest")
			g.want(g.get("/bkt/new"), 404, "NoSuchKey")
			_ = name
		}
	}
	// An append-only client's form replaces nothing; other conditions of the browser's
	// own headers mean nothing.
	p := good
	p.access = "append"
	g.want(g.post(p), 403, "AccessDenied")
	if got := g.get("/bkt/k"); string(got.body) != "stands" {
		t.Error("replaced")
	}
	good.headers = map[string]string{"If-None-Match": "*", "x-amz-meta-evil": "1"}
	g.want(g.post(good), 204, "")
	if got := g.get("/bkt/k"); string(got.body) != "hello" || got.header.Get("X-Amz-Meta-Evil") != "" {
		t.Errorf("%s %v", got.body, got.header)
	}
}

// TestFormsIgnoreWhatFollowsTheFile: the file is what lies before the first boundary, and
// its policy is held to that. A form that is not read whole must end with its file.
func TestFormsIgnoreWhatFollowsTheFile(t *testing.T) {
	g := newRig(t, func(c *Config) { c.PostForms, c.WholeObject = true, 1<<20 })
	for name, change := range map[string]func([]byte) []byte{
		"the button": func(b []byte) []byte {
			return append(bytes.TrimSuffix(b, []byte("--\r\n")), "\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nUpload\r\n--"+testBoundary+"--\r\n"...)
		},
		"another file": func(b []byte) []byte {
			return append(bytes.TrimSuffix(b, []byte("--\r\n")), "\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nother\r\n--"+testBoundary+"--\r\n"...)
		},
		"another key": func(b []byte) []byte {
			return append(bytes.TrimSuffix(b, []byte("--\r\n")), "\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nother\r\n--"+testBoundary+"--\r\n"...)
		},
		"no last line end": func(b []byte) []byte { return bytes.TrimSuffix(b, []byte("\r\n")) },
		"junk":             func(b []byte) []byte { return append(b, "tail data"...) },
	} {
		for _, size := range []int{0, 10, 100_000, 2 << 20} {
			p := uploadForm{conditions: fmt.Sprintf(`, {"key": "new"}, ["content-length-range", %d, %d]`, size, size), fields: [][2]string{{"key", "new"}}, file: pattern(size), body: change}
			a := g.post(p)
			if size > 1<<20 {
				if a.status != 400 || g.store.stored("bkt", "new") != nil {
					t.Errorf("%s, %d bytes: %d %s", name, size, a.status, a.body)
				}
				continue
			}
			g.want(a, 204, "")
			if got := g.get("/bkt/new"); !bytes.Equal(got.body, p.file) {
				t.Errorf("%s, %d bytes: read %d bytes", name, size, len(got.body))
			}
			g.want(g.do(call{method: "DELETE", target: "/bkt/new"}), 204, "")
		}
	}
	if g.store.stored("bkt", "other") != nil {
		t.Error("a key behind the file was taken")
	}
	if used := g.engine.Stats().BudgetUsed; used != 0 {
		t.Errorf("%d bytes of the budget are not given back", used)
	}
}

func TestFormsAreOffByDefault(t *testing.T) {
	g := newRig(t)
	before := g.store.count()
	g.want(g.post(uploadForm{conditions: `, {"key": "k"}`, fields: [][2]string{{"key", "k"}}, file: []byte("x")}), 403, "AccessDenied")
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Fatalf("the backend was asked: %v", got)
	}
}

func FuzzForm(f *testing.F) {
	f.Add(uploadForm{fields: [][2]string{{"key", "k"}}, file: []byte("x"), filename: "a"}.render(), testBoundary)
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=file\r\n\r\n"), "b")
	f.Fuzz(func(t *testing.T, front []byte, boundary string) {
		got, err := parseForm(front, boundary)
		if err != nil {
			return
		}
		if got.fileAt > len(front) || !bytes.HasSuffix(front[:got.fileAt], []byte("\r\n\r\n")) || strings.ContainsAny(got.filename, `/\`) {
			t.Fatalf("%q: %+v", front, got)
		}
		size := 0
		for name, v := range got.fields {
			size += len(v)
			if name != strings.ToLower(name) || strings.Contains(v, "\r\n--"+boundary) {
				t.Fatalf("%q: %q", name, v)
			}
		}
		if size > len(front) {
			t.Fatal("more than there was")
		}
	})
}

func FuzzPolicy(f *testing.F) {
	for _, doc := range []string{`{"expiration":"2030-01-01T00:00:00Z","conditions":[{"key":"k"},["starts-with","$a",""],["content-length-range",1,"2"]]}`, `{}`, `{"expiration":1,"conditions":[[[]]]}`, `{"expiration":"2030-01-01T00:00:00Z","conditions":[null,{"a":1}]}`} {
		f.Add(doc)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := parsePolicy(base64.StdEncoding.EncodeToString([]byte(doc)))
		if err != nil {
			return
		}
		for _, c := range p.conditions {
			if c.kind == 0 || c.min < 0 || c.max < 0 || c.field != strings.ToLower(c.field) {
				t.Fatalf("%q: %+v", doc, c)
			}
		}
		// A field that nobody can have known is allowed by no policy that does not name it.
		const name = "x-amz-meta-unheard-of"
		if !strings.Contains(strings.ToLower(doc), "unheard") && p.check(map[string]string{name: "x"}, 1, now) == nil {
			t.Fatalf("%q allows %s", doc, name)
		}
	})
}

// TestFormsOfStrangersAreBounded: whoever sends the front of a form, slowly and unsigned,
// takes nothing of the byte budget, and only so much else. Other requests go on, and forms
// do again when there is room.
func TestFormsOfStrangersAreBounded(t *testing.T) {
	g := newRig(t, withForms)
	g.s.formWait = 50 * time.Millisecond
	form := uploadForm{conditions: `, {"key": "k"}`, fields: [][2]string{{"key", "k"}}, file: []byte("x")}
	var slow []io.Closer
	for range maxForms {
		conn := g.dial()
		fmt.Fprintf(conn, "POST /bkt HTTP/1.1\r\nHost: %s\r\nContent-Type: multipart/form-data; boundary=%s\r\nContent-Length: 100000\r\n\r\n--%s\r\n", g.addr, testBoundary, testBoundary)
		slow = append(slow, conn)
	}
	deadline := time.Now().Add(20 * time.Second)
	for len(g.s.forms) < maxForms {
		if time.Now().After(deadline) {
			t.Fatalf("%d forms are being read", len(g.s.forms))
		}
		time.Sleep(time.Millisecond)
	}
	if used := g.engine.Stats().BudgetUsed; used != 0 {
		t.Errorf("strangers have taken %d bytes of the budget", used)
	}
	g.want(g.post(form), 503, "SlowDown")
	g.put("/bkt/other", []byte("x"))
	for _, c := range slow {
		c.Close()
	}
	for a := g.post(form); a.status != 204; a = g.post(form) {
		if g.want(a, 503, "SlowDown"); time.Now().After(deadline) {
			t.Fatal("no form is read any more")
		}
	}
	if used := g.engine.Stats().BudgetUsed; used != 0 {
		t.Errorf("%d bytes of the budget are not given back", used)
	}
}
