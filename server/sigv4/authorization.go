package sigv4

import (
	"slices"
	"strings"
)

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
	scheme, fields, err := cutScheme(s)
	if err != nil {
		return a, err
	}
	switch scheme {
	case algorithm:
	case "AWS":
		return a, ErrUnsupportedAuth
	default:
		return a, tell(ErrAuthType, "Unsupported Authorization Type").about("Authorization", scheme)
	}
	if strings.Count(fields, ",") != 2 {
		return a, tell(ErrMalformed, inHeaderWords+"the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	}
	if err := namesFields(fields); err != nil {
		return a, err
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
	// Where the client meant to sign is of more use to it than the form of the rest.
	if err := a.parseCredential(credential, inHeaderWords); err != nil {
		return a, err
	}
	// One form of a signature only, hence lower case: AWS defines no other.
	if !decodeHex(a.signature[:], signature) || strings.ContainsAny(signature, "ABCDEF") {
		return a, ErrMalformed
	}
	if !validSignedHeaders(a.signedHeaders) {
		return a, ErrMalformed
	}
	return a, nil
}

// cutScheme splits the scheme off, which a blank follows.
func cutScheme(s string) (scheme, fields string, err error) {
	blank := strings.IndexAny(s, " \t")
	if blank < 0 {
		return "", "", tell(ErrAuthForm, "Authorization header is invalid -- one and only one ' ' (space) required.").about("Authorization", s)
	}
	return s[:blank], s[blank:], nil
}

// namesFields says which of the three fields is missing.
func namesFields(fields string) error {
	var names [3]string
	for i := range names {
		var field string
		field, fields, _ = strings.Cut(fields, ",")
		field = trimBlanks(field)
		name, _, ok := strings.Cut(field, "=")
		if !ok {
			return tell(ErrMalformed, inHeaderWords+"the authorization component %s is malformed.", quoted(field))
		}
		names[i] = name
	}
	for _, want := range []string{"Credential", "SignedHeaders", "Signature"} {
		if !slices.Contains(names[:], want) {
			return tell(ErrMalformed, inHeaderWords+"missing %s.", want)
		}
	}
	return nil
}

// parseCredential splits from the right: an access key may hold a slash. words
// begin what the client is told.
func (a *authorization) parseCredential(s, words string) error {
	var last [4]string // date, region, service, terminator
	slashes := strings.Count(s, "/")
	for i := len(last) - 1; i >= 0; i-- {
		slash := strings.LastIndexByte(s, '/')
		if slash < 0 {
			return tell(ErrMalformed, "%s%s", words, credentialForm)
		}
		last[i], s = s[slash+1:], s[:slash]
	}
	if s == "" || len(s) > maxAccessKey || !isVisible(s) {
		return tell(ErrMalformed, "%s%s", words, credentialForm)
	}
	a.accessKey, a.date, a.region = s, last[0], last[1]
	switch {
	case last[2] != service && last[3] != terminator && slashes > len(last):
		return tell(ErrMalformed, "%s%s", words, credentialForm) // too many parts, none of them where it belongs
	case last[2] != service:
		return tell(ErrScope, "%sincorrect service %s. This endpoint belongs to \"s3\".", words, quoted(last[2]))
	case last[3] != terminator:
		return tell(ErrScope, "%sincorrect terminal %s. This endpoint uses \"aws4_request\".", words, quoted(last[3]))
	case len(a.date) != 8 || !isDigits(a.date):
		return tell(ErrScope, "%sincorrect date format %s. This date in the credential must be in the format \"yyyyMMdd\".", words, quoted(a.date))
	case a.region == "" || len(a.region) > maxRegion || !isVisible(a.region):
		return tell(ErrScope, "%s%s", words, credentialForm)
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
