package sigv4

import (
	"crypto/subtle"
	"time"
)

// Config is what a Verifier needs.
type Config struct {
	// Lookup gives the secret of an access key. It is called once for each
	// well-formed request, from many goroutines; an empty secret counts as
	// unknown. Required.
	Lookup func(accessKey string) (secret string, ok bool)
	// Region must be the one of every signature; "" = any is taken.
	Region string
	// MaxSkew is how far a request's time may be from Now, in both directions.
	// 0 = 15 minutes.
	MaxSkew time.Duration
	// Now is the clock. nil = time.Now.
	Now func() time.Time
}

// Verifier verifies signatures. It holds no state beyond its Config and is safe
// for concurrent use.
type Verifier struct {
	lookup  func(string) (string, bool)
	region  string
	maxSkew time.Duration
	now     func() time.Time
}

// New makes a Verifier. A Config that cannot work is a programmer's error.
func New(cfg Config) *Verifier {
	v := &Verifier{lookup: cfg.Lookup, region: cfg.Region, maxSkew: cfg.MaxSkew, now: cfg.Now}
	if v.lookup == nil {
		panic("BUG: sigv4.Config.Lookup is nil")
	}
	if v.maxSkew < 0 {
		panic("BUG: sigv4.Config.MaxSkew is negative")
	}
	if v.maxSkew == 0 {
		v.maxSkew = defaultMaxSkew
	}
	if v.now == nil {
		v.now = time.Now
	}
	return v
}

// nobody is the secret that requests with an unknown access key are verified
// with, so that they take as long as all others.
const nobody = "there is no secret for this access key."

// Verify proves that the holder of an access key's secret signed the request as
// it arrived, not long ago. It reads headers and target only; the body is the
// caller's to compare with Verified.Payload. On an error Verified is zero and
// the error is one of errors.go.
func (v *Verifier) Verify(r *Request) (Verified, error) {
	if !validMethod(r.Method) {
		return Verified{}, ErrTarget
	}
	path, rawQuery, err := splitTarget(r.Target)
	if err != nil {
		return Verified{}, err
	}
	var headers headerIndex
	if err := headers.build(r.Headers); err != nil {
		return Verified{}, err
	}

	var space [1024]byte
	text := append(space[:0], r.Method...)
	text = append(text, '\n')
	text = append(text, path...)
	text = append(text, '\n')
	text, querySigned, err := appendCanonicalQuery(text, rawQuery, paramSignature)
	if err != nil {
		return Verified{}, err
	}
	text = append(text, '\n')

	var claim claim
	switch _, lines := headers.get("authorization"); {
	case lines > 0 && querySigned:
		return Verified{}, ErrBothAuth
	case querySigned:
		claim, err = v.presigned(rawQuery, &headers)
	case lines == 0:
		return Verified{}, ErrMissingAuth
	default:
		claim, err = v.inHeader(&headers)
	}
	if err != nil {
		return Verified{}, err
	}
	if _, lines := headers.get("host"); lines == 0 {
		// Only a present header is missed when it is not signed.
		return Verified{}, unsignedHeaders([]string{"host"})
	}
	payload, err := parsePayload(claim.sha)
	if err != nil {
		return Verified{}, err // ErrUnsupportedPayload, or a Detail of ErrInvalidSHA
	}
	auth := &claim.authorization
	text, err = headers.appendCanonicalHeaders(text, r.Method, claim.dateHeader, auth.signedHeaders)
	if err != nil {
		return Verified{}, err
	}

	secret, known := v.lookup(auth.accessKey)
	if known = known && secret != "" && len(secret) <= maxSecret; !known {
		secret = nobody
	}
	c := canonical{request: digest(text, auth.signedHeaders, claim.sha), stamp: claim.stamp, date: auth.date, region: auth.region}
	want, key := c.sign(secret)
	matches := subtle.ConstantTimeCompare(want[:], auth.signature[:]) == 1
	switch {
	case !known:
		return Verified{}, ErrUnknownKey
	case !matches:
		return Verified{}, ErrSignature
	}
	out := Verified{AccessKey: auth.accessKey, Payload: payload, Presigned: querySigned}
	if payload.Mode == SignedChunks || payload.Mode == SignedTrailer {
		out.Chain = Chain{key: key, last: auth.signature, scope: c}
	}
	return out, nil
}

// checkRegion holds a credential's region to the endpoint's, and tells the client which
// that is: some sign again with it.
func (v *Verifier) checkRegion(a *authorization, words string) error {
	if v.region == "" || a.region == v.region {
		return nil
	}
	d := tell(ErrScope, "%sthe region %s is wrong; expecting %s", words, quoted(a.region), quoted(v.region))
	if words == inHeaderWords {
		d.Name, d.Value = "Region", v.region
	}
	return d
}

// claim is what a request says of its own signature, checked for form and time.
type claim struct {
	authorization
	stamp      string
	dateHeader string // the header the time is from; "" if it is from the query
	sha        string
}

// inHeader reads the claim of an Authorization header.
func (v *Verifier) inHeader(headers *headerIndex) (c claim, err error) {
	value, _ := headers.get("authorization")
	if c.authorization, err = parseAuthorization(value); err != nil {
		return c, err
	}
	if err := v.checkRegion(&c.authorization, inHeaderWords); err != nil {
		return c, err
	}
	var at time.Time
	if at, c.stamp, c.dateHeader, err = requestTime(headers); err != nil {
		return c, err
	}
	if c.date != c.stamp[:8] {
		return c, tell(ErrScope, inHeaderWords+inHeaderWords+"Invalid credential date. Date is not the same as X-Amz-Date.")
	}
	if skew := v.now().Sub(at); skew > v.maxSkew || skew < -v.maxSkew {
		return c, ErrSkewed
	}
	sha, lines := headers.get("x-amz-content-sha256")
	if lines == 0 {
		return c, ErrMissingSHA
	}
	c.sha = sha
	return c, nil
}
