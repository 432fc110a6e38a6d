package server

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// claim is how a request says that it is signed.
type claim struct {
	credential, signature string
	signed                string // what it is over, if the client sent just that: the policy of a form
}

// maxClaim is how much of what was signed is shown: nobody is known to have sent it.
const maxClaim = 1024

// showClaim adds what the request says of its own signature, as S3 does: the access
// key, and where the signature did not match, that and what of the client's own it is over.
// Nothing that we computed is shown.
func (r *request) showClaim(e *s3err.Error) {
	credential, signature := r.claim.credential, r.claim.signature
	if credential == "" {
		credential, signature = claimed(r.header("Authorization"), string(r.http.URI().QueryString()))
	}
	key, _, _ := strings.Cut(credential, "/")
	if key == "" {
		return
	}
	e.With("AWSAccessKeyId", key)
	if e.Code == s3err.SignatureDoesNotMatch {
		e.With("SignatureProvided", signature)
		if r.claim.signed != "" {
			text := r.claim.signed[:min(len(r.claim.signed), maxClaim)]
			e.With("StringToSign", text).With("StringToSignBytes", fmt.Sprintf("% x", text))
		}
	}
}

// claimed reads the credential and the signature of a request that was refused, for
// its answer alone.
func claimed(authorization, query string) (credential, signature string) {
	if authorization == "" {
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			plain, err := url.QueryUnescape(value)
			switch {
			case err != nil:
			case name == "X-Amz-Credential":
				credential = plain
			case name == "X-Amz-Signature":
				signature = plain
			}
		}
		return credential, signature
	}
	_, fields, _ := strings.Cut(authorization, " ")
	for field := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Credential":
			credential = value
		case "Signature":
			signature = value
		}
	}
	return credential, signature
}
