package server

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// xmlByXML is a listing as encoding/xml writes it, but that it says the namespace of
// every <Version> again.
func xmlByXML(t testing.TB, doc any) string {
	t.Helper()
	out, err := xml.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return xml.Header + strings.NewReplacer(`<Version xmlns="`+nameSpace+`">`, "<Version>", `<DeleteMarker xmlns="`+nameSpace+`">`, "<DeleteMarker>").Replace(string(out))
}

// TestListingsAreWrittenAsXMLDoes: with every element there, left out, and of awkward
// values.
func TestListingsAreWrittenAsXMLDoes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		awkward := []string{"", "a", "a/b c", `"'&<>`, "é€😀", "\t\r\n", "\x00\x1f\x7f", "\xff\xc3", "\ufffd\ufffe\uffff", "]]>", "&amp;", "%2F+"}
		return awkward[r.IntN(len(awkward))] + awkward[r.IntN(len(awkward))]
	}
	when := func() listTime {
		return listTime(time.Unix(r.Int64N(1<<32), r.Int64N(1e9)).In(time.FixedZone("x", 3600)))
	}
	flag := func() bool { return r.IntN(2) == 0 }
	prefixes := func() (out []listPrefix) {
		for range r.IntN(3) {
			out = append(out, listPrefix{text()})
		}
		return out
	}
	for range 500 {
		l := &listResult{Name: text(), Delimiter: text(), MaxKeys: r.IntN(2000), EncodingType: text(), IsTruncated: flag(), NextMarker: text(),
			ContinuationToken: text(), NextContinuationToken: text(), StartAfter: text(), CommonPrefixes: prefixes()}
		if flag() {
			marker, count := text(), r.IntN(1000)
			l.Marker, l.KeyCount = &marker, &count
		}
		if flag() {
			prefix := text()
			l.Prefix = &prefix
		}
		v := &versionsResult{Name: text(), Prefix: text(), KeyMarker: text(), VersionIDMarker: text(), NextKeyMarker: text(), NextVersionIDMarker: text(),
			MaxKeys: r.IntN(2000), Delimiter: text(), EncodingType: text(), IsTruncated: flag(), CommonPrefixes: prefixes()}
		for range r.IntN(4) {
			e := listEntry{Key: text(), LastModified: when(), ETag: text(), Size: r.Int64(), StorageClass: text(), backendETag: text()}
			d := listedVersion{XMLName: xml.Name{Space: nameSpace, Local: "DeleteMarker"}, Key: text(), VersionID: text(), IsLatest: flag(), LastModified: when(), ETag: text(), StorageClass: text(), Owner: owner{text(), text()}}
			if flag() {
				e.listedChecksum, d.listedChecksum = listedChecksum{text(), text()}, listedChecksum{text(), text()}
				e.Owner, d.Size, d.XMLName.Local = &owner{text(), text()}, &e.Size, "Version"
			}
			l.Contents, v.Versions = append(l.Contents, e), append(v.Versions, d)
		}
		for _, doc := range []any{l, v} {
			got, err := marshal(doc)
			if want := xmlByXML(t, doc); err != nil || string(got) != want {
				t.Fatalf("%v\n%s\nis not\n%s", err, got, want)
			}
		}
	}
}

// FuzzListTime: a time is written as package time does.
func FuzzListTime(f *testing.F) {
	for _, s := range []int64{0, -1, 1780654830, 253402300799, 253402300800, -62135596801, -62167219200, -62167219201, math.MinInt64, math.MaxInt64} {
		f.Add(s, int64(999_999_999), 3600)
	}
	f.Fuzz(func(t *testing.T, s, ns int64, zone int) {
		at := time.Unix(s, ns).In(time.FixedZone("", zone%86400))
		got, err := listTime(at).MarshalText()
		if want := at.UTC().Format(xmlTime); string(got) != want || err != nil {
			t.Errorf("%s is written %s, %v", want, got, err)
		}
	})
}

// FuzzAppendText: a text is written as encoding/xml does.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "a", `"'&<>`, "é\xff\x00\ufffe\t\r\n", strings.Repeat("a", 100)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		if err := xml.EscapeText(&want, []byte(s)); err != nil {
			t.Fatal(err)
		}
		if got := appendText([]byte("x"), s); string(got) != "x"+want.String() {
			t.Errorf("%q is %q, not %q", s, got, want.String())
		}
	})
}

// TestListEncodedIsQueryEscaped: also of names that need none of it.
func TestListEncodedIsQueryEscaped(t *testing.T) {
	for name, want := range map[string]string{"": "", "a/B-._~9": "a/B-._~9", "a b+c": "a+b%2Bc", "é%/": "%C3%A9%25/"} {
		if got := listEncoded(name); got != want {
			t.Errorf("%q is %q", name, got)
		}
	}
}

// BenchmarkListDocument writes a page of 1,000 names, beside encoding/xml.
func BenchmarkListDocument(b *testing.B) {
	l := &listResult{Name: "bucket", MaxKeys: 1000}
	for i := range 1000 {
		l.Contents = append(l.Contents, listEntry{Key: fmt.Sprintf(".chunks/0a1b/0a1b%060x", i), LastModified: listTime(time.Unix(1780654830, 0)), ETag: `"9bb58f26192e4ba00f01e2e7b136bbd8-1"`, Size: int64(i), StorageClass: standardClass})
	}
	for name, write := range map[string]func() []byte{
		"append": func() []byte { doc, _ := marshal(l); return doc },
		"xml":    func() []byte { return []byte(xmlByXML(b, l)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(write())))
			b.ReportAllocs()
			for b.Loop() {
				write()
			}
		})
	}
}
