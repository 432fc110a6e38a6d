package sigv4

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// The parameters of a presigned request ("Authenticating Requests: Using Query
// Parameters", Amazon S3 API reference). Their names are exact: a looser reader
// must not find other credentials than the verified ones.
const (
	paramAlgorithm = "X-Amz-Algorithm"
	paramCred      = "X-Amz-Credential"
	paramDate      = "X-Amz-Date"
	paramExpires   = "X-Amz-Expires"
	paramHeaders   = "X-Amz-SignedHeaders"
	paramSignature = "X-Amz-Signature"
	paramSHA       = "X-Amz-Content-Sha256"
	paramToken     = "X-Amz-Security-Token"
)

// AuthParam says whether a decoded query name of a presigned request belongs to
// its signature and not to the operation.
func AuthParam(name string) bool {
	switch name {
	case paramAlgorithm, paramCred, paramDate, paramExpires, paramHeaders, paramSignature, paramSHA:
		return true
	}
	return false
}

// presigned reads the claim of a signed query. Its life is X-Amz-Date plus
// X-Amz-Expires; the skew that is allowed elsewhere applies to its beginning
// only, so that an expired URL is expired.
func (v *Verifier) presigned(rawQuery string, headers *headerIndex) (c claim, err error) {
	var params [7]string
	if err := authParams(rawQuery, &params); err != nil {
		return c, err
	}
	scheme, credential, date, expires, signed, signature, sha := params[0], params[1], params[2], params[3], params[4], params[5], params[6]
	switch {
	case scheme == "":
		return c, tell(ErrQueryScheme, missingParams)
	case scheme == "AWS4-ECDSA-P256-SHA256":
		return c, tell(ErrQueryScheme, `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`)
	case scheme != algorithm:
		return c, tell(ErrQueryScheme, `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)
	case credential == "" || date == "" || signature == "" || signed == "" || expires == "":
		return c, tell(ErrPresigned, missingParams)
	}
	err = c.parseCredential(credential, inQueryWords)
	if err == nil {
		err = v.checkRegion(&c.authorization, inQueryWords)
	}
	if err != nil {
		d := *err.(*Detail)
		d.Err = ErrPresigned
		return c, &d
	}
	at, err := parseStamp(date)
	if err != nil {
		return c, tell(ErrPresigned, `X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	if c.date != date[:8] {
		return c, tell(ErrPresigned, "Invalid credential date %s. This date is not the same as X-Amz-Date: %s.", quoted(c.date), quoted(date[:8]))
	}
	c.stamp = date
	life, err := parseExpires(expires)
	if err != nil {
		return c, err
	}
	if !decodeHex(c.signature[:], signature) || strings.ContainsAny(signature, "ABCDEF") || !validSignedHeaders(signed) {
		return c, ErrPresigned
	}
	c.signedHeaders = signed
	now := v.now()
	if at.Sub(now) > v.maxSkew {
		return c, ErrSkewed
	}
	if now.After(at.Add(life)) {
		d := tell(ErrExpired, "Request has expired.").about("X-Amz-Expires", expires)
		d.More = []Header{{"Expires", at.Add(life).Format(time.RFC3339)}, {"ServerTime", now.UTC().Format(time.RFC3339)}}
		return c, d
	}
	// Without a word about the payload nothing binds it. If the header and the
	// query speak of it, they must say the same.
	c.sha = UnsignedPayload
	if sha != "" {
		c.sha = sha
	}
	if value, lines := headers.get("x-amz-content-sha256"); lines > 0 {
		if sha != "" && sha != value {
			return c, ErrPresigned
		}
		c.sha = value
	}
	return c, nil
}

// parseExpires reads X-Amz-Expires, in seconds.
func parseExpires(s string) (time.Duration, error) {
	seconds, err := strconv.ParseInt(s, 10, 32)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), s[0] == '+':
		return 0, tell(ErrPresigned, "X-Amz-Expires should be a number")
	case s[0] == '-':
		return 0, tell(ErrPresigned, "X-Amz-Expires must be non-negative")
	case err != nil || time.Duration(seconds)*time.Second > maxExpires:
		return 0, tell(ErrPresigned, "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	case seconds == 0:
		return 0, ErrPresigned
	}
	return time.Duration(seconds) * time.Second, nil
}

// authParams decodes the parameters of the signature, in the order of the
// constants above. Each must come at most once, whatever its case; a
// temporary credential's token or a version 2 signature is not supported.
func authParams(raw string, into *[7]string) error {
	names := [...]string{paramAlgorithm, paramCred, paramDate, paramExpires, paramHeaders, paramSignature, paramSHA}
	var seen [len(names)]bool
	for more := true; more; {
		var part string
		part, raw, more = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(part, "=")
		name, ok := decodeParam(name)
		if !ok {
			return ErrTarget
		}
		at := -1
		for i, n := range names {
			if strings.EqualFold(name, n) {
				at = i
			}
		}
		switch {
		case at < 0 && strings.EqualFold(name, paramToken):
			return ErrToken
		case at < 0 && carriesAuth([]byte(name)):
			return ErrQueryAuth
		case at < 0:
			continue
		case names[at] != name || seen[at]:
			return ErrPresigned
		}
		seen[at] = true
		if into[at], ok = decodeParam(value); !ok {
			return ErrTarget
		}
	}
	return nil
}

// decodeParam decodes a part of a query once; a plus is a space.
func decodeParam(s string) (string, bool) {
	if !strings.ContainsAny(s, "%+") {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			high, low := hexDigit(s[i+1]), hexDigit(s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			c = byte(high<<4 | low)
			i += 2
		}
		out = append(out, c)
	}
	return string(out), true
}

// Presign returns target with the query of a presigned request appended: valid
// for life from at on, signing the header lines given (names in lower case) and
// host. The payload is unsigned.
func (s *Signer) Presign(method, host, target string, headers []Header, at time.Time, life time.Duration) (string, error) {
	stamp := at.UTC().Format(amzDate)
	all := append([]Header{{"host", host}}, headers...)
	var index headerIndex
	if err := index.build(all); err != nil {
		return "", err
	}
	names := make([]string, len(all))
	for i := range all {
		names[i] = index.name(i)
	}
	signed := strings.Join(names, ";")
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	scope := stamp[:8] + "/" + s.region + "/" + service + "/" + terminator
	encode := func(v string) string {
		out, _ := appendEncoded(nil, strings.ReplaceAll(v, "%", "%25"))
		return string(out)
	}
	target += separator + paramAlgorithm + "=" + algorithm + "&" + paramCred + "=" + encode(s.accessKey+"/"+scope) + "&" + paramDate + "=" + stamp +
		"&" + paramExpires + "=" + strconv.Itoa(int(life/time.Second)) + "&" + paramHeaders + "=" + encode(signed)
	path, rawQuery, err := splitTarget(target)
	if err != nil {
		return "", err
	}
	text, _, err := appendCanonicalQuery([]byte(method+"\n"+path+"\n"), rawQuery, paramSignature)
	if err != nil {
		return "", err
	}
	if text, err = index.appendCanonicalHeaders(append(text, '\n'), method, "", signed); err != nil {
		return "", err
	}
	c := canonical{request: digest(text, signed, UnsignedPayload), stamp: stamp, date: stamp[:8], region: s.region}
	signature, _ := c.sign(s.secretKey)
	return target + "&" + paramSignature + "=" + hexString(signature[:]), nil
}
