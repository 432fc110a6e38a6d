package pbs

import (
	"strings"
	"testing"
	"time"
)

// vectorClient has the parameters of the published vectors.
func vectorClient(t *testing.T) (*Client, time.Time) {
	t.Helper()
	c, err := New(Config{Address: "127.0.0.1:8443", Bucket: "bkt", AccessKey: "PROXYKEYID0000000001", SecretKey: "proxysecret0123456789"})
	if err != nil {
		t.Fatal(err)
	}
	return c, time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
}

const zeroChunk = "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8"

func TestSignerReproducesVectors(t *testing.T) {
	c, at := vectorClient(t)
	chunk := "store1/.chunks/bb9f/" + zeroChunk
	octets := Header{"content-type", "application/octet-stream"}
	del := `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>` + chunk + `</Key></Object></Delete>`
	if len(del) != 177 {
		t.Fatalf("the delete body has %d bytes, want 177", len(del))
	}
	for _, v := range []struct {
		name, signature string
		r               Request
	}{
		{"put", "75cde0cf2bfcba5c89c5cd00305dce31379e5b0b92fba25ec5e828cb381598be",
			Request{Method: "PUT", Path: c.keyPath(chunk), Body: NewBody([]byte("hello chunk")), Headers: []Header{octets, {"if-none-match", "*"}}}},
		{"get", "293cae78196737e424421aa01408a253a3e23f58c47e4d10e37b6e46b4dbbc0b",
			Request{Method: "GET", Path: c.keyPath("store1/.cnt/vm/100/2025-07-14T14:20:02Z/index.json.blob")}},
		{"list", "470ddfbf45ca5f58de232d6be163186ff0e3731cf7dead160df5adc2da133077",
			Request{Method: "GET", Path: "/bkt/", Query: "list-type=2&prefix=store1%2F.chunks%2F&continuation-token=a%2Bb%2Fc%3D%3D"}},
		{"delete", "4f1d7646f152fad583e1ce56992278ad375edaeaf00384e1cf83dd572a97d067",
			Request{Method: "POST", Path: "/bkt/", Query: "delete", Body: NewBody([]byte(del))}},
		{"copy", "1d6d362113ff244eb84fb240d4dbf698cb69a2c399cb6cb49321b1c044990b08",
			Request{Method: "PUT", Path: c.keyPath(chunk + ".0.bad"), Headers: []Header{octets, {"x-amz-copy-source", "bkt/" + chunk}, {"x-amz-metadata-directive", "REPLACE"}}}},
	} {
		head := string(c.Head(v.r, at))
		if _, got, _ := strings.Cut(head, "Signature="); strings.TrimSpace(got) != v.signature {
			t.Errorf("%s: signature %s, want %s\n%s", v.name, strings.TrimSpace(got), v.signature, head)
		}
	}
}

func TestRequestBytesArePBS(t *testing.T) {
	c, at := vectorClient(t)
	r := Request{Method: "PUT", Path: c.keyPath("store1/.chunks/bb9f/" + zeroChunk), Body: NewBody([]byte("hello chunk")),
		Headers: []Header{{"content-type", "application/octet-stream"}, {"if-none-match", "*"}}}
	want := strings.Join([]string{
		"PUT /bkt/store1/.chunks/bb9f/" + zeroChunk + " HTTP/1.1",
		"content-type: application/octet-stream",
		"if-none-match: *",
		"x-amz-date: 20260115T120000Z",
		"host: 127.0.0.1:8443",
		"x-amz-content-sha256: f1543f54eb28cdcb28b2b45d4edd0daec677684761af33a4b8899f346ae146a8",
		"content-length: 11",
		"content-md5: n0mvn4HVjbE91KK9HmJpHw==",
		"authorization: AWS4-HMAC-SHA256 Credential=PROXYKEYID0000000001/20260115/us-west-1/s3/aws4_request," +
			"SignedHeaders=content-length;content-md5;content-type;host;if-none-match;x-amz-content-sha256;x-amz-date," +
			"Signature=75cde0cf2bfcba5c89c5cd00305dce31379e5b0b92fba25ec5e828cb381598be",
		"", ""}, "\r\n")
	if got := string(c.Head(r, at)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	get := string(c.Head(Request{Method: "GET", Path: "/bkt/x"}, at))
	if strings.Contains(get, "content-length") || strings.Contains(get, "content-md5") || strings.Contains(get, "content-type") {
		t.Errorf("a GET carries a body's headers:\n%s", get)
	}
	del := string(c.Head(Request{Method: "DELETE", Path: "/bkt/x"}, at))
	if strings.Contains(del, "content-length") {
		t.Errorf("a DELETE carries content-length:\n%s", del)
	}
	if cp := string(c.Head(Request{Method: "PUT", Path: "/bkt/x"}, at)); !strings.Contains(cp, "\r\ncontent-length: 0\r\n") || strings.Contains(cp, "content-md5") {
		t.Errorf("an empty PUT carries the wrong headers:\n%s", cp)
	}
}

func TestKeysAreEncodedOnce(t *testing.T) {
	c, _ := vectorClient(t)
	if got, want := c.keyPath("s/.cnt/vm/1/2025-07-14T14:20:02Z/a b+ü%41"), "/bkt/s/.cnt/vm/1/2025-07-14T14%3A20%3A02Z/a%20b%2B%C3%BC%2541"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
	if got, want := canonicalQuery("list-type=2&delete&a=%2F"), "a=%2F&delete=&list-type=2"; got != want {
		t.Errorf("canonical query %s, want %s", got, want)
	}
}

func TestConfigIsRedactedAndChecked(t *testing.T) {
	cfg := Config{Address: "h:1", Bucket: "b", AccessKey: "a", SecretKey: "topsecret"}
	if s := cfg.String() + cfg.GoString(); strings.Contains(s, "topsecret") {
		t.Errorf("the secret is printed: %s", s)
	}
	for name, bad := range map[string]Config{
		"Address":     {Address: "nohost", Bucket: "b", AccessKey: "a", SecretKey: "s"},
		"SecretKey":   {Address: "h:1", Bucket: "b", AccessKey: "a"},
		"Fingerprint": {Address: "h:1", Bucket: "b", AccessKey: "a", SecretKey: "s", Fingerprint: "aa:bb"},
	} {
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v does not name the field", name, err)
		}
	}
}
