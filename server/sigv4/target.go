package sigv4

import (
	"bytes"
	"slices"
	"strings"
)

// splitTarget cuts a raw origin-form target into path and query, both as on
// the wire. A byte that could end a line of the canonical request, or that is
// never part of a request target, is refused.
func splitTarget(target string) (path, query string, err error) {
	if len(target) > maxTarget || target == "" || target[0] != '/' {
		return "", "", ErrTarget
	}
	for i := 0; i < len(target); i++ {
		if c := target[i]; c <= ' ' || c == 0x7f || c == '#' {
			return "", "", ErrTarget
		}
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query, nil
}

// validMethod says whether s is a token (RFC 9110 section 5.6.2).
func validMethod(s string) bool {
	if s == "" || len(s) > maxMethod {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !isToken(s[i]) {
			return false
		}
	}
	return true
}

// param is one encoded parameter: name at [begin:equals], value at
// [equals+1:end] of a shared buffer.
type param struct{ begin, equals, end int }

// appendCanonicalQuery appends the canonical form of a raw query: every
// parameter decoded once, encoded again with all but the unreserved characters
// escaped, sorted by name and then by value. `?delete` becomes `delete=`.
//
// A raw '+' is a space, as it is to S3 and to every signer that decodes before
// it signs; a plus sign travels as %2B. Whoever reads the query afterwards must
// read it the same way, or a '%2B' turned into '+' in flight changes its
// meaning under a valid signature.
//
// Parameters named without are left out: a presigned request does not sign its
// signature. signed reports a parameter that carries authentication.
func appendCanonicalQuery(dst []byte, raw, without string) (out []byte, signed bool, err error) {
	if raw == "" {
		return dst, false, nil
	}
	var paramSpace [16]param
	var encodedSpace [512]byte
	params, encoded := paramSpace[:0], encodedSpace[:0]
	for more := true; more; {
		var part string
		part, raw, more = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		if len(params) == maxParams {
			return dst, false, ErrTarget
		}
		name, value, _ := strings.Cut(part, "=")
		p := param{begin: len(encoded)}
		var ok bool
		if encoded, ok = appendEncoded(encoded, name); !ok {
			return dst, false, ErrTarget
		}
		p.equals = len(encoded)
		signed = signed || carriesAuth(encoded[p.begin:])
		if without != "" && string(encoded[p.begin:]) == without {
			encoded = encoded[:p.begin]
			continue
		}
		encoded = append(encoded, '=')
		if encoded, ok = appendEncoded(encoded, value); !ok {
			return dst, false, ErrTarget
		}
		p.end = len(encoded)
		params = append(params, p)
	}
	slices.SortFunc(params, func(a, b param) int {
		// Compared apart: '=' sorts after '-' and the digits.
		if c := bytes.Compare(encoded[a.begin:a.equals], encoded[b.begin:b.equals]); c != 0 {
			return c
		}
		return bytes.Compare(encoded[a.equals:a.end], encoded[b.equals:b.end])
	})
	for i, p := range params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, encoded[p.begin:p.end]...)
	}
	return dst, signed, nil
}

// appendEncoded decodes s once and encodes it in AWS's UriEncode form.
func appendEncoded(dst []byte, s string) ([]byte, bool) {
	const digits = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) {
				return dst, false
			}
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high < 0 || low < 0 {
				return dst, false
			}
			c = byte(high<<4 | low)
			i += 2
		}
		if isUnreserved(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst, true
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

// carriesAuth says whether a parameter belongs to a presigned request of
// version 4 or 2. Case is ignored, so that no looser reader finds credentials
// in a query where this one saw none.
func carriesAuth(name []byte) bool {
	for _, auth := range [...]string{
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires",
		"X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token",
		"AWSAccessKeyId", "Signature",
	} {
		if len(name) == len(auth) && bytes.EqualFold(name, []byte(auth)) {
			return true
		}
	}
	return false
}
