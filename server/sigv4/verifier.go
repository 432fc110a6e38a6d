package sigv4

import (
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// timestampForm is x-amz-date.
	timestampForm = "20060102T150405Z"
	// defaultSkew is what S3 allows. PBS signs once and may send minutes later.
	defaultSkew = 15 * time.Minute
	// maxCachedKeys bounds the cache of signing keys; a client has one a day and region.
	maxCachedKeys = 1024
)

// Config of a Verifier.
type Config struct {
	// Lookup finds the secret of an access key. Required; safe for concurrent use.
	Lookup func(accessKey string) (secret string, ok bool)
	// MaxSkew is how far a request's time may be off, either way; 0 = 15 min.
	MaxSkew time.Duration
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Verifier checks signatures. Safe for concurrent use.
type Verifier struct {
	lookup func(string) (string, bool)
	skew   time.Duration
	now    func() time.Time

	mu   sync.Mutex
	keys map[cacheKey][32]byte
}

// cacheKey holds the secret's own bytes so that a changed secret is never
// served from the cache.
type cacheKey struct{ access, secret, day, region string }

// New makes a Verifier. It panics without a Lookup.
func New(cfg Config) *Verifier {
	if cfg.Lookup == nil {
		panic("BUG: sigv4.New without a Lookup")
	}
	if cfg.MaxSkew == 0 {
		cfg.MaxSkew = defaultSkew
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Verifier{lookup: cfg.Lookup, skew: cfg.MaxSkew, now: cfg.Now, keys: map[cacheKey][32]byte{}}
}

// Verify checks a request's signature. It reads nothing of the body; what the
// body must hash to is in the result. Errors are those of errors.go, wrapped.
func (v *Verifier) Verify(r *Request) (Verified, error) {
	_, query, _ := strings.Cut(r.Target, "?")
	presigned := hasParameter(query, "X-Amz-Signature") || hasParameter(query, "X-Amz-Algorithm") || hasParameter(query, "X-Amz-Credential")
	header, signed := r.get("authorization")
	switch {
	case presigned && signed:
		return Verified{}, malformed("both the header and the query are signed")
	case presigned:
		return Verified{}, ErrQueryAuth
	case !signed && header != "":
		return Verified{}, malformed("the Authorization header is repeated")
	case !signed:
		return Verified{}, ErrMissingAuth
	}
	a, err := parseAuthorization(header)
	if err != nil {
		return Verified{}, err
	}
	timestamp, err := v.checkTime(r, a)
	if err != nil {
		return Verified{}, err
	}
	if err := checkSigned(r, a); err != nil {
		return Verified{}, err
	}
	declared, payload, err := parsePayload(r)
	if err != nil {
		return Verified{}, err
	}
	secret, known := v.lookup(a.accessKey)
	if !known {
		secret = "an unknown key costs as much time as a known one"
	}
	canonical := appendCanonical(make([]byte, 0, 1024), r, a.signed, declared)
	key := v.signingKey(a, secret, known)
	want := mac(key[:], stringToSign(timestamp, a.scope(), canonical))
	good := subtle.ConstantTimeCompare(want[:], a.signature[:]) == 1
	if !known {
		return Verified{}, ErrUnknownKey
	}
	if !good {
		return Verified{}, ErrSignature
	}
	return Verified{AccessKey: a.accessKey, Payload: payload}, nil
}

// checkTime takes x-amz-date, or else Date, and returns it in x-amz-date's form.
func (v *Verifier) checkTime(r *Request, a *authorization) (string, error) {
	name, layout := "x-amz-date", timestampForm
	text, ok := r.get(name)
	if !ok && text != "" {
		return "", malformed("x-amz-date is repeated")
	}
	if !ok {
		name, layout = "date", time.RFC1123
		if text, ok = r.get(name); !ok {
			return "", malformed("there is no x-amz-date")
		}
	}
	at, err := time.Parse(layout, text)
	if err != nil {
		return "", malformed(name + " is not a time")
	}
	if !a.signs(name) {
		return "", fmt.Errorf("%w: %s", ErrUnsignedHeader, name)
	}
	stamp := at.UTC().Format(timestampForm)
	if stamp[:8] != a.day {
		return "", malformed("the scope's date is not the request's")
	}
	if d := v.now().Sub(at); d > v.skew || d < -v.skew {
		return "", ErrSkewed
	}
	return stamp, nil
}

// checkSigned demands that every header that changes what happens is signed,
// and that every signed header is there.
func checkSigned(r *Request, a *authorization) error {
	if !a.signs("host") {
		return fmt.Errorf("%w: host", ErrUnsignedHeader)
	}
	for _, h := range r.Headers {
		if mustBeSigned(h.Name) && !a.signs(h.Name) {
			return fmt.Errorf("%w: %.64q", ErrUnsignedHeader, h.Name)
		}
	}
	for _, name := range a.signed {
		found := false
		for _, h := range r.Headers {
			found = found || h.Name == name
		}
		if !found {
			return malformed("a signed header is not there")
		}
	}
	return nil
}

func mustBeSigned(name string) bool {
	switch name {
	case "content-md5", "if-match", "if-none-match":
		return true
	}
	return strings.HasPrefix(name, "x-amz-")
}

// parsePayload reads x-amz-content-sha256: what is signed, and what it means.
func parsePayload(r *Request) (declared string, p Payload, err error) {
	declared, ok := r.get("x-amz-content-sha256")
	switch {
	case !ok && declared == "":
		return "", p, ErrMissingSHA
	case !ok:
		return "", p, fmt.Errorf("%w: it is repeated", ErrInvalidSHA)
	case declared == "UNSIGNED-PAYLOAD":
		return declared, Payload{Mode: Unsigned}, nil
	case strings.HasPrefix(declared, "STREAMING-"):
		return "", p, ErrUnsupportedPayload
	}
	if len(declared) != 64 {
		return "", p, ErrInvalidSHA
	}
	p.Mode = Exact
	if _, err := hex.Decode(p.SHA256[:], []byte(declared)); err != nil {
		return "", Payload{}, ErrInvalidSHA
	}
	return declared, p, nil
}

// signingKey is the derived key, cached for known access keys only, so that
// strangers cannot fill the cache.
func (v *Verifier) signingKey(a *authorization, secret string, cache bool) [32]byte {
	id := cacheKey{a.accessKey, secret, a.day, a.region}
	if cache {
		v.mu.Lock()
		key, ok := v.keys[id]
		v.mu.Unlock()
		if ok {
			return key
		}
	}
	key := signingKey(secret, a.day, a.region)
	if cache {
		v.mu.Lock()
		if len(v.keys) >= maxCachedKeys {
			clear(v.keys)
		}
		v.keys[id] = key
		v.mu.Unlock()
	}
	return key
}

func hasParameter(query, name string) bool {
	for part := range strings.SplitSeq(query, "&") {
		n, _, _ := strings.Cut(part, "=")
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
