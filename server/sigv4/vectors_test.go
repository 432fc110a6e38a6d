package sigv4

import (
	"crypto/md5"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	vectorAccessKey = "PROXYKEYID0000000001"
	vectorSecret    = "proxysecret0123456789"
	vectorRegion    = "us-west-1"
	vectorHost      = "127.0.0.1:8443"
	zeroChunk       = "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8"
)

var vectorTime = time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)

// vector is a request that was signed by somebody else, and the signature he
// came to.
type vector struct {
	name           string
	method, target string
	headers        []Header // beside those that Sign adds
	payload        string
	signature      string
}

func (v *vector) sign(t testing.TB) []Header {
	t.Helper()
	signed, err := NewSigner(vectorAccessKey, vectorSecret, vectorRegion).
		Sign(v.method, vectorHost, v.target, v.headers, v.payload, vectorTime)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (v *vector) request(t testing.TB) *Request {
	return &Request{Method: v.method, Target: v.target, Headers: v.sign(t)}
}

// pbsVectors are requests as Proxmox Backup Server's client sends them. Their
// signatures come from an implementation that was checked against the AWS
// documentation's examples; only the one without a signature does not.
func pbsVectors() []vector {
	body := func(s string) []Header {
		sum := md5.Sum([]byte(s))
		return []Header{{"content-length", strconv.Itoa(len(s))}, {"content-md5", base64.StdEncoding.EncodeToString(sum[:])}}
	}
	const chunk = "/bkt/store1/.chunks/bb9f/" + zeroChunk
	const batch = `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>store1/.chunks/bb9f/` + zeroChunk + `</Key></Object></Delete>`
	octets := Header{"content-type", "application/octet-stream"}
	return []vector{
		{
			name: "put chunk", method: "PUT", target: chunk,
			headers: append([]Header{octets, {"if-none-match", "*"}}, body("hello chunk")...), payload: HashPayload([]byte("hello chunk")),
			signature: "75cde0cf2bfcba5c89c5cd00305dce31379e5b0b92fba25ec5e828cb381598be",
		}, {
			name: "get index", method: "GET", target: "/bkt/store1/.cnt/vm/100/2025-07-14T14%3A20%3A02Z/index.json.blob",
			payload:   HashPayload(nil),
			signature: "293cae78196737e424421aa01408a253a3e23f58c47e4d10e37b6e46b4dbbc0b",
		}, {
			name: "list", method: "GET", target: "/bkt/?list-type=2&prefix=store1%2F.chunks%2F&continuation-token=a%2Bb%2Fc%3D%3D",
			payload:   HashPayload(nil),
			signature: "470ddfbf45ca5f58de232d6be163186ff0e3731cf7dead160df5adc2da133077",
		}, {
			name: "delete batch", method: "POST", target: "/bkt/?delete",
			headers: body(batch), payload: HashPayload([]byte(batch)),
			signature: "4f1d7646f152fad583e1ce56992278ad375edaeaf00384e1cf83dd572a97d067",
		}, {
			name: "copy", method: "PUT", target: chunk + ".0.bad",
			headers: []Header{
				octets, {"x-amz-copy-source", "bkt/store1/.chunks/bb9f/" + zeroChunk}, {"x-amz-metadata-directive", "REPLACE"},
				{"content-length", "0"},
			},
			payload:   HashPayload(nil),
			signature: "1d6d362113ff244eb84fb240d4dbf698cb69a2c399cb6cb49321b1c044990b08",
		}, {
			// Clients before 4.0.17 send and sign this on every request.
			name: "get with content-length 0", method: "GET", target: "/bkt/store1/.in-use",
			headers: []Header{{"content-length", "0"}}, payload: HashPayload(nil),
		},
	}
}

// newVerifier knows the vectors' key and stands still at their time.
func newVerifier() *Verifier {
	return New(Config{
		Lookup: func(key string) (string, bool) { return vectorSecret, key == vectorAccessKey },
		Now:    func() time.Time { return vectorTime },
	})
}

func TestVectorsOfPBSAreSignedToTheByte(t *testing.T) {
	for _, v := range pbsVectors() {
		if v.signature == "" {
			continue
		}
		names := []string{"host", "x-amz-content-sha256", "x-amz-date"}
		for _, h := range v.headers {
			names = append(names, h.Name)
		}
		slices.Sort(names)
		want := "AWS4-HMAC-SHA256 Credential=PROXYKEYID0000000001/20260115/us-west-1/s3/aws4_request,SignedHeaders=" +
			strings.Join(names, ";") + ",Signature=" + v.signature
		if got := find(v.sign(t), "authorization"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", v.name, got, want)
		}
	}
}

func TestVectorsOfPBSVerify(t *testing.T) {
	for _, v := range pbsVectors() {
		got, err := newVerifier().Verify(v.request(t))
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		if got.AccessKey != vectorAccessKey || got.Payload.Mode != Exact || got.Payload.SHA256 == [32]byte{} {
			t.Errorf("%s: got %+v", v.name, got)
		}
	}
}

// The examples of "Signature Calculations for the Authorization Header:
// Transferring Payload in a Single Chunk" in the Amazon S3 API reference.
func TestExamplesOfTheAWSDocumentation(t *testing.T) {
	const (
		accessKey = "AKIAIOSFODNN7EXAMPLE"
		secret    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
		empty     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	)
	at := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	verifier := New(Config{
		Lookup: func(k string) (string, bool) { return secret, k == accessKey },
		Now:    func() time.Time { return at },
	})
	for _, e := range []struct {
		method, target string
		headers        []Header
		payload        string
		signed         string
		signature      string
	}{
		{
			"GET", "/test.txt", []Header{{"range", "bytes=0-9"}}, empty,
			"host;range;x-amz-content-sha256;x-amz-date",
			"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
		}, {
			"PUT", "/test%24file.text", []Header{{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
			HashPayload([]byte("Welcome to Amazon S3.")),
			"date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
		}, {
			"GET", "/?lifecycle", nil, empty,
			"host;x-amz-content-sha256;x-amz-date",
			"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
		}, {
			"GET", "/?max-keys=2&prefix=J", nil, empty,
			"host;x-amz-content-sha256;x-amz-date",
			"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
		},
	} {
		headers, err := NewSigner(accessKey, secret, "us-east-1").Sign(e.method, "examplebucket.s3.amazonaws.com", e.target, e.headers, e.payload, at)
		if err != nil {
			t.Fatal(err)
		}
		const scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
		want := scope + "SignedHeaders=" + e.signed + ",Signature=" + e.signature
		if got := find(headers, "authorization"); got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", e.method, e.target, got, want)
		}
		// As the documentation's client sends it.
		set(headers, "authorization", strings.ReplaceAll(want, ",S", ", S"))
		if _, err := verifier.Verify(&Request{Method: e.method, Target: e.target, Headers: headers}); err != nil {
			t.Errorf("%s %s: %v", e.method, e.target, err)
		}
	}
}

func find(headers []Header, name string) string {
	for _, h := range headers {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// set changes a header in place.
func set(headers []Header, name, value string) {
	for i := range headers {
		if headers[i].Name == name {
			headers[i].Value = value
			return
		}
	}
	panic("BUG: no header " + name)
}
