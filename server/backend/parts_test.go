package backend

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// partsDoc is a ListParts answer.
func partsDoc(truncated string, parts ...string) step {
	if truncated != "" {
		truncated = "<IsTruncated>" + truncated + "</IsTruncated>"
	}
	return reply(200, "<ListPartsResult>"+truncated+strings.Join(parts, "")+"</ListPartsResult>")
}

func partDoc(n int) string {
	return fmt.Sprintf(`<Part><PartNumber>%d</PartNumber><LastModified>2026-01-15T12:00:00.000Z</LastModified><ETag>"e%d"</ETag><Size>%d</Size></Part>`, n, n, 100*n)
}

func TestPartsArePagesInOrder(t *testing.T) {
	s := newScript(t, partsDoc("true", partDoc(3), partDoc(7)), partsDoc("false", partDoc(10000)), partsDoc("false"))
	c := newTestClient(t, s.URL)
	page, err := c.Parts(ctx, "bucket", "dir/a b", "id&1", 0, 2)
	if err != nil || !page.Truncated || len(page.Parts) != 2 {
		t.Fatal(page, err)
	}
	want := StoredPart{Part{7, `"e7"`}, 700, time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)}
	if got := page.Parts[1]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if page, err = c.Parts(ctx, "bucket", "dir/a b", "id&1", 7, 1000); err != nil || page.Truncated || len(page.Parts) != 1 || page.Parts[0].N != 10000 {
		t.Error(page, err)
	}
	if page, err = c.Parts(ctx, "bucket", "dir/a b", "id&1", 9999, 1); err != nil || page.Truncated || len(page.Parts) != 0 {
		t.Error(page, err)
	}
	for i, names := range [][]string{{"uploadId=id%261", "max-parts=2"}, {"part-number-marker=7", "max-parts=1000"}, {"part-number-marker=9999"}} {
		for _, name := range names {
			if target := s.requests()[i].target; !strings.Contains(target, name) {
				t.Errorf("request %d has no %s: %s", i, name, target)
			}
		}
	}
	if target := s.requests()[0].target; strings.Contains(target, "part-number-marker") {
		t.Errorf("a marker that was not given: %s", target)
	}
}

// TestPartsThatAreWrongAreNeverAList: a shorter or other list would make a client send parts again, or complete an
// upload without some.
func TestPartsThatAreWrongAreNeverAList(t *testing.T) {
	without := func(element string) string {
		_, rest, _ := strings.Cut(partDoc(6), "<"+element+">")
		value, _, _ := strings.Cut(rest, "</"+element+">")
		return strings.Replace(partDoc(6), "<"+element+">"+value+"</"+element+">", "", 1)
	}
	for name, tc := range map[string]struct {
		st   step
		want Kind
	}{
		"not after the marker":      {partsDoc("false", partDoc(5)), Busy},
		"twice":                     {partsDoc("false", partDoc(6), partDoc(6)), Busy},
		"descending":                {partsDoc("false", partDoc(7), partDoc(6)), Busy},
		"beyond the last number":    {partsDoc("false", partDoc(10001)), Busy},
		"more, but none to go on":   {partsDoc("true"), Busy},
		"full, and no word of more": {partsDoc("", partDoc(6), partDoc(7)), Busy},
		"no number":                 {partsDoc("false", without("PartNumber")), Busy},
		"no size":                   {partsDoc("false", without("Size")), Busy},
		"negative size":             {partsDoc("false", strings.Replace(partDoc(6), "<Size>", "<Size>-", 1)), Busy},
		"no ETag":                   {partsDoc("false", without("ETag")), Busy},
		"no time":                   {partsDoc("false", without("LastModified")), Busy},
		"another document":          {reply(200, "<ListBucketResult></ListBucketResult>"), Busy},
		"web page":                  {reply(200, "<html></html>"), Busy},
		"empty":                     {reply(200, ""), Busy},
		"cut":                       {reply(200, "<ListPartsResult><IsTruncated>false</IsTruncated>"+partDoc(6)), Busy},
		"error in 200":              {s3fault(200, "InternalError", "x"), Busy},
		"no upload":                 {s3fault(404, "NoSuchUpload", "x"), Invalid},
		"a 404 of somebody else":    {reply(404, "<html></html>"), Busy},
		"denied":                    {s3fault(403, "AccessDenied", "x"), Denied},
		"no bucket":                 {s3fault(404, "NoSuchBucket", "x"), NoBucket},
		"unavailable":               {s3fault(503, "ServiceUnavailable", "x"), Busy},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, tc.st)
			page, err := newTestClient(t, s.URL).Parts(ctx, "bucket", "key", "id", 5, 2)
			if KindOf(err) != tc.want || page != nil {
				t.Errorf("%+v, %v, want %q", page, err, tc.want)
			}
		})
	}
	// A page that is not full may leave out whether there is more.
	s := newScript(t, partsDoc("", partDoc(6)))
	if page, err := newTestClient(t, s.URL).Parts(ctx, "bucket", "key", "id", 5, 2); err != nil || page.Truncated || len(page.Parts) != 1 {
		t.Error(page, err)
	}
}

func TestPartsArguments(t *testing.T) {
	s := newScript(t, partsDoc("false"))
	c := newTestClient(t, s.URL)
	for name, err := range map[string]error{
		"no id":          second(c.Parts(ctx, "bucket", "key", "", 0, 1)),
		"no key":         second(c.Parts(ctx, "bucket", "", "id", 0, 1)),
		"no parts":       second(c.Parts(ctx, "bucket", "key", "id", 0, 0)),
		"too many":       second(c.Parts(ctx, "bucket", "key", "id", 0, maxPart+1)),
		"behind nothing": second(c.Parts(ctx, "bucket", "key", "id", -1, 1)),
	} {
		if KindOf(err) != Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(s.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
