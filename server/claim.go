package server

import (
	"crypto/subtle"
	"fmt"
	"net/url"
	"strconv"
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
	credential, signature := r.saidOfItself()
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

// maxClaimedKey is how many bytes of an access key that nobody proved go into the log.
const maxClaimedKey = 64

// claimedKey is the access key that the request names, for the log: bounded, in printable
// ASCII, and never one of our secrets, as sent by who took one for the other.
func (r *request) claimedKey() string {
	credential, _ := r.saidOfItself()
	for key, secret := range r.terms.secrets {
		sent := credential[:min(len(credential), len(secret))]
		if subtle.ConstantTimeCompare([]byte(sent), []byte(secret)) == 1 && (len(credential) == len(secret) || credential[len(secret)] == '/') {
			return "(the secret of " + r.terms.byKey[key].name + ")"
		}
	}
	key, _, _ := strings.Cut(credential, "/")
	cut := key[:min(len(key), maxClaimedKey)]
	shown := strconv.QuoteToASCII(cut)
	shown = shown[1 : len(shown)-1]
	if len(cut) < len(key) {
		shown += "..."
	}
	return shown
}

// saidOfItself is the claim of a form, or what the headers or the query have of one.
func (r *request) saidOfItself() (credential, signature string) {
	if r.claim.credential != "" {
		return r.claim.credential, r.claim.signature
	}
	return claimed(r.header("Authorization"), string(r.http.URI().QueryString()))
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
