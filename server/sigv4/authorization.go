package sigv4

import "strings"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	service    = "s3"
	terminator = "aws4_request"
)

// authorization is a parsed Authorization header. Its strings are parts of the
// header's value.
type authorization struct {
	accessKey     string
	date          string // YYYYMMDD
	region        string
	signedHeaders string // lower-case tokens, strictly ascending, joined by ';'
	signature     [32]byte
}

// parseAuthorization reads
//
//	AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/s3/aws4_request, SignedHeaders=<a;b>, Signature=<64 hex>
//
// with the three fields in any order, each exactly once, and blanks around the
// commas optional: PBS writes none.
func parseAuthorization(s string) (authorization, error) {
	var a authorization
	if len(s) > maxAuthorization {
		return a, ErrMalformed
	}
	fields, ok := strings.CutPrefix(s, algorithm)
	if !ok || fields == "" || !isBlank(fields[0]) {
		return a, ErrUnsupportedAuth
	}
	var credential, signature string
	for more := true; more; {
		var field string
		field, fields, more = strings.Cut(fields, ",")
		name, value, _ := strings.Cut(trimBlanks(field), "=")
		var into *string
		switch name {
		case "Credential":
			into = &credential
		case "SignedHeaders":
			into = &a.signedHeaders
		case "Signature":
			into = &signature
		}
		if into == nil || *into != "" || value == "" {
			return a, ErrMalformed
		}
		*into = value
	}
	// One form of a signature only, hence lower case: AWS defines no other.
	if !decodeHex(a.signature[:], signature) || strings.ContainsAny(signature, "ABCDEF") {
		return a, ErrMalformed
	}
	if !validSignedHeaders(a.signedHeaders) {
		return a, ErrMalformed
	}
	return a, a.parseCredential(credential)
}

// parseCredential splits from the right: an access key may hold a slash.
func (a *authorization) parseCredential(s string) error {
	var last [4]string // date, region, service, terminator
	for i := len(last) - 1; i >= 0; i-- {
		slash := strings.LastIndexByte(s, '/')
		if slash < 0 {
			return ErrMalformed
		}
		last[i], s = s[slash+1:], s[:slash]
	}
	if s == "" || len(s) > maxAccessKey || !isVisible(s) {
		return ErrMalformed
	}
	a.accessKey, a.date, a.region = s, last[0], last[1]
	if len(a.date) != 8 || !isDigits(a.date) || last[2] != service || last[3] != terminator {
		return ErrScope
	}
	if a.region == "" || len(a.region) > maxRegion || !isVisible(a.region) {
		return ErrScope
	}
	return nil
}

// validSignedHeaders demands lower-case names in strictly ascending order, as
// AWS does; so no name comes twice.
func validSignedHeaders(s string) bool {
	previous := ""
	for n, more := 0, true; more; n++ {
		var name string
		name, s, more = strings.Cut(s, ";")
		if n == maxHeaders || !isHeaderName(name) || name <= previous {
			return false
		}
		previous = name
	}
	return previous != ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// trimBlanks drops what RFC 9110 calls optional white space.
func trimBlanks(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// isVisible says whether s is visible ASCII without blanks.
func isVisible(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
