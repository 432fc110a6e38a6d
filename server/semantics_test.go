package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func TestDeleteConditionsSpeakOfThePlainObject(t *testing.T) {
	g := newRig(t)
	stamp := time.Unix(1768478400, 0).UTC().Format(httpTime) // of every object in memory
	for _, c := range []struct {
		header map[string]string
		status int
	}{
		{map[string]string{"if-match": "ETAG"}, 204},
		{map[string]string{"if-match": "*"}, 204},
		{map[string]string{ifMatchSize: "5"}, 204},
		{map[string]string{ifMatchTime: stamp}, 204},
		{map[string]string{"if-match": "ETAG", ifMatchSize: "5", ifMatchTime: stamp}, 204},
		{map[string]string{"if-match": `"other-s"`}, 412},
		{map[string]string{ifMatchSize: "6"}, 412},
		{map[string]string{ifMatchSize: "five"}, 412},
		{map[string]string{ifMatchTime: "Mon, 02 Jan 2006 15:04:05 GMT"}, 412},
		{map[string]string{ifMatchTime: "yesterday"}, 412},
		{map[string]string{"if-match": "ETAG", ifMatchSize: "6"}, 412},
	} {
		etag := g.put("/bkt/k", []byte("plain")).header.Get("ETag")
		if c.header["if-match"] == "ETAG" {
			c.header["if-match"] = etag
		}
		a := g.do(call{method: "DELETE", target: "/bkt/k", header: c.header})
		if gone := g.store.stored("bkt", "k") == nil; a.status != c.status || gone != (c.status == 204) {
			t.Errorf("%v: %d, gone %v", c.header, a.status, gone)
		}
		if c.status == 204 {
			if last := g.store.deleted[len(g.store.deleted)-1]; last.IfMatch == "" {
				t.Errorf("%v: the backend was not told which object", c.header)
			}
		}
	}
	g.want(g.do(call{method: "DELETE", target: "/bkt/none", header: map[string]string{ifMatchSize: "5"}}), 412, "PreconditionFailed")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"x-amz-mfa": "1"}}), 501, "NotImplemented")
}

func TestGovernanceIsBypassedWhereAsked(t *testing.T) {
	g := newRig(t)
	header := map[string]string{"x-amz-bypass-governance-retention": "true"}
	g.put("/bkt/k", []byte("x"))
	g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: header}), 204, "")
	doc := []byte("<Delete><Object><Key>k</Key></Object></Delete>")
	g.want(g.do(call{method: "POST", target: "/bkt?delete=", body: doc, header: header}), 200, "")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	want := []backend.DeleteOptions{{BypassGovernance: true}, {BypassGovernance: true}, {}}
	if len(g.store.deleted) != 3 || g.store.deleted[0] != want[0] || g.store.deleted[1] != want[1] || g.store.deleted[2] != want[2] {
		t.Errorf("%+v", g.store.deleted)
	}
}

func TestObjectAttributes(t *testing.T) {
	g := newRig(t)
	body := []byte("twelve bytes")
	sum := sha256.Sum256(body)
	value := base64.StdEncoding.EncodeToString(sum[:])
	put := g.do(call{method: "PUT", target: "/bkt/k", body: body, header: map[string]string{"x-amz-checksum-sha256": value}})
	g.want(put, 200, "")
	if put.header.Get("x-amz-object-size") != "12" {
		t.Errorf("size %q", put.header.Get("x-amz-object-size"))
	}
	ask := func(target, names string) answer {
		return g.do(call{method: "GET", target: target, header: map[string]string{"x-amz-object-attributes": names}})
	}
	a := ask("/bkt/k?attributes", "ETag,Checksum,ObjectSize, StorageClass")
	for _, want := range []string{"<ETag>" + strings.Trim(put.header.Get("ETag"), `"`) + "</ETag>", "<Checksum><ChecksumSHA256>" + value + "</ChecksumSHA256><ChecksumType>FULL_OBJECT</ChecksumType></Checksum>",
		"<ObjectSize>12</ObjectSize>", "<StorageClass>STANDARD</StorageClass>"} {
		if !strings.Contains(string(a.body), want) {
			t.Errorf("no %s in %s", want, a.body)
		}
	}
	if a.status != 200 || a.header.Get("Last-Modified") == "" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if a := ask("/bkt/k?attributes", "ObjectSize"); strings.Contains(string(a.body), "ETag") || strings.Contains(string(a.body), "Checksum") {
		t.Errorf("more than was asked: %s", a.body)
	}
	// The list may come in several lines; the signature covers the joined form.
	a = g.do(call{method: "GET", target: "/bkt/k?attributes", header: map[string]string{"x-amz-object-attributes": "ETag,ObjectSize"}, edit: func(head string) string {
		return strings.Replace(head, "x-amz-object-attributes: ETag,ObjectSize", "x-amz-object-attributes: ETag\r\nx-amz-object-attributes: ObjectSize", 1)
	}})
	if g.want(a, 200, ""); !strings.Contains(string(a.body), "<ETag>") || !strings.Contains(string(a.body), "<ObjectSize>") {
		t.Errorf("%s", a.body)
	}
	g.want(ask("/bkt/k?attributes", "Owner"), 400, "InvalidArgument")
	g.want(ask("/bkt/k?attributes", ","), 400, "InvalidRequest")
	g.want(g.do(call{method: "GET", target: "/bkt/k?attributes"}), 400, "InvalidRequest")
	g.want(ask("/bkt/none?attributes", "ETag"), 404, "NoSuchKey")
	g.want(ask("/none?attributes", "ETag"), 501, "NotImplemented") // of a bucket there are none
	g.want(ask("/none/k?attributes", "nonsense"), 404, "NoSuchBucket")
}

func TestEveryChecksumHasItsElement(t *testing.T) {
	for i := range checksums {
		c := sealedChecksum{checksum: &checksums[i], kind: fullObject, sum: []byte("sum")}
		doc, err := xml.Marshal(c.inXML())
		if want := "<Checksum" + c.name + ">c3Vt</Checksum" + c.name + ">"; err != nil || !strings.Contains(string(doc), want) {
			t.Errorf("%s: %s %v", c.name, doc, err)
		}
	}
}

func TestListBucketsPages(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Backend = newMemory("a-1", "a-2", "b-1", "b-2") })
	names := func(query string) (got, token string) {
		t.Helper()
		a := g.do(call{method: "GET", target: "/" + query})
		g.want(a, 200, "")
		for part := range strings.SplitSeq(string(a.body), "<Name>") {
			if name, _, ok := strings.Cut(part, "</Name>"); ok {
				got += name + " "
			}
		}
		_, rest, _ := strings.Cut(string(a.body), "<ContinuationToken>")
		token, _, _ = strings.Cut(rest, "</ContinuationToken>")
		if !strings.Contains(string(a.body), "<Owner><ID>"+testAccess+"</ID>") {
			t.Errorf("%s", a.body)
		}
		return got, token
	}
	for query, want := range map[string][2]string{
		"":                               {"a-1 a-2 b-1 b-2 ", ""},
		"?max-buckets=3":                 {"a-1 a-2 b-1 ", "b-1"},
		"?max-buckets=4":                 {"a-1 a-2 b-1 b-2 ", ""},
		"?continuation-token=b-1":        {"b-2 ", ""},
		"?prefix=b":                      {"b-1 b-2 ", ""},
		"?max-buckets=1&prefix=b":        {"b-1 ", "b-1"},
		"?bucket-region=us-east-1":       {"a-1 a-2 b-1 b-2 ", ""},
		"?bucket-region=eu-west-1":       {"", ""},
		"?continuation-token=z&prefix=a": {"", ""},
	} {
		if got, token := names(query); got != want[0] || token != want[1] {
			t.Errorf("%s: %q %q, want %q", query, got, token, want)
		}
	}
	for _, n := range []string{"0", "-3", "10001", "x", ""} {
		a := g.do(call{method: "GET", target: "/?max-buckets=" + n})
		if g.want(a, 400, "InvalidArgument"); !strings.Contains(string(a.body), "Argument max-buckets must be an integer between 1 and 10000.") {
			t.Errorf("%s", a.body)
		}
	}
}

func TestBucketsTellRegionAndName(t *testing.T) {
	g := newRig(t)
	if got := g.do(call{method: "HEAD", target: "/bkt"}).header.Get("x-amz-bucket-region"); got != "us-east-1" {
		t.Errorf("%q", got)
	}
	if got := g.do(call{method: "PUT", target: "/fresh"}).header.Get("x-amz-bucket-arn"); got != "arn:aws:s3:::fresh" {
		t.Errorf("%q", got)
	}
}

func TestMaxKeysTexts(t *testing.T) {
	g := newRig(t)
	for v, want := range map[string]string{"-5": "Argument -5 must be an integer between 0 and 2147483647", "x": "Provided max-keys not an integer or within integer range", "99999999999": "Provided max-keys"} {
		for _, list := range []string{"", "list-type=2&"} {
			a := g.do(call{method: "GET", target: "/bkt?" + list + "max-keys=" + v})
			if g.want(a, 400, "InvalidArgument"); !strings.Contains(string(a.body), want) || !strings.Contains(string(a.body), "<ArgumentValue>"+v+"</ArgumentValue>") {
				t.Errorf("%s", a.body)
			}
		}
	}
}

func TestDigestAnswersSayWhatDiffers(t *testing.T) {
	g := newRig(t)
	md5Header := base64.StdEncoding.EncodeToString(make([]byte, 16))
	for _, c := range []struct {
		call call
		code string
		has  []string
	}{
		{call{sha: strings.Repeat("0", 64)}, "XAmzContentSHA256Mismatch", []string{"<ClientComputedContentSHA256>" + strings.Repeat("0", 64), "<S3ComputedContentSHA256>2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881<"}},
		{call{header: map[string]string{"content-md5": md5Header}}, "BadDigest", []string{"<CalculatedDigest>ndTkYSaMgDT1yFZOFVxnpg==<", "<ExpectedDigest>" + strings.Repeat("0", 32) + "<", "The Content-MD5 you specified did not match what we received."}},
		{call{header: map[string]string{"content-md5": "x"}}, "InvalidDigest", []string{"<Content-MD5>x</Content-MD5>"}},
		{call{header: map[string]string{"x-amz-checksum-crc32": "AAAAAA=="}}, "BadDigest", []string{"The CRC32 you specified did not match the calculated checksum."}},
		{call{header: map[string]string{"x-amz-checksum-crc32": "AAAA"}}, "InvalidRequest", []string{"Value for x-amz-checksum-crc32 header is invalid."}},
		{call{header: map[string]string{"x-amz-checksum-crc33": "AAAAAA=="}}, "InvalidRequest", []string{"The algorithm type you specified in x-amz-checksum- header is invalid."}},
		{call{header: map[string]string{"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}}, "InvalidRequest", []string{"Expecting a single x-amz-checksum- header."}},
		{call{header: map[string]string{"x-amz-sdk-checksum-algorithm": "CRC32"}}, "InvalidRequest", []string{"specified, but no corresponding x-amz-checksum-*"}},
		{call{header: map[string]string{"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32c": "AAAAAA=="}}, "InvalidRequest", []string{"Value for x-amz-sdk-checksum-algorithm header is invalid."}},
	} {
		c.call.method, c.call.target, c.call.body = "PUT", "/bkt/k", []byte("x")
		a := g.do(c.call)
		g.want(a, 400, c.code)
		for _, want := range c.has {
			if !strings.Contains(string(a.body), want) {
				t.Errorf("no %s in %s", want, a.body)
			}
		}
	}
	if g.store.stored("bkt", "k") != nil {
		t.Error("stored")
	}
}

func TestCopyConditions(t *testing.T) {
	g := newRig(t)
	etag := g.put("/bkt/k", []byte("x")).header.Get("ETag")
	before, after := "Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2040 15:04:05 GMT"
	const p = "x-amz-copy-source-if-"
	for _, c := range []struct {
		header map[string]string
		status int
	}{
		{map[string]string{p + "match": etag}, 200},
		{map[string]string{p + "match": etag, p + "unmodified-since": before}, 200},
		{map[string]string{p + "none-match": `"x"`}, 200},
		{map[string]string{p + "modified-since": before}, 200},
		{map[string]string{p + "match": `"x"`}, 412},
		{map[string]string{p + "none-match": etag}, 304},
		{map[string]string{p + "modified-since": after}, 304},
		{map[string]string{p + "unmodified-since": before}, 412},
	} {
		c.header["x-amz-copy-source"] = "/bkt/k"
		a := g.do(call{method: "PUT", target: "/bkt/c", header: c.header})
		if stored := g.store.stored("bkt", "c") != nil; a.status != c.status || stored != (c.status == 200) {
			t.Errorf("%v: %d, stored %v: %s", c.header, a.status, stored, a.body)
		}
		g.do(call{method: "DELETE", target: "/bkt/c"})
	}
}

// TestCopyComputesAChecksum of the plain bytes, whatever the size, and keeps one that is
// there.
func TestCopyComputesAChecksum(t *testing.T) {
	g := newRig(t, func(c *Config) { c.WholeObject = 5 << 20 })
	for _, size := range []int{0, 5, 6 << 20} {
		body := pattern(size)
		name := "/bkt/k" + strconv.Itoa(size)
		g.put(name, body)
		sum := sha256.Sum256(body)
		want := "<ChecksumSHA256>" + base64.StdEncoding.EncodeToString(sum[:]) + "</ChecksumSHA256>"
		for _, header := range []map[string]string{
			{"x-amz-copy-source": name, "x-amz-checksum-algorithm": "SHA256"},
			{"x-amz-copy-source": "/bkt/c"}, // which has one now
			{"x-amz-copy-source": "/bkt/c", "x-amz-checksum-algorithm": "SHA256", "x-amz-metadata-directive": "REPLACE"},
		} {
			to := "/bkt/c"
			if header["x-amz-metadata-directive"] == "" && header["x-amz-copy-source"] == to {
				to = "/bkt/d"
			}
			a := g.do(call{method: "PUT", target: to, header: header})
			if g.want(a, 200, ""); !strings.Contains(string(a.body), want) {
				t.Errorf("%d bytes, %v: %s", size, header, a.body)
			}
		}
		a := g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/d", "x-amz-checksum-algorithm": "crc32"}})
		if g.want(a, 200, ""); !strings.Contains(string(a.body), "<ChecksumCRC32>") || strings.Contains(string(a.body), "SHA256") {
			t.Errorf("%s", a.body)
		}
		if got := g.get("/bkt/c"); string(got.body) != string(body) {
			t.Errorf("%d bytes: the copy reads %d", size, len(got.body))
		}
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/d", "x-amz-checksum-algorithm": "CRC33"}}), 400, "InvalidRequest")
}

// TestCopyWithAChecksumOfAChangedSourceFails: the checksum is of the bytes that are copied.
func TestCopyWithAChecksumOfAChangedSourceFails(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("before"))
	gets := 0
	g.store.before = func(op, _, key string) error {
		if op != "Get" || key != "k" {
			return nil
		}
		if gets++; gets == 2 {
			g.store.buckets["bkt"]["k"].etag = `"changed"`
		}
		return nil
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/k", "x-amz-checksum-algorithm": "SHA256"}}), 503, "ServiceUnavailable")
	if g.store.stored("bkt", "c") != nil {
		t.Error("copied under a checksum of other bytes")
	}
}

func TestCopySourceForms(t *testing.T) {
	for in, want := range map[string][3]string{
		"bkt/k?versionId=v%2B1": {"bkt", "k", "v+1"}, "bkt/a%3FversionId=1": {"bkt", "a?versionId=1"}, "bkt/k": {"bkt", "k"}, "/bkt/k": {"bkt", "k"}, "bkt%2Fk": {"bkt", "k"}, "bkt/a b#c?d": {"bkt", "a b#c?d"}, "bkt/a+b%20c": {"bkt", "a+b c"}, "bkt/a//b/": {"bkt", "a//b/"}, "bkt/k?versionId=null": {"bkt", "k", "null"},
	} {
		from, err := copySource(in)
		if err != nil || [3]string{from.Bucket, from.Key, from.Version} != want {
			t.Errorf("%q: %+v %v", in, from, err)
		}
	}
	for in, want := range map[string]string{
		"bkt/%ZZ": "encoding", "%": "encoding", "bkt/%C3%": "encoding", "bkt/%ff": "encoding", "bkt/%00": "encoding",
		"192.168.1.1/k": "bucket name", "my-buc@k/k": "bucket name", "": "bucket name", "/": "bucket name",
		"bkt": "object key", "bkt/": "object key", "bkt/" + strings.Repeat("k", maxKeyBytes+1): "object key", "bkt/k?versionId=": "Version id", "bkt/k?versionId=%ff": "encoding",
	} {
		if _, err := copySource(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

// TestPresignedQueryMayAskForTheChecksum: the SDKs hoist that header.
func TestPresignedQueryMayAskForTheChecksum(t *testing.T) {
	g := newRig(t)
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: map[string]string{"x-amz-checksum-crc32": "jNwWgw=="}}), 200, "")
	for query, shown := range map[string]bool{"?x-amz-checksum-mode=ENABLED": true, "?X-Amz-Checksum-Mode=ENABLED": true, "?x-amz-checksum-mode=x": false, "": false} {
		a := g.get("/bkt/k" + query)
		if g.want(a, 200, ""); (a.header.Get("x-amz-checksum-crc32") != "") != shown {
			t.Errorf("%s: %v", query, a.header)
		}
	}
}

// TestOwnNamesTakeNoPlaceInAPage: a page is as full as it can be, and the last one says
// so, wherever our own names lie.
func TestOwnNamesTakeNoPlaceInAPage(t *testing.T) {
	g := newRig(t)
	for _, k := range []string{"A", "z", "zz"} {
		g.put("/bkt/"+k, []byte("x"))
	}
	for _, c := range []struct {
		query, names string
		truncated    bool
	}{
		{"max-keys=1", "A ", true},
		{"max-keys=2", "A z ", true},
		{"max-keys=3", "A z zz ", false},
		{"max-keys=1&prefix=A", "A ", false},
		{"max-keys=2&prefix=z", "z zz ", false},
		{"max-keys=1&prefix=_", "", false},
		{"max-keys=0", "", false},
	} {
		for _, version := range []string{"", "list-type=2&"} {
			a := g.do(call{method: "GET", target: "/bkt?" + version + c.query})
			g.want(a, 200, "")
			var doc struct {
				IsTruncated bool
				Contents    []struct{ Key string }
			}
			if err := xml.Unmarshal(a.body, &doc); err != nil {
				t.Fatal(err)
			}
			names := ""
			for _, o := range doc.Contents {
				names += o.Key + " "
			}
			if names != c.names || doc.IsTruncated != c.truncated {
				t.Errorf("%s%s: %q truncated %v: %s", version, c.query, names, doc.IsTruncated, a.body)
			}
		}
	}
	// A listing that our own names cannot be in costs one request.
	n := g.store.count()
	g.want(g.do(call{method: "GET", target: "/bkt?list-type=2&prefix=z&max-keys=1"}), 200, "")
	if calls := g.store.callsSince(n); len(calls) != 1 {
		t.Errorf("%v", calls)
	}
}
