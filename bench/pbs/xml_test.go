package pbs

import (
	"strings"
	"testing"
	"time"
)

func listDoc(inner string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + inner + `</ListBucketResult>`
}

const (
	listHead = `<Name>b</Name><Prefix>p/</Prefix><MaxKeys>1000</MaxKeys><KeyCount>1</KeyCount><IsTruncated>false</IsTruncated>`
	entry    = `<Contents><Key> p/a </Key><LastModified>2026-01-15T12:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>`
)

func TestListXML(t *testing.T) {
	p, err := parseList([]byte(listDoc(listHead + entry)))
	if err != nil || len(p.Entries) != 1 || p.Entries[0].Key != "p/a" || p.Entries[0].Size != 7 || p.Entries[0].ETag != `"e"` {
		t.Fatalf("got %+v, %v", p, err)
	}
	two := strings.Replace(listHead, ">1</KeyCount>", ">2</KeyCount>", 1)
	without := func(s, tag string) string {
		before, rest, _ := strings.Cut(s, "<"+tag+">")
		_, after, _ := strings.Cut(rest, "</"+tag+">")
		return before + after
	}
	bad := map[string]string{
		"error document":       `<Error><Code>InternalError</Code></Error>`,
		"page":                 `<html><body>down</body></html>`,
		"empty":                ``,
		"text":                 `busy`,
		"json":                 `{}`,
		"BOM":                  "\xef\xbb\xbf" + listDoc(listHead+entry),
		"cut":                  listDoc(listHead + entry)[:200],
		"not in one run":       listDoc(two + entry + `<CommonPrefixes><Prefix>x</Prefix></CommonPrefixes>` + entry),
		"no IsTruncated":       listDoc(without(listHead, "IsTruncated") + entry),
		"capital True":         listDoc(strings.Replace(listHead, "false", "True", 1) + entry),
		"truncated, tokenless": listDoc(strings.Replace(listHead, "false", "true", 1) + entry),
		"negative size":        listDoc(listHead + strings.Replace(entry, ">7<", ">-7<", 1)),
		"float size":           listDoc(listHead + strings.Replace(entry, ">7<", ">7.0<", 1)),
		"http date":            listDoc(listHead + strings.Replace(entry, "2026-01-15T12:00:00.000Z", "Thu, 15 Jan 2026 12:00:00 GMT", 1)),
		"space for T":          listDoc(listHead + strings.Replace(entry, "15T12", "15 12", 1)),
		"wrong count":          listDoc(two + entry),
		"two sizes":            listDoc(listHead + strings.Replace(entry, "<Size>7</Size>", "<Size>7</Size><Size>7</Size>", 1)),
	}
	for _, tag := range []string{"Key", "LastModified", "ETag", "Size", "StorageClass"} {
		bad["no "+tag] = listDoc(listHead + without(entry, tag))
	}
	for _, tag := range []string{"Name", "Prefix", "KeyCount", "MaxKeys"} {
		bad["no "+tag] = listDoc(without(listHead, tag) + entry)
	}
	for name, doc := range bad {
		if _, err := parseList([]byte(doc)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestDeleteXML(t *testing.T) {
	deleted, failed, err := parseDelete([]byte(`<x:DeleteResult xmlns:x="http://s3.amazonaws.com/doc/2006-03-01/"><Deleted><Key>a</Key></Deleted><Deleted><Key>b</Key></Deleted>` +
		`<Error><Key>c</Key><Code>AccessDenied</Code></Error></x:DeleteResult>`))
	if err != nil || len(deleted) != 2 || len(failed) != 1 || failed[0].Code != "AccessDenied" {
		t.Fatalf("got %v %v %v", deleted, failed, err)
	}
	for name, doc := range map[string]string{
		"error document": `<Error/>`,
		"not in one run": `<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>c</Key></Error><Deleted><Key>b</Key></Deleted></DeleteResult>`,
		"two roots":      `<DeleteResult/><DeleteResult/>`,
	} {
		if _, _, err := parseDelete([]byte(doc)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := eachOnce([]string{"a", "b"}, []string{"a"}, nil); err == nil {
		t.Error("a key without a result is taken for deleted")
	}
}

func TestBucketsXML(t *testing.T) {
	if _, err := parseBuckets([]byte(`<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>`)); err == nil {
		t.Error("an empty <Buckets/> is accepted")
	}
	names, err := parseBuckets([]byte(`<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name><CreationDate>2026-01-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`))
	if err != nil || len(names) != 1 || names[0] != "b" {
		t.Errorf("got %v %v", names, err)
	}
}

func TestParseDate(t *testing.T) {
	at, err := ParseDate("Wed, 12 Oct 2009 17:50:00 GMT") // a Monday in truth
	if err != nil || !at.Equal(time.Date(2009, 10, 12, 17, 50, 0, 0, time.UTC)) {
		t.Errorf("got %v, %v", at, err)
	}
	for _, s := range []string{"", "Wed, 2 Oct 2009 17:50:00 GMT", "Wed, 12 Oct 2009 17:50:00 UTC", "wed, 12 Oct 2009 17:50:00 GMT",
		"Wed, 32 Oct 2009 17:50:00 GMT", "Wed, 12 Okt 2009 17:50:00 GMT", "Wed, 12 Oct 2009 25:50:00 GMT", "2009-10-12T17:50:00.000000000Z"} {
		if _, err := ParseDate(s); err == nil {
			t.Errorf("%q: accepted", s)
		}
	}
}

func FuzzXML(f *testing.F) {
	f.Add([]byte(listDoc(listHead + entry)))
	f.Add([]byte(`<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>`))
	f.Add([]byte(`<a><b/><c/><b/></a>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		n, err := parseXML(doc)
		if err != nil {
			return
		}
		seen, last := map[string]bool{}, ""
		for _, c := range n.children {
			if seen[c.name] && c.name != last {
				t.Fatalf("repeats of %q are not in one run", c.name)
			}
			seen[c.name], last = true, c.name
		}
		parseList(doc)
		parseDelete(doc)
		parseBuckets(doc)
	})
}

func FuzzParseDate(f *testing.F) {
	f.Add("Wed, 12 Oct 2009 17:50:00 GMT")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := ParseDate(s)
		if err == nil && at.Format("02 Jan 2006 15:04:05 GMT") != s[5:] {
			t.Fatalf("%q parses as %v", s, at)
		}
	})
}
