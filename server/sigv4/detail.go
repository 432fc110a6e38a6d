package sigv4

import (
	"fmt"
	"strings"
)

// Detail is an error of errors.go with what S3 tells the client of it: the words of
// S3, and what of its own request they name. It never holds more than the client
// sent. The sentinel is Err, which errors.Is finds.
type Detail struct {
	Err  error
	Text string // "" = the sentinel's error has one text, which the caller knows
	// Name and Value are an argument of the request, or an element beside the text;
	// "" = none.
	Name, Value string
	// More are further elements beside the text.
	More []Header
}

// Error is the sentinel's text, and the client's if there is one.
func (d *Detail) Error() string {
	if d.Text == "" {
		return d.Err.Error()
	}
	return d.Err.Error() + ": " + d.Text
}

// Unwrap returns the sentinel.
func (d *Detail) Unwrap() error { return d.Err }

// tell makes a Detail.
func tell(err error, format string, args ...any) *Detail {
	return &Detail{Err: err, Text: fmt.Sprintf(format, args...)}
}

// about adds the argument an error is about.
func (d *Detail) about(name, value string) *Detail {
	d.Name, d.Value = name, shown(value)
	return d
}

// shown is a part of a request as an answer may repeat it: visible and short.
func shown(s string) string {
	s = s[:min(len(s), maxShown)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// quoted is shown in quotes.
func quoted(s string) string { return `"` + shown(s) + `"` }

// The words of S3 for a credential, behind "The authorization header is malformed; "
// or "Error parsing the X-Amz-Credential parameter; ".
const (
	inHeaderWords = "The authorization header is malformed; "
	inQueryWords  = "Error parsing the X-Amz-Credential parameter; "

	credentialForm = `the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`
)

// missingParams is what S3 says when a presigned query lacks any of its parts.
const missingParams = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
