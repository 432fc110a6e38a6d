package backend

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const versionsHead = `<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>`

func versionsDocument(inner string) string { return versionsHead + inner + "</ListVersionsResult>" }

func version(key, id string, size int) string {
	return fmt.Sprintf(`<Version><Key>%s</Key><VersionId>%s</VersionId><IsLatest>true</IsLatest><LastModified>2026-06-05T10:20:30.000Z</LastModified><ETag>"e"</ETag><Size>%d</Size><StorageClass>GLACIER</StorageClass></Version>`, key, id, size)
}

func marker(key, id string) string {
	return fmt.Sprintf(`<DeleteMarker><Key>%s</Key><VersionId>%s</VersionId><IsLatest>false</IsLatest><LastModified>2026-06-05T10:20:30Z</LastModified></DeleteMarker>`, key, id)
}

func TestListVersionsPage(t *testing.T) {
	s := newScript(t, reply(200, versionsDocument("<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><NextKeyMarker>p/c%2B</NextKeyMarker><NextVersionIdMarker>i3+</NextVersionIdMarker>"+
		version("p/a%26b", "i1", 5)+marker("p/a%26b", "i2")+version("p/c%2B", "i3+", 0)+"<CommonPrefixes><Prefix>p/d/</Prefix></CommonPrefixes>")))
	opt := ListVersionsOptions{Prefix: "p/", Delimiter: "/", KeyMarker: "p/a", VersionMarker: "i+0", MaxKeys: 7}
	p, err := newTestClient(t, s.URL).ListVersions(context.Background(), "bucket", opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Versions) != 3 || p.Versions[0].Key != "p/a&b" || p.Versions[0].Version != "i1" || p.Versions[0].Size != 5 || p.Versions[0].ETag != `"e"` || p.Versions[0].StorageClass != "GLACIER" ||
		!p.Versions[0].Latest || p.Versions[0].Marker || !p.Versions[1].Marker || p.Versions[1].Latest || p.Versions[1].Version != "i2" || p.Versions[2].Key != "p/c+" ||
		len(p.CommonPrefixes) != 1 || !p.Truncated || p.NextKeyMarker != "p/c+" || p.NextVersionMarker != "i3+" {
		t.Errorf("page %+v", p)
	}
	u, err := url.Parse(s.requests()[0].target)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Path != "/bucket" || !q.Has("versions") || q.Get("prefix") != "p/" || q.Get("delimiter") != "/" || q.Get("key-marker") != "p/a" || q.Get("version-id-marker") != "i+0" || q.Get("max-keys") != "7" || q.Get("encoding-type") != "url" {
		t.Errorf("asked %s", s.requests()[0].target)
	}
}

func TestListVersionsNeverAnswersLessThanThereIs(t *testing.T) {
	one := version("p/a", "i", 1)
	for name, tc := range map[string]struct {
		st  step
		opt ListVersionsOptions
	}{
		"web page":             {reply(200, "<html></html>", "Content-Type", "text/html"), ListVersionsOptions{}},
		"empty body":           {reply(200, ""), ListVersionsOptions{}},
		"error in 200":         {s3fault(200, "InternalError", "x"), ListVersionsOptions{}},
		"another list":         {reply(200, listDoc(last)), ListVersionsOptions{}},
		"cut off":              {reply(200, versionsHead+last+one), ListVersionsOptions{}},
		"broken off":           {cut(200, 5000, versionsHead+last+one), ListVersionsOptions{}},
		"truncated, no marker": {reply(200, versionsDocument("<IsTruncated>true</IsTruncated>"+one)), ListVersionsOptions{}},
		"backwards":            {reply(200, versionsDocument("<IsTruncated>true</IsTruncated><NextKeyMarker>o</NextKeyMarker>"+one)), ListVersionsOptions{KeyMarker: "p/a"}},
		"full without flag":    {reply(200, versionsDocument(one)), ListVersionsOptions{MaxKeys: 1}},
		"silent":               {reply(200, "<ListVersionsResult></ListVersionsResult>"), ListVersionsOptions{MaxKeys: 1}},
		"flag is no flag":      {reply(200, versionsDocument("<IsTruncated>maybe</IsTruncated>"+one)), ListVersionsOptions{}},
		"other prefix":         {reply(200, versionsDocument(last+one)), ListVersionsOptions{Prefix: "q/"}},
		"start ignored":        {reply(200, versionsDocument(last+one)), ListVersionsOptions{KeyMarker: "p/b"}},
		"unasked delimiter":    {reply(200, versionsDocument(last+"<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>")), ListVersionsOptions{}},
		"negative size":        {reply(200, versionsDocument(last+version("p/a", "i", -1))), ListVersionsOptions{}},
		"no size":              {reply(200, versionsDocument(last+strings.Replace(one, "<Size>1</Size>", "", 1))), ListVersionsOptions{}},
		"no id":                {reply(200, versionsDocument(last+version("p/a", "", 1))), ListVersionsOptions{}},
		"no key":               {reply(200, versionsDocument(last+version("", "i", 1))), ListVersionsOptions{}},
		"no time":              {reply(200, versionsDocument(last+strings.Replace(one, "2026-06-05T10:20:30.000Z", "", 1))), ListVersionsOptions{}},
		"latest or not":        {reply(200, versionsDocument(last+strings.Replace(one, ">true<", "><", 1))), ListVersionsOptions{}},
		"bad encoding":         {reply(200, versionsDocument(last+"<EncodingType>url</EncodingType>"+version("p/a%zz", "i", 1))), ListVersionsOptions{}},
		"not found":            {s3fault(404, "NoSuchKey", "x"), ListVersionsOptions{}},
		"stalled":              {stalled(200, 1000, 3), ListVersionsOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.st)
			p, err := newTestClient(t, s.URL, impatient).ListVersions(context.Background(), "bucket", tc.opt)
			if p != nil {
				t.Fatalf("page %+v", p)
			}
			wantKind(t, err, Busy)
		})
	}
	s := newScript(t, s3fault(503, "SlowDown", "x"), reply(200, versionsDocument(last+one)))
	if p, err := newTestClient(t, s.URL).ListVersions(context.Background(), "bucket", ListVersionsOptions{}); err != nil || len(p.Versions) != 1 {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestVersionsAreNamed: the id of a version goes where S3 has it, and what the store
// tells of versions comes back.
func TestVersionsAreNamed(t *testing.T) {
	s := newScript(t, reply(200, "x", "Etag", `"e"`, "X-Amz-Version-Id", "v+1"), reply(200, "", "Etag", `"e"`, "X-Amz-Version-Id", "v+1"),
		early(204, "", "X-Amz-Version-Id", "v+1", "X-Amz-Delete-Marker", "true"), reply(200, "", "Etag", `"e"`, "X-Amz-Version-Id", "v2"),
		reply(200, `<CopyPartResult><ETag>"c"</ETag></CopyPartResult>`))
	c := newTestClient(t, s.URL)
	o, err := c.Get(ctx, "bucket", "key", GetOptions{Version: "v+1"})
	if err != nil || o.Version != "v+1" {
		t.Fatalf("%+v, %v", o, err)
	}
	o.Body.Close()
	if h, err := c.HeadVersion(ctx, "bucket", "key", "v+1"); err != nil || h.Version != "v+1" {
		t.Errorf("%+v, %v", h, err)
	}
	if d, err := c.DeleteWith(ctx, "bucket", "key", DeleteOptions{Version: "v+1"}); err != nil || d != (Deleted{"v+1", true}) {
		t.Errorf("%+v, %v", d, err)
	}
	if w, err := c.Put(ctx, "bucket", "key", strings.NewReader(""), 0, Conditions{}); err != nil || w != (Written{ETag: `"e"`, Version: "v2"}) {
		t.Errorf("%+v, %v", w, err)
	}
	if _, err := c.CopyPart(ctx, "bucket", "key", "id", 1, CopySource{Bucket: "bucket", Key: "a?versionId=b", Version: "v+1"}, Range{0, 9}); err != nil {
		t.Error(err)
	}
	for i, r := range s.requests()[:3] {
		if u, err := url.Parse(r.target); err != nil || u.Query().Get("versionId") != "v+1" {
			t.Errorf("request %d asked %s", i, r.target)
		}
	}
	if got := s.requests()[4].header.Get("X-Amz-Copy-Source"); got != "bucket/a%3FversionId%3Db?versionId=v%2B1" {
		t.Errorf("copy source %s", got)
	}
}

// TestDeleteMarkersAreTold: with the store's word on what is there instead of an object.
func TestDeleteMarkersAreTold(t *testing.T) {
	const modified = "Fri, 05 Jun 2026 10:20:30 GMT"
	for name, tc := range map[string]struct {
		st   step
		want Kind
		mark *Marker
	}{
		"marker is current": {s3fault(404, "NoSuchKey", "x", "X-Amz-Delete-Marker", "true", "X-Amz-Version-Id", "m1"), NotFound, &Marker{Version: "m1"}},
		"marker is named":   {s3fault(405, "MethodNotAllowed", "x", "X-Amz-Delete-Marker", "true", "Last-Modified", modified), Invalid, &Marker{Modified: modified}},
		"no such version":   {s3fault(404, "NoSuchVersion", "x"), NotFound, nil},
		"405 of a proxy":    {s3fault(405, "MethodNotAllowed", "x"), Busy, nil},
	} {
		s := newScript(t, tc.st)
		_, err := newTestClient(t, s.URL).Get(ctx, "bucket", "key", GetOptions{Version: "v"})
		e := wantKind(t, err, tc.want)
		if tc.mark == nil && e.Marker != nil || tc.mark != nil && (e.Marker == nil || *e.Marker != *tc.mark) {
			t.Errorf("%s: %+v", name, e.Marker)
		}
	}
}

// TestDeleteManyTellsVersionsApart: of one key many may go at once.
func TestDeleteManyTellsVersionsApart(t *testing.T) {
	s := newScript(t, deleted("<Deleted><Key>a</Key><VersionId>1</VersionId></Deleted><Deleted><Key>a</Key><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted>"+
		"<Error><Key>a</Key><VersionId>2</VersionId><Code>AccessDenied</Code></Error><Error><Key>a</Key><VersionId>3</VersionId><Code>NoSuchVersion</Code></Error>"))
	ids := []ObjectID{{"a", "1"}, {"a", ""}, {"a", "2"}, {"a", "3"}}
	rs, err := newTestClient(t, s.URL).DeleteManyWith(ctx, "bucket", ids, DeleteOptions{})
	if err != nil || len(rs) != 4 {
		t.Fatal(rs, err)
	}
	want := []Deleted{{"1", false}, {"m", true}, {}, {}}
	for i, r := range rs {
		if r.ObjectID != ids[i] || r.Deleted != want[i] || (r.Err != nil) != (i == 2) {
			t.Errorf("%+v", r)
		}
	}
	// An answer about another version is none about this one.
	s = newScript(t, deleted("<Deleted><Key>a</Key><VersionId>2</VersionId></Deleted>"))
	rs, err = newTestClient(t, s.URL).DeleteManyWith(ctx, "bucket", []ObjectID{{"a", "1"}}, DeleteOptions{})
	if err == nil {
		t.Errorf("%+v", rs)
	}
}

// TestMarkerIsNotListedAgain: nor taken for progress.
func TestMarkerIsNotListedAgain(t *testing.T) {
	s := newScript(t, reply(200, versionsDocument("<IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker><NextVersionIdMarker>i</NextVersionIdMarker>"+version("p/a", "i", 1))))
	from := ListVersionsOptions{KeyMarker: "p/a", VersionMarker: "i"}
	p, err := newTestClient(t, s.URL).ListVersions(ctx, "bucket", from)
	if err != nil || len(p.Versions) != 0 || p.Advances(from) || !p.Advances(ListVersionsOptions{KeyMarker: "p/a"}) {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestPageOfOneLeadsOn: a store that repeats the version which the markers name is asked for one more, and no page
// has more than was asked for.
func TestPageOfOneLeadsOn(t *testing.T) {
	const stuck = "<IsTruncated>true</IsTruncated><NextKeyMarker>p/a</NextKeyMarker><NextVersionIdMarker>i</NextVersionIdMarker>"
	from := ListVersionsOptions{KeyMarker: "p/a", VersionMarker: "i", MaxKeys: 1}
	for name, c := range map[string]struct {
		second  string
		entries int
	}{
		"one more":                    {last + version("p/a", "i", 1) + version("p/a", "j", 1), 1},
		"more than that":              {last + version("p/a", "j", 1) + version("p/a", "k", 1), 0},
		"the same for ever":           {stuck + version("p/a", "i", 1), 0},
		"nothing behind it after all": {last + version("p/a", "i", 1), 0},
	} {
		s := newScript(t, reply(200, versionsDocument(stuck+version("p/a", "i", 1))), reply(200, versionsDocument(c.second)))
		p, err := newTestClient(t, s.URL).ListVersions(ctx, "bucket", from)
		if err != nil || len(p.Versions) != c.entries {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	s := newScript(t, reply(200, versionsDocument(stuck+version("p/a", "i", 1))), reply(403, "<Error><Code>AccessDenied</Code></Error>"))
	if p, err := newTestClient(t, s.URL).ListVersions(ctx, "bucket", from); err == nil {
		t.Errorf("a store that refuses: %+v", p)
	}
}

func FuzzVersionsPage(f *testing.F) {
	for _, s := range []string{versionsDocument(last + version("a", "i", 1) + marker("a", "j")), versionsDocument("<EncodingType>url</EncodingType>" + last + version("a%2B", "i", 1)), "<ListVersionsResult/>", "<x>", ""} {
		f.Add([]byte(s), "a", "b", "/", 3)
	}
	f.Fuzz(func(t *testing.T, doc []byte, prefix, from, delimiter string, n int) {
		l, err := readListing(doc, versionsRoot)
		if err != nil {
			return
		}
		p, err := newVersionsPage(ListVersionsOptions{Prefix: prefix, KeyMarker: from, Delimiter: delimiter, MaxKeys: n}, l)
		if err != nil {
			return
		}
		if p.Truncated == (p.NextKeyMarker == "") {
			t.Errorf("%+v", p)
		}
		for _, v := range p.Versions {
			if v.Key == "" || !strings.HasPrefix(v.Key, prefix) || v.Key < from || v.Version == "" || v.Size < 0 || v.LastModified.IsZero() && v.Size > 0 && v.Marker {
				t.Errorf("%+v", v)
			}
		}
	})
}

// TestMessagesAreTakenAsTheyAre: a blank at the end may be a value that is empty; the indentation of a document is not
// the message's.
func TestMessagesAreTakenAsTheyAre(t *testing.T) {
	for doc, want := range map[string]string{
		"<Error><Code>C</Code><Message>Unsupported method is </Message></Error>":       "Unsupported method is ",
		"<Error>\n <Code>\n  C\n </Code>\n <Message>\n  text\n </Message>\n</Error>\n": "text",
	} {
		if code, message := parseFault([]byte(doc)); code != "C" || message != want {
			t.Errorf("%q %q, want %q", code, message, want)
		}
	}
}
