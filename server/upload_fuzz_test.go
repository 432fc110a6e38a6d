package server

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// A list of parts that parses has no more parts than there may be, and says what a
// reading into structs says.
func FuzzPartList(f *testing.F) {
	const part = "<Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag><ChecksumCRC32>a</ChecksumCRC32></Part>"
	for _, s := range []string{"", "<CompleteMultipartUpload/>", "<CompleteMultipartUpload>" + part + part + "</CompleteMultipartUpload>", "<?xml version='1.0'?>\n<a:CompleteMultipartUpload xmlns:a='b'><!-- c -->" + part + "</a:CompleteMultipartUpload>\n", "<CompleteMultipartUpload><Part><ETag/><PartNumber> 7 </PartNumber></Part></CompleteMultipartUpload>", "<CompleteMultipartUpload>" + part, "<!DOCTYPE x>", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag><ChecksumXXHASH128>maoG0wFHmNhgAcMkRo1Jfw==</ChecksumXXHASH128></Part></CompleteMultipartUpload>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		list, err := parseParts(doc)
		if err != nil {
			return
		}
		parts := list.parts
		if len(list.sums) != len(parts) {
			t.Fatalf("%d parts with %d checksums", len(parts), len(list.sums))
		}
		var whole struct {
			XMLName xml.Name
			Part    []struct {
				PartNumber int
				ETag       string
			}
		}
		if err := xml.Unmarshal(doc, &whole); err != nil || whole.XMLName.Local != "CompleteMultipartUpload" {
			t.Fatalf("encoding/xml refuses what we take: %v", err)
		}
		if len(parts) != len(whole.Part) || len(parts) > format.MaxParts {
			t.Fatalf("%d parts, encoding/xml sees %d", len(parts), len(whole.Part))
		}
		for i, p := range whole.Part {
			if parts[i].Number != p.PartNumber || !strings.Contains(p.ETag, parts[i].ETag) {
				t.Fatalf("part %d is read as %+v, encoding/xml says %+v", i, parts[i], p)
			}
		}
	})
}
