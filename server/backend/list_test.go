package backend

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const listHead = `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>`

func listed(key string, size int) string {
	return fmt.Sprintf(`<Contents><Key>%s</Key><LastModified>2026-06-05T10:20:30.000Z</LastModified><ETag>"e"</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>`, key, size)
}

func listDoc(inner string) string { return listHead + inner + "</ListBucketResult>" }

const last = "<IsTruncated>false</IsTruncated>"

func TestListPage(t *testing.T) {
	s := newScript(t, reply(200, listDoc("<IsTruncated>true</IsTruncated><NextContinuationToken>tok2</NextContinuationToken>"+
		listed("p/a&amp;b", 5)+listed("p/c", 0)+"<CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes>")))
	p, err := newTestClient(t, s.URL).List(context.Background(), "bucket", ListOptions{Prefix: "p/", Delimiter: "/", ContinuationToken: "tok1", MaxKeys: 7})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Objects) != 2 || p.Objects[0].Key != "p/a&b" || p.Objects[0].Size != 5 || p.Objects[0].ETag != `"e"` || p.Objects[0].StorageClass != "STANDARD" ||
		p.Objects[0].LastModified.Unix() != 1780654830 || len(p.CommonPrefixes) != 1 || p.CommonPrefixes[0] != "p/d/" || !p.Truncated || p.NextToken != "tok2" {
		t.Errorf("page %+v", p)
	}
	u, err := url.Parse(s.requests()[0].target)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Path != "/bucket" || q.Get("prefix") != "p/" || q.Get("delimiter") != "/" || q.Get("continuation-token") != "tok1" || q.Get("max-keys") != "7" || q.Get("list-type") != "2" || q.Get("encoding-type") != "url" {
		t.Errorf("asked %s", s.requests()[0].target)
	}
}

func TestListDecodesOnlyWhatIsEncoded(t *testing.T) {
	for name, tc := range map[string]struct{ doc, want string }{
		"encoded": {listDoc(last + "<EncodingType>url</EncodingType>" + listed("a%01%2B+%25", 1)), "a\x01+ %"},
		"raw":     {listDoc(last + listed("a+%25", 1)), "a+%25"},
	} {
		s := newScript(t, reply(200, tc.doc))
		p, err := newTestClient(t, s.URL).List(context.Background(), "bucket", ListOptions{})
		if err != nil || p.Objects[0].Key != tc.want {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

func TestListNeverAnswersLessThanThereIs(t *testing.T) {
	full := ""
	for i := range 1000 {
		full += listed(fmt.Sprintf("p/%04d", i), 1)
	}
	for name, tc := range map[string]struct {
		st  step
		opt ListOptions
	}{
		"web page":            {reply(200, "<!DOCTYPE html><html><body>hi</body></html>", "Content-Type", "text/html"), ListOptions{}},
		"XHTML":               {reply(200, "<html></html>"), ListOptions{}},
		"text":                {reply(200, "OK"), ListOptions{}},
		"JSON":                {reply(200, "{}"), ListOptions{}},
		"empty body":          {reply(200, ""), ListOptions{}},
		"204":                 {reply(204, ""), ListOptions{}},
		"error in 200":        {s3fault(200, "InternalError", "x"), ListOptions{}},
		"wrong root":          {reply(200, strings.ReplaceAll(listDoc(last), "ListBucketResult", "ListVersionsResult")), ListOptions{}},
		"empty root":          {reply(200, "<ListBucketResult></ListBucketResult>"), ListOptions{}},
		"empty root, short":   {reply(200, "<ListBucketResult/>"), ListOptions{}},
		"truncated document":  {reply(200, listHead+last+listed("a", 1)), ListOptions{}},
		"truncated in a tag":  {reply(200, listHead+last+listed("a", 1)+"</ListBuck"), ListOptions{}},
		"cut off":             {cut(200, 5000, listHead+last+listed("a", 1)), ListOptions{}},
		"truncated, no token": {reply(200, listDoc("<IsTruncated>true</IsTruncated>"+listed("a", 1))), ListOptions{}},
		"same token":          {reply(200, listDoc("<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"+listed("a", 1))), ListOptions{ContinuationToken: "t"}},
		"full without flag":   {reply(200, listDoc(full)), ListOptions{Prefix: "p/"}},
		"token without flag":  {reply(200, listDoc("<NextContinuationToken>t</NextContinuationToken>"+listed("a", 1))), ListOptions{}},
		"other prefix":        {reply(200, listDoc(last+listed("a/x", 1)+listed("b/x", 1))), ListOptions{Prefix: "a/"}},
		"other common prefix": {reply(200, listDoc(last+"<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>")), ListOptions{Prefix: "a/", Delimiter: "/"}},
		"unasked delimiter":   {reply(200, listDoc(last+"<CommonPrefixes><Prefix>a/b/</Prefix></CommonPrefixes>")), ListOptions{Prefix: "a/"}},
		"start ignored":       {reply(200, listDoc(last+listed("a", 1))), ListOptions{StartAfter: "a"}},
		"negative size":       {reply(200, listDoc(last+listed("a", -1))), ListOptions{}},
		"no size":             {reply(200, listDoc(last+strings.Replace(listed("a", 7), "<Size>7</Size>", "", 1))), ListOptions{}},
		"size no number":      {reply(200, listDoc(last+strings.Replace(listed("a", 7), ">7<", ">x<", 1))), ListOptions{}},
		"no key":              {reply(200, listDoc(last+strings.Replace(listed("a", 7), "<Key>a</Key>", "", 1))), ListOptions{}},
		"no time":             {reply(200, listDoc(last+strings.Replace(listed("a", 7), "<LastModified>2026-06-05T10:20:30.000Z</LastModified>", "", 1))), ListOptions{}},
		"bad encoding":        {reply(200, listDoc(last+"<EncodingType>url</EncodingType>"+listed("a%zz", 7))), ListOptions{}},
		"not found":           {s3fault(404, "NoSuchKey", "x"), ListOptions{}},
		"stalled":             {stalled(200, 1000, 3), ListOptions{}},
		"too long":            {reply(200, "", "Content-Length", "99999999"), ListOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.st)
			p, err := newTestClient(t, s.URL, impatient).List(context.Background(), "bucket", tc.opt)
			if p != nil {
				t.Fatalf("page %+v", p)
			}
			wantKind(t, err, Busy)
		})
	}
}

func TestListWithoutTheFlagOnAShortPage(t *testing.T) {
	s := newScript(t, reply(200, listDoc("<KeyCount>1</KeyCount>"+listed("a", 1))))
	p, err := newTestClient(t, s.URL).List(context.Background(), "bucket", ListOptions{})
	if err != nil || len(p.Objects) != 1 || p.Truncated {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestListRecoversFromOneBadAnswer(t *testing.T) {
	s := newScript(t, reply(200, "<html></html>"), cut(200, 999, listHead), reply(200, listDoc(last+listed("a", 1))))
	p, err := newTestClient(t, s.URL).List(context.Background(), "bucket", ListOptions{})
	if err != nil || len(p.Objects) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	s = newScript(t, reply(200, "<html></html>"))
	_, err = newTestClient(t, s.URL, func(c *Config) { c.Attempts = 9 }).List(context.Background(), "bucket", ListOptions{})
	if e := wantKind(t, err, Busy); e.Attempts != malformedAttempts {
		t.Errorf("asked %d times", e.Attempts)
	}
}

func TestBuckets(t *testing.T) {
	doc := func(inner string) step {
		return reply(200, `<?xml version="1.0"?><ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets>`+inner+"</ListAllMyBucketsResult>")
	}
	s := newScript(t, doc("<Bucket><Name>one</Name><CreationDate>2026-06-05T10:20:30Z</CreationDate></Bucket></Buckets><ContinuationToken>t</ContinuationToken>"), doc("<Bucket><Name>two</Name></Bucket></Buckets>"))
	b, err := newTestClient(t, s.URL).Buckets(context.Background())
	if err != nil || len(b) != 2 || b[0].Name != "one" || b[0].Created.IsZero() || b[1].Name != "two" {
		t.Errorf("%+v, %v", b, err)
	}
	for name, st := range map[string]step{"web page": reply(200, "<html></html>"), "error": s3fault(200, "InternalError", "x"), "no end": reply(200, "<ListAllMyBucketsResult><Buckets>")} {
		s := newScript(t, st)
		if b, err := newTestClient(t, s.URL).Buckets(context.Background()); err == nil {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

func TestHeadBucket(t *testing.T) {
	for status, want := range map[int]Kind{200: "", 404: NoBucket, 403: Denied, 301: Busy, 500: Busy} {
		s := newScript(t, reply(status, ""))
		if k := KindOf(newTestClient(t, s.URL).HeadBucket(context.Background(), "bucket")); k != want {
			t.Errorf("%d: %q, want %q", status, k, want)
		}
	}
}

func FuzzAnswerDocument(f *testing.F) {
	for _, s := range []string{listDoc(last), listDoc(last + listed("a", 1)), "<ListBucketResult/>", "<html>", "<Error><Code>X</Code></Error>", "", "<a:ListBucketResult xmlns:a='x'></a:ListBucketResult>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if err := document(200, doc, "ListBucketResult"); err == nil {
			if !strings.Contains(string(doc), "ListBucketResult") {
				t.Errorf("accepted %q", doc)
			}
			if code, _ := parseFault(doc); code != "" {
				t.Errorf("accepted an error: %q", doc)
			}
		}
	})
}
