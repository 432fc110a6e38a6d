package server

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// A target that parses names what a strict reading of the URL names, and
// renders back to itself.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/bkt", "/bkt/", "/bkt/k", "/bkt//k", "/bkt/a%2Fb?x=1&y", "/bkt/%zz", "/b/k?a=b&a=c", "/b/%00", "/?list-type=2&prefix=a%2Fb+c", "http://h/b", "*", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseTarget(raw)
		if err != nil {
			return
		}
		if !utf8.ValidString(got.key) || !utf8.ValidString(got.bucket) || len(got.key) > maxKeyBytes || strings.IndexByte(got.key, 0) >= 0 {
			t.Fatalf("%q gave %+q", raw, got)
		}
		path, _, _ := strings.Cut(raw, "?")
		want, err := url.PathUnescape(path)
		if err != nil {
			t.Fatalf("%q: net/url refuses what we take: %v", raw, err)
		}
		if have := "/" + got.bucket + "/" + got.key; want != have && want+"/" != have {
			t.Fatalf("%q is read as %q, net/url says %q", raw, have, want)
		}
		again, err := parseTarget("/" + url.PathEscape(got.bucket) + "/" + strings.ReplaceAll(url.PathEscape(got.key), "%2F", "/"))
		if err != nil || again.bucket != got.bucket || again.key != got.key {
			t.Fatalf("%q does not render back: %+q, %v", raw, again, err)
		}
	})
}

// A header block that passes has one reading of its length.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{"Host: a\r\nContent-Length: 5\r\n", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "a: b\r\n c\r\n", "x\r\n", ":\r\n", "\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if checkFrame(raw) != nil {
			return
		}
		n := 0
		for _, h := range signedHeaders(raw) {
			if h.Name == "content-length" || h.Name == "transfer-encoding" {
				n++
			}
			if strings.ContainsAny(h.Value, "\r\n\x00") {
				t.Fatalf("%q: a value with control bytes", raw)
			}
		}
		if n > 1 {
			t.Fatalf("%q: %d framing headers passed", raw, n)
		}
	})
}

func FuzzDeleteDocument(f *testing.F) {
	for _, s := range []string{"<Delete><Object><Key>k</Key></Object></Delete>", "<Delete><Quiet>true</Quiet></Delete>", "<a/>", "<Delete><Object><Key>&#0;</Key></Object></Delete>", "<!DOCTYPE a [<!ENTITY b 'c'>]><Delete/>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys, _, err := parseDelete(doc)
		if err != nil {
			return
		}
		if len(keys) > maxDeleteKeys {
			t.Fatalf("%d keys", len(keys))
		}
		if len(keys) == 0 {
			if names := childrenOf(doc); slices.ContainsFunc(names, func(n string) bool { return n != "Quiet" }) {
				t.Fatalf("%q is taken for an empty list", doc)
			}
		}
		for _, k := range keys {
			if k.Key == "" || len(k.Key) > maxKeyBytes {
				t.Fatalf("key %q", k.Key)
			}
		}
	})
}

// childrenOf names the elements right below a document's root.
func childrenOf(doc []byte) (names []string) {
	d := xml.NewDecoder(bytes.NewReader(doc))
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return names
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth++; depth == 2 {
				names = append(names, e.Name.Local)
			}
		case xml.EndElement:
			if depth--; depth == 0 {
				return names
			}
		}
	}
}

func FuzzCopySource(f *testing.F) {
	for _, s := range []string{"bkt/k", "/bkt/k", "bkt", "bkt/a%3Ab", "bkt/k?versionId=1", "%2Fbkt/k", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		from, err := copySource(v)
		if err == nil && (from.Bucket == "" || from.Key == "" || strings.Contains(from.Bucket, "/") || (from.Version != "") != strings.Contains(v, "?versionId=")) {
			t.Fatalf("%q gave %+v", v, from)
		}
	})
}

// The sizes a listing shows are those of the law, or raw; never negative.
func FuzzListedSize(f *testing.F) {
	f.Add(int64(1040))
	f.Add(int64(0))
	f.Fuzz(func(t *testing.T, sealed int64) {
		if p, ok := format.PlainSize(format.DefaultBlockSize, sealed); ok && (p < 0 || format.SealedSize(format.DefaultBlockSize, p) != sealed) {
			t.Fatalf("%d gave %d", sealed, p)
		}
	})
}
