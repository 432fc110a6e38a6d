package backend

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

var ctx = context.Background()

func TestMultipartRequests(t *testing.T) {
	s := newScript(t,
		reply(200, "<InitiateMultipartUploadResult><UploadId>id1</UploadId></InitiateMultipartUploadResult>"),
		stored,
		reply(200, `<CopyPartResult><ETag>"c"</ETag></CopyPartResult>`),
		reply(200, `<?xml version="1.0"?>`+"\n   "+`<CompleteMultipartUploadResult><ETag>"m-2"</ETag></CompleteMultipartUploadResult>`),
		reply(200, "", "Etag", `"m-2"`),
		early(204, ""))
	c := newTestClient(t, s.URL)
	id, err := c.CreateUpload(ctx, "bucket", "key")
	if err != nil || id != "id1" {
		t.Fatal(id, err)
	}
	if e, err := c.UploadPart(ctx, "bucket", "key", id, 2, bytes.NewReader(pattern(1000)), 1000); err != nil || e != `"etag1"` {
		t.Error(e, err)
	}
	if e, err := c.CopyPart(ctx, "bucket", "key", id, 1, CopySource{Bucket: "src-bucket", Key: "a//b%41+?é", IfMatch: `"old"`}, Range{5, 9}); err != nil || e != `"c"` {
		t.Error(e, err)
	}
	if e, err := c.CompleteUpload(ctx, "bucket", "key", id, []Part{{2, `"etag1"`}, {1, `"c"`}}, Conditions{IfNoneMatch: true}); err != nil || e.ETag != `"m-2"` {
		t.Error(e, err)
	}
	if err := c.AbortUpload(ctx, "bucket", "key", id); err != nil {
		t.Error(err)
	}
	r := s.requests()
	if ct := r[0].header.Get("Content-Type"); ct != "application/octet-stream" {
		t.Errorf("created with type %q", ct)
	}
	if !bytes.Equal(r[1].body, pattern(1000)) || r[1].header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" || !strings.Contains(r[1].target, "partNumber=2") {
		t.Errorf("part: %+v", r[1])
	}
	h := r[2].header
	if h.Get("X-Amz-Copy-Source") != "src-bucket/a//b%2541%2B%3F%C3%A9" || h.Get("X-Amz-Copy-Source-Range") != "bytes=5-9" || h.Get("X-Amz-Copy-Source-If-Match") != `"old"` {
		t.Errorf("copy: %v", h)
	}
	if doc := string(r[3].body); strings.Index(doc, "<PartNumber>1<") > strings.Index(doc, "<PartNumber>2<") || r[3].header.Get("If-None-Match") != "*" {
		t.Errorf("complete: %s", doc)
	}
}

func TestMultipartFaults(t *testing.T) {
	parts := []Part{{1, `"e"`}}
	part := func(c *Client) error {
		return second(c.UploadPart(ctx, "bucket", "key", "id", 1, bytes.NewReader(pattern(9)), 9))
	}
	copyPart := func(c *Client) error {
		return second(c.CopyPart(ctx, "bucket", "key", "id", 1, CopySource{Bucket: "bucket", Key: "src", IfMatch: `"e"`}, Range{0, 9}))
	}
	complete := func(c *Client) error {
		return second(c.CompleteUpload(ctx, "bucket", "key", "id", parts, Conditions{IfMatch: `"x"`}))
	}
	create := func(c *Client) error { return second(c.CreateUpload(ctx, "bucket", "key")) }
	abort := func(c *Client) error { return c.AbortUpload(ctx, "bucket", "key", "id") }
	for name, tc := range map[string]struct {
		do   func(*Client) error
		st   step
		want Kind
	}{
		"create: error in 200":          {create, s3fault(200, "InternalError", "x"), Busy},
		"create: no id":                 {create, reply(200, "<InitiateMultipartUploadResult><Key>key</Key></InitiateMultipartUploadResult>"), Busy},
		"create: web page":              {create, reply(200, "<html></html>"), Busy},
		"part: no upload":               {part, s3fault(404, "NoSuchUpload", "x"), Invalid},
		"part: no ETag":                 {part, reply(200, ""), Busy},
		"part: 412":                     {part, s3fault(412, "PreconditionFailed", "x"), Busy},
		"copy: error in 200":            {copyPart, s3fault(200, "InternalError", "x"), Busy},
		"copy: no ETag":                 {copyPart, reply(200, "<CopyPartResult></CopyPartResult>"), Busy},
		"copy: source changed":          {copyPart, s3fault(412, "PreconditionFailed", "x"), Precondition},
		"copy: no source":               {copyPart, s3fault(404, "NoSuchKey", "x"), NotFound},
		"complete: error in 200":        {complete, s3fault(200, "InternalError", "x"), Busy},
		"complete: condition in 200":    {complete, s3fault(200, "PreconditionFailed", "x"), Precondition},
		"complete: bad part":            {complete, s3fault(400, "InvalidPart", "x"), Invalid},
		"complete: too small":           {complete, s3fault(400, "EntityTooSmall", "x"), Invalid},
		"complete: 412":                 {complete, s3fault(412, "PreconditionFailed", "x"), Precondition},
		"complete: 409":                 {complete, s3fault(409, "ConditionalRequestConflict", "x"), Conflict},
		"complete: no ETag":             {complete, reply(200, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"), Busy},
		"complete: nothing":             {complete, reply(200, ""), Busy},
		"complete: cut":                 {complete, reply(200, "<CompleteMultipartUploadResult><ETag>x</ETag>"), Busy},
		"abort: unknown upload is fine": {abort, s3fault(404, "NoSuchUpload", "x"), ""},
		"abort: web page":               {abort, reply(200, "<html></html>"), Busy},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.st)
			if k := KindOf(tc.do(newTestClient(t, s.URL))); k != tc.want {
				t.Errorf("%q, want %q", k, tc.want)
			}
		})
	}
}

// The first request completed the upload, its answer was lost, and the store has forgotten the upload.
func TestLostCompletionIsFoundOut(t *testing.T) {
	parts := []Part{{1, `"0cc175b9c0f1b6a831c399e269772661"`}, {2, `"92eb5ffee6ae2fec3ad71c777531578f"`}}
	const whole = `"96e024ba2074fe77e8e965ba43a704be-2"` // computed with md5sum
	if got := `"` + multipartETag(parts) + `"`; got != whole {
		t.Fatalf("ETag %s, want %s", got, whole)
	}
	for name, tc := range map[string]struct {
		second step
		etag   string
		cond   Conditions
		want   Kind
	}{
		"ours":              {s3fault(404, "NoSuchUpload", "x"), whole, Conditions{}, ""},
		"ours, conditional": {s3fault(412, "PreconditionFailed", "x"), whole, Conditions{IfNoneMatch: true}, ""},
		"another":           {s3fault(404, "NoSuchUpload", "x"), `"0-2"`, Conditions{}, Invalid},
		"another's object":  {s3fault(412, "PreconditionFailed", "x"), `"0-2"`, Conditions{IfNoneMatch: true}, Precondition},
	} {
		steps := []step{lost, tc.second, reply(200, "", "Etag", tc.etag)}
		if !tc.cond.any() {
			steps = append([]step{reply(404, "")}, steps...)
		}
		s := newScript(t, steps...)
		made, err := newTestClient(t, s.URL).CompleteUpload(ctx, "bucket", "key", "id", parts, tc.cond)
		if KindOf(err) != tc.want || err == nil && made.ETag != whole {
			t.Errorf("%s: %s, %v", name, made.ETag, err)
		}
	}
	s := newScript(t, reply(404, ""), s3fault(404, "NoSuchUpload", "x"), reply(200, "", "Etag", whole))
	if _, err := newTestClient(t, s.URL).CompleteUpload(ctx, "bucket", "key", "id", parts, Conditions{}); KindOf(err) != Invalid {
		t.Errorf("without a lost answer: %v", err)
	}
}

// A store that claims a success it does not have, or not yet, is not believed; but where another write came meanwhile,
// nobody can tell, and the later write has won. The first request looks what is there before.
func TestCompletionIsConfirmed(t *testing.T) {
	claim := reply(200, `<CompleteMultipartUploadResult><ETag>"m-1"</ETag></CompleteMultipartUploadResult>`)
	inVersion := reply(200, `<CompleteMultipartUploadResult><ETag>"m-1"</ETag></CompleteMultipartUploadResult>`, "X-Amz-Version-Id", "v2")
	none, denied := reply(404, ""), reply(403, "")
	old, mine, other := reply(200, "", "Etag", `"old"`), reply(200, "", "Etag", `"m-1"`), reply(200, "", "Etag", `"other"`)
	kept := func(etag string) step { return reply(200, "", "Etag", etag, "X-Amz-Version-Id", "v1") }
	for name, tc := range map[string]struct {
		steps    []step
		cond     Conditions
		want     Kind
		replaced bool
	}{
		"another object stays":          {[]step{old, claim, old, claim, old, claim, old}, Conditions{}, Busy, false},
		"nothing is there":              {[]step{old, claim, none, claim, none, claim, none}, Conditions{}, Busy, false},
		"nothing was, nothing is":       {[]step{none, claim, none, claim, none, claim, none}, Conditions{}, Busy, false},
		"it takes a while":              {[]step{old, claim, old, claim, mine}, Conditions{}, "", false},
		"cannot be asked":               {[]step{denied, claim, denied, claim, denied, claim, denied}, Conditions{}, Busy, false},
		"asked again":                   {[]step{old, claim, reply(503, ""), mine}, Conditions{}, "", false},
		"replaced":                      {[]step{old, claim, other}, Conditions{}, "", true},
		"made and replaced":             {[]step{none, claim, other}, Conditions{}, "", true},
		"replaced in a while":           {[]step{old, claim, old, claim, other}, Conditions{}, "", true},
		"what was there is not known":   {[]step{denied, claim, other, claim, other, claim, other}, Conditions{}, Busy, false},
		"versions were kept":            {[]step{kept(`"old"`), claim, other, claim, other, claim, other}, Conditions{}, Busy, false},
		"versions are kept":             {[]step{old, claim, kept(`"other"`), claim, kept(`"other"`), claim, kept(`"other"`)}, Conditions{}, Busy, false},
		"a version that is not there":   {[]step{old, inVersion, other, inVersion, other, inVersion, other}, Conditions{}, Busy, false},
		"replaced, but on a condition":  {[]step{claim, other, claim, other, claim, other}, Conditions{IfMatch: `"old"`}, Busy, false},
		"replaced, though none was to ": {[]step{claim, other, claim, other, claim, other}, Conditions{IfNoneMatch: true}, Busy, false},
	} {
		s := newScript(t, tc.steps...)
		made, err := newTestClient(t, s.URL).CompleteUpload(ctx, "bucket", "key", "id", []Part{{1, `"e"`}}, tc.cond)
		if KindOf(err) != tc.want || len(s.requests()) != len(tc.steps) || err == nil && (made.ETag != `"m-1"` || made.Replaced != tc.replaced) {
			t.Errorf("%s: %+v, %v, %d requests", name, made, err, len(s.requests()))
		}
	}
}

func TestMultipartArguments(t *testing.T) {
	s := newScript(t, stored)
	c := newTestClient(t, s.URL)
	body := func() *bytes.Reader { return bytes.NewReader(nil) }
	for name, err := range map[string]error{
		"part 0":           second(c.UploadPart(ctx, "bucket", "key", "id", 0, body(), 0)),
		"part 10001":       second(c.UploadPart(ctx, "bucket", "key", "id", 10001, body(), 0)),
		"no id":            second(c.UploadPart(ctx, "bucket", "key", "", 1, body(), 0)),
		"bad range":        second(c.CopyPart(ctx, "bucket", "key", "id", 1, CopySource{Bucket: "bucket", Key: "key"}, Range{5, 4})),
		"bad source":       second(c.CopyPart(ctx, "bucket", "key", "id", 1, CopySource{Bucket: "b/..", Key: "key"}, Range{0, 4})),
		"no parts":         second(c.CompleteUpload(ctx, "bucket", "key", "id", nil, Conditions{})),
		"same part twice":  second(c.CompleteUpload(ctx, "bucket", "key", "id", []Part{{1, "a"}, {1, "b"}}, Conditions{})),
		"abort without id": c.AbortUpload(ctx, "bucket", "key", ""),
	} {
		if KindOf(err) != Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestStreamedPartIsNeverSentTwice: what holds for Put holds for a part that cannot seek.
func TestStreamedPartIsNeverSentTwice(t *testing.T) {
	for name, st := range map[string]step{"500": s3fault(500, "InternalError", "x"), "reset": reset, "lost": lost} {
		s := newScript(t, st, stored)
		c := newTestClient(t, s.URL)
		_, err := c.StreamPart(ctx, "bucket", "key", "id", 1, stream{bytes.NewReader(pattern(1000))}, 1000)
		wantKind(t, err, Busy)
		if n := len(s.requests()); n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	s := newScript(t, stored)
	c := newTestClient(t, s.URL)
	if e, err := c.StreamPart(ctx, "bucket", "key", "id", 7, stream{bytes.NewReader(pattern(1000))}, 1000); err != nil || e != `"etag1"` {
		t.Error(e, err)
	}
	if r := s.requests()[0]; !bytes.Equal(r.body, pattern(1000)) || !strings.Contains(r.target, "partNumber=7") {
		t.Errorf("%d bytes to %s", len(r.body), r.target)
	}
}
