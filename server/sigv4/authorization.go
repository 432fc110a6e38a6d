package sigv4

import (
	"encoding/hex"
	"fmt"
	"sort"
	"strings"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	service    = "s3"

	// maxAuthorization bounds the header: 64 signed names of ordinary length fit.
	maxAuthorization = 4096
	maxSignedHeaders = 64
)

// authorization is a parsed Authorization header:
//
//	AWS4-HMAC-SHA256 Credential=AK/20260115/us-west-1/s3/aws4_request,SignedHeaders=a;b,Signature=hex
//
// with or without a space after the commas.
type authorization struct {
	accessKey string
	day       string // YYYYMMDD
	region    string
	signed    []string // lower case, sorted, distinct
	signature [32]byte
}

func (a *authorization) scope() string {
	return a.day + "/" + a.region + "/" + service + "/" + terminator
}

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }

func parseAuthorization(v string) (*authorization, error) {
	if len(v) > maxAuthorization {
		return nil, malformed("too long")
	}
	rest, ok := strings.CutPrefix(v, algorithm+" ")
	if !ok {
		return nil, malformed("the algorithm is not " + algorithm)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, dup := fields[name]; !ok || dup {
			return nil, malformed("a field is broken or repeated")
		}
		fields[name] = value
	}
	if len(fields) != 3 {
		return nil, malformed("Credential, SignedHeaders and Signature are wanted")
	}
	a := &authorization{}
	if err := a.parseCredential(fields["Credential"]); err != nil {
		return nil, err
	}
	if err := a.parseSigned(fields["SignedHeaders"]); err != nil {
		return nil, err
	}
	sig := fields["Signature"]
	if len(sig) != 64 || strings.ToLower(sig) != sig {
		return nil, malformed("the signature is not 64 lower-case hex digits")
	}
	if _, err := hex.Decode(a.signature[:], []byte(sig)); err != nil {
		return nil, malformed("the signature is not hex")
	}
	return a, nil
}

// parseCredential splits from the right: an access key may hold slashes.
func (a *authorization) parseCredential(v string) error {
	parts := strings.Split(v, "/")
	n := len(parts)
	if n < 5 {
		return malformed("the credential has no scope")
	}
	a.accessKey = strings.Join(parts[:n-4], "/")
	a.day, a.region = parts[n-4], parts[n-3]
	switch {
	case a.accessKey == "":
		return malformed("the access key is empty")
	case len(a.day) != 8:
		return malformed("the scope's date is not YYYYMMDD")
	case a.region == "" || len(a.region) > 64:
		return malformed("the scope's region is empty or too long")
	case parts[n-2] != service:
		return malformed("the scope's service is not " + service)
	case parts[n-1] != terminator:
		return malformed("the scope does not end in " + terminator)
	}
	return nil
}

func (a *authorization) parseSigned(v string) error {
	a.signed = strings.Split(v, ";")
	if len(a.signed) > maxSignedHeaders {
		return malformed("too many signed headers")
	}
	for i, name := range a.signed {
		if name == "" || name != strings.ToLower(name) {
			return malformed("a signed header is empty or not in lower case")
		}
		if i > 0 && a.signed[i-1] >= name {
			return malformed("the signed headers are not in order")
		}
	}
	return nil
}

func (a *authorization) signs(name string) bool {
	i := sort.SearchStrings(a.signed, name)
	return i < len(a.signed) && a.signed[i] == name
}
