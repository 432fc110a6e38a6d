package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Signer signs requests in the header form exactly as PBS does: every header
// that is present is signed, and no blank follows the commas. It is for tests,
// benchmarks and stand-in clients, and safe for concurrent use. What the proxy
// itself asks its backend is signed by one WithBlanks.
type Signer struct{ accessKey, secretKey, region, comma string }

// NewSigner makes a Signer; none of its arguments may be empty.
func NewSigner(accessKey, secretKey, region string) *Signer {
	if accessKey == "" || secretKey == "" || region == "" {
		panic("BUG: sigv4.NewSigner needs an access key, a secret key and a region")
	}
	return &Signer{accessKey: accessKey, secretKey: secretKey, region: region, comma: ","}
}

// WithBlanks is a Signer whose commas are followed by a blank, as those of the
// SDKs are, which every server knows.
func (s *Signer) WithBlanks() *Signer {
	return &Signer{accessKey: s.accessKey, secretKey: s.secretKey, region: s.region, comma: ", "}
}

// Format prints who signs and never the secret, whatever the verb.
func (s Signer) Format(w fmt.State, _ rune) {
	fmt.Fprintf(w, "sigv4.Signer(%s, %s)", s.accessKey, s.region)
}

// HashPayload is the x-amz-content-sha256 of a body.
func HashPayload(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Sign returns a new slice with the given headers followed by x-amz-date, host,
// x-amz-content-sha256 and authorization. Names are in lower case; target is
// the raw request target as it will be on the wire; payload is HashPayload of
// the body, UnsignedPayload, or any other value to be sent as it is. The
// result's headers are to be sent unchanged, and no others that begin with
// x-amz-.
func (s *Signer) Sign(method, host, target string, headers []Header, payload string, at time.Time) ([]Header, error) {
	if !validMethod(method) {
		return nil, fmt.Errorf("cannot sign the request: the method is invalid")
	}
	path, rawQuery, err := splitTarget(target)
	if err != nil {
		return nil, fmt.Errorf("cannot sign the request: the target is invalid")
	}
	stamp := at.UTC().Format(amzDate)
	out := make([]Header, 0, len(headers)+4)
	out = append(out, headers...)
	out = append(out, Header{"x-amz-date", stamp}, Header{"host", host}, Header{"x-amz-content-sha256", payload})
	var index headerIndex
	if err := index.build(out); err != nil {
		return nil, fmt.Errorf("cannot sign the request: the headers are invalid")
	}
	if _, n := index.get("authorization"); n > 0 {
		return nil, fmt.Errorf("cannot sign the request: it is signed already")
	}

	names := make([]string, len(out))
	for i := range out {
		names[i] = index.name(i)
	}
	signed := strings.Join(slices.Compact(names), ";")
	text, _, err := appendCanonicalQuery([]byte(method+"\n"+path+"\n"), rawQuery, "")
	if err != nil {
		return nil, fmt.Errorf("cannot sign the request: the query is invalid")
	}
	text, err = index.appendCanonicalHeaders(append(text, '\n'), method, "x-amz-date", signed)
	if err != nil {
		panic("BUG: sigv4.Sign signs every header: " + err.Error())
	}
	c := canonical{request: digest(text, signed, payload), stamp: stamp, date: stamp[:8], region: s.region}
	signature, _ := c.sign(s.secretKey)
	return append(out, Header{"authorization", algorithm +
		" Credential=" + s.accessKey + "/" + c.date + "/" + s.region + "/" + service + "/" + terminator +
		s.comma + "SignedHeaders=" + signed + s.comma + "Signature=" + hex.EncodeToString(signature[:])}), nil
}
