package sigv4

import (
	"crypto/subtle"
	"strings"
)

// Form is how a browser's form is signed ("Authenticating Requests: Browser-Based
// Uploads Using POST", Amazon S3 API reference): its fields, as they came. What is
// signed is the policy alone, in base64; what it allows is the caller's to check.
type Form struct {
	Algorithm  string // x-amz-algorithm
	Credential string // x-amz-credential
	Date       string // x-amz-date
	Signature  string // x-amz-signature
	Policy     string // policy, in base64
}

// VerifyForm proves that the holder of an access key's secret signed the policy. How
// long that holds is for the policy to say; a form from the future is refused.
func (v *Verifier) VerifyForm(f Form) (accessKey string, err error) {
	if f.Policy == "" || f.Signature == "" {
		return "", ErrMissingAuth
	}
	if f.Algorithm != algorithm {
		return "", tell(ErrQueryScheme, `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`)
	}
	var auth authorization
	if err := auth.parseCredential(f.Credential, ""); err != nil {
		return "", err
	}
	if err := v.checkRegion(&auth, ""); err != nil {
		return "", err
	}
	at, err := parseStamp(f.Date)
	switch {
	case err != nil:
		return "", err
	case auth.date != f.Date[:8]:
		return "", tell(ErrScope, "Invalid credential date. Date is not the same as X-Amz-Date.")
	case at.Sub(v.now()) > v.maxSkew:
		return "", ErrSkewed
	}
	if !decodeHex(auth.signature[:], f.Signature) || strings.ContainsAny(f.Signature, "ABCDEF") {
		return "", ErrSignature
	}
	secret, known := v.lookup(auth.accessKey)
	if known = known && secret != "" && len(secret) <= maxSecret; !known {
		secret = nobody
	}
	want := policySignature(secret, &auth, f.Policy)
	matches := subtle.ConstantTimeCompare(want[:], auth.signature[:]) == 1
	switch {
	case !known:
		return "", ErrUnknownKey
	case !matches:
		return "", ErrSignature
	}
	return auth.accessKey, nil
}

func policySignature(secret string, auth *authorization, policy string) [32]byte {
	c := canonical{date: auth.date, region: auth.region}
	_, key := c.sign(secret)
	return hmacSHA256(key[:], policy)
}

// SignForm fills in the fields of a form that carries a policy, in base64, signed at
// the time of stamp (YYYYMMDDTHHMMSSZ).
func (s *Signer) SignForm(policy, stamp string) Form {
	auth := authorization{date: stamp[:8], region: s.region}
	signature := policySignature(s.secretKey, &auth, policy)
	return Form{
		Algorithm: algorithm, Date: stamp, Policy: policy, Signature: hexString(signature[:]),
		Credential: s.accessKey + "/" + stamp[:8] + "/" + s.region + "/" + service + "/" + terminator,
	}
}
