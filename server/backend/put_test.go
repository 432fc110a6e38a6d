package backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPutSendsExactlyWhatIsPromised(t *testing.T) {
	s := newScript(t, stored)
	c := newTestClient(t, s.URL)
	body := pattern(300000)
	etag, err := put(c, body, Conditions{IfNoneMatch: true})
	if err != nil || etag != `"etag1"` {
		t.Fatalf("etag %s, error %v", etag, err)
	}
	r := s.requests()[0]
	if !bytes.Equal(r.body, body) || r.length != int64(len(body)) {
		t.Errorf("arrived %d bytes, announced %d", len(r.body), r.length)
	}
	for name, want := range map[string]string{
		"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD",
		"Content-Type":         "application/octet-stream",
		"If-None-Match":        "*",
		"User-Agent":           "s3-crypt-proxy",
		"Expect":               "100-continue",
		"Accept-Encoding":      "",
		"Content-Md5":          "",
		"Content-Encoding":     "",
		"Transfer-Encoding":    "",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for name := range r.header {
		if l := strings.ToLower(name); strings.HasPrefix(l, "x-amz-meta-") || strings.Contains(l, "checksum") && l != "x-amz-checksum-crc32c" || strings.Contains(l, "trailer") {
			t.Errorf("header %s reaches the store", name)
		}
	}
	// The sealed bytes' own checksum: a store must not take a cut connection for the end of the object.
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	if got := r.header.Get("X-Amz-Checksum-Crc32c"); got != base64.StdEncoding.EncodeToString(sum) {
		t.Errorf("the checksum is %q", got)
	}
	signed := regexp.MustCompile(`SignedHeaders=([^,]*)`).FindStringSubmatch(r.header.Get("Authorization"))
	if signed == nil || !slices.Contains(strings.Split(signed[1], ";"), "if-none-match") {
		t.Errorf("If-None-Match is not signed: %v", signed)
	}
}

func TestUnsignedPayloadAndIfMatchOverTLS(t *testing.T) {
	s := newTLSScript(t, stored)
	c := newTestClient(t, s.URL, func(c *Config) { c.CAFile = caFile(t, s.Certificate()) })
	if _, err := put(c, pattern(1000), Conditions{IfMatch: `"old"`}); err != nil {
		t.Fatal(err)
	}
	h := s.requests()[0].header
	if h.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" || h.Get("If-Match") != `"old"` || h.Get("Expect") != "" {
		t.Errorf("headers: %v", h)
	}
	if !strings.Contains(h.Get("Authorization"), ";if-match;") {
		t.Errorf("If-Match is not signed: %s", h.Get("Authorization"))
	}
}

func TestPutOfAStreamHasAKnownLength(t *testing.T) {
	s := newScript(t, stored)
	c := newTestClient(t, s.URL)
	for _, n := range []int{0, 1, 100000} {
		if _, err := c.Put(context.Background(), "bucket", "key", stream{bytes.NewReader(pattern(n))}, int64(n), Conditions{}); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		rs := s.requests()
		if r := rs[len(rs)-1]; r.length != int64(n) || !bytes.Equal(r.body, pattern(n)) || r.header.Get("Expect") != "" {
			t.Errorf("%d bytes: announced %d, arrived %d, Expect %q", n, r.length, len(r.body), r.header.Get("Expect"))
		}
	}
}

func TestPutSendsFromTheCurrentPosition(t *testing.T) {
	s := newScript(t, s3fault(503, "SlowDown", "x"), lost, stored)
	c := newTestClient(t, s.URL)
	all := pattern(5000)
	r := bytes.NewReader(all)
	r.Seek(1000, io.SeekStart)
	if _, err := c.Put(context.Background(), "bucket", "key", r, 4000, Conditions{}); err != nil {
		t.Fatal(err)
	}
	for i, r := range s.requests() {
		if !bytes.Equal(r.body, all[1000:]) {
			t.Errorf("attempt %d sent %d bytes", i+1, len(r.body))
		}
	}
}

// summed is a body that says a checksum, right or wrong.
type summed struct {
	*bytes.Reader
	sum uint32
}

func (s summed) CRC32C() uint32 { return s.sum }

// TestKnownChecksumIsSent: a body that knows its checksum is not read for it, which is the store's to prove.
func TestKnownChecksumIsSent(t *testing.T) {
	s := newScript(t, s3fault(503, "SlowDown", "x"), stored)
	c := newTestClient(t, s.URL)
	body := summed{bytes.NewReader(pattern(100_000)), 0x01020304}
	if _, err := c.Put(t.Context(), "bucket", "key", body, 100_000, Conditions{}); err != nil {
		t.Fatal(err)
	}
	body.Seek(1, io.SeekStart) // it is that of all bytes
	if _, err := c.Put(t.Context(), "bucket", "key", body, 99_999, Conditions{}); err != nil {
		t.Fatal(err)
	}
	rest := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(pattern(100_000)[1:], castagnoli)))
	r := s.requests()
	if len(r) != 3 {
		t.Fatalf("%d requests", len(r))
	}
	for i, want := range []string{"AQIDBA==", "AQIDBA==", rest} {
		if got := r[i].header.Get("X-Amz-Checksum-Crc32c"); got != want {
			t.Errorf("request %d has %q, not %q", i+1, got, want)
		}
	}
}

func TestEveryAttemptIsSignedAfresh(t *testing.T) {
	s := newScript(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(1100 * time.Millisecond) // X-Amz-Date counts seconds
		s3fault(500, "InternalError", "x")(w, r)
	}, stored)
	if _, err := put(newTestClient(t, s.URL), pattern(10), Conditions{}); err != nil {
		t.Fatal(err)
	}
	r := s.requests()
	if len(r) != 2 || r[0].header.Get("X-Amz-Date") == r[1].header.Get("X-Amz-Date") || r[0].header.Get("Authorization") == r[1].header.Get("Authorization") {
		t.Errorf("%d requests, dates %q %q", len(r), r[0].header.Get("X-Amz-Date"), r[len(r)-1].header.Get("X-Amz-Date"))
	}
}

func TestStreamIsNeverSentTwice(t *testing.T) {
	for name, st := range map[string]step{"500": s3fault(500, "InternalError", "x"), "reset": reset, "lost": lost} {
		s := newScript(t, st, stored)
		c := newTestClient(t, s.URL)
		_, err := c.Put(context.Background(), "bucket", "key", stream{bytes.NewReader(pattern(1000))}, 1000, Conditions{})
		wantKind(t, err, Busy)
		if n := len(s.requests()); n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}

// failing gives n bytes and then an error.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestFailingSourceLeavesTheRequestIncomplete(t *testing.T) {
	mine := errors.New("client's hash is wrong")
	for name, tc := range map[string]struct {
		src  io.Reader
		want error
	}{
		"fails in the middle":   {&failing{bytes.NewReader(pattern(500)), mine}, mine},
		"fails instead of EOF":  {&failing{bytes.NewReader(pattern(1000)), mine}, mine},
		"ends early":            {stream{bytes.NewReader(pattern(999))}, errShortSource},
		"goes on":               {stream{bytes.NewReader(pattern(1001))}, errLongSource},
		"is shorter, seekable":  {bytes.NewReader(pattern(999)), nil},
		"is longer, seekable":   {bytes.NewReader(pattern(1001)), nil},
		"fails with every byte": {&failing{bytes.NewReader(nil), mine}, mine},
	} {
		t.Run(name, func(t *testing.T) {
			complete := false
			s := newScript(t, func(w http.ResponseWriter, r *http.Request) {
				n, err := io.Copy(io.Discard, r.Body)
				complete = err == nil && n == 1000
				stored(w, r)
			})
			_, err := newTestClient(t, s.URL).Put(context.Background(), "bucket", "key", tc.src, 1000, Conditions{})
			wantKind(t, err, Source)
			if tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("error %v does not wrap %v", err, tc.want)
			}
			s.Close()
			if complete {
				t.Error("the store got a complete body")
			}
		})
	}
}

// blocking gives some bytes, enough to make net/http send the header, and then waits for Close.
type blocking struct {
	io.Reader
	closed chan struct{}
}

func newBlocking() *blocking {
	return &blocking{bytes.NewReader(pattern(200000)), make(chan struct{})}
}

func (b *blocking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		<-b.closed
		return 0, errors.New("closed")
	}
	return n, err
}

func (b *blocking) Close() error { close(b.closed); return nil }

func TestWaitingSourceIsWoken(t *testing.T) {
	for name, tc := range map[string]struct {
		st   step
		want Kind
	}{
		"when the store refuses":  {hasty(403, "<Error><Code>AccessDenied</Code></Error>"), Denied},
		"when the store succeeds": {hasty(200, "", "Etag", `"x"`), Busy},
		"when the caller leaves":  {silent, ClientAbort},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := newScript(t, func(w http.ResponseWriter, r *http.Request) {
				if tc.want == ClientAbort {
					cancel()
				}
				tc.st(w, r)
			})
			c := newTestClient(t, s.URL)
			done := make(chan error, 1)
			go func() {
				_, err := c.Put(ctx, "bucket", "key", newBlocking(), 1<<20, Conditions{})
				done <- err
			}()
			select {
			case err := <-done:
				wantKind(t, err, tc.want)
			case <-time.After(20 * time.Second):
				t.Fatal("Put waits for its source for ever")
			}
		})
	}
}

func TestSuccessMustLookLikeOne(t *testing.T) {
	for name, st := range map[string]step{
		"web page":          reply(200, "<html><body>welcome</body></html>", "Content-Type", "text/html", "Etag", `"x"`),
		"error in 200":      s3fault(200, "InternalError", "x", "Etag", `"x"`),
		"no ETag":           reply(200, ""),
		"empty ETag":        reply(200, "", "Etag", `""`),
		"201":               reply(201, "", "Etag", `"x"`),
		"204":               reply(204, "", "Etag", `"x"`),
		"redirect":          reply(307, "", "Location", "http://127.0.0.1:1/elsewhere"),
		"permanent":         s3fault(301, "PermanentRedirect", "x", "Location", "http://127.0.0.1:1/elsewhere"),
		"412 without asked": s3fault(412, "PreconditionFailed", "x"),
		"409 without asked": s3fault(409, "ConditionalRequestConflict", "x"),
		"404":               s3fault(404, "NoSuchKey", "x"),
		"418":               s3fault(418, "Teapot", "x"),
		"501":               s3fault(501, "NotImplemented", "x"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, st)
			_, err := put(newTestClient(t, s.URL), pattern(1000), Conditions{})
			wantKind(t, err, Busy)
		})
	}
}

func TestConditionsHaveAnAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		st   step
		want Kind
	}{
		"412": {s3fault(412, "PreconditionFailed", "x"), Precondition},
		"409": {s3fault(409, "ConditionalRequestConflict", "x"), Conflict},
		"403": {s3fault(403, "AccessDenied", "x"), Denied},
		"401": {s3fault(401, "Unauthorized", "x"), Denied},
		"400": {s3fault(400, "EntityTooLarge", "x"), Invalid},
		"nb":  {s3fault(404, "NoSuchBucket", "x"), NoBucket},
	} {
		for _, n := range []int{100, 1 << 20} {
			s := newScript(t, tc.st)
			_, err := put(newTestClient(t, s.URL), pattern(n), Conditions{IfNoneMatch: true})
			e := wantKind(t, err, tc.want)
			if len(s.requests()) != 1 || e.Attempts != 1 || e.Unsure {
				t.Errorf("%s: %d requests, %+v", name, len(s.requests()), e)
			}
		}
	}
}

func TestArgumentsAreCheckedBeforeAnyRequest(t *testing.T) {
	s := newScript(t, stored)
	c := newTestClient(t, s.URL)
	ctx := context.Background()
	body := func() io.Reader { return strings.NewReader("x") }
	for name, err := range map[string]error{
		"bucket":    second(c.Put(ctx, "evil.example:80#", "k", body(), 1, Conditions{})),
		"empty key": second(c.Put(ctx, "bucket", "", body(), 1, Conditions{})),
		"long key":  second(c.Put(ctx, "bucket", strings.Repeat("k", 1025), body(), 1, Conditions{})),
		"not UTF-8": second(c.Put(ctx, "bucket", "\xff", body(), 1, Conditions{})),
		"both":      second(c.Put(ctx, "bucket", "k", body(), 1, Conditions{IfNoneMatch: true, IfMatch: "x"})),
		"negative":  second(c.Put(ctx, "bucket", "k", body(), -1, Conditions{})),
		"nil body":  second(c.Put(ctx, "bucket", "k", nil, 0, Conditions{})),
	} {
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		wantKind(t, err, Invalid)
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func second[T any](_ T, err error) error { return err }
