package pbs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"sort"
	"strings"
	"time"
)

// signer makes signature version 4 in header form over every header present, as PBS does. It is an implementation of
// its own, so that the proxy's verifier is tested against another reading of the specification.
// Source: AWS, "Signature Version 4 for API requests".
type signer struct{ access, secret, region string }

const (
	amzDate   = "20060102T150405Z"
	algorithm = "AWS4-HMAC-SHA256"
)

// authorization returns the value of the authorization header. headers are all headers of the request but itself, with
// lower-case names; path and query are as on the wire.
func (s signer) authorization(method, path, query string, headers []Header, payloadHex string, at time.Time) string {
	sorted := append([]Header(nil), headers...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Name < sorted[j].Name })
	var names []string
	var canonical strings.Builder
	canonical.WriteString(method + "\n" + path + "\n" + canonicalQuery(query) + "\n")
	for _, h := range sorted {
		names = append(names, h.Name)
		canonical.WriteString(h.Name + ":" + strings.Join(strings.Fields(h.Value), " ") + "\n")
	}
	signed := strings.Join(names, ";")
	canonical.WriteString("\n" + signed + "\n" + payloadHex)

	stamp := at.UTC().Format(amzDate)
	scope := stamp[:8] + "/" + s.region + "/s3/aws4_request"
	sum := sha256.Sum256([]byte(canonical.String()))
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{stamp[:8], s.region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	signature := mac(key, algorithm+"\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(sum[:]))
	return algorithm + " Credential=" + s.access + "/" + scope + ",SignedHeaders=" + signed + ",Signature=" + hex.EncodeToString(signature)
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

// canonicalQuery decodes, encodes again and sorts.
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for _, part := range strings.Split(raw, "&") {
		k, v, _ := strings.Cut(part, "=")
		pairs = append(pairs, encode(decode(k), false)+"="+encode(decode(v), false))
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "&")
}

func decode(s string) string {
	d, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return d
}

// encode percent-encodes everything but A-Z a-z 0-9 - . _ ~ and, in paths, the slash.
func encode(s string, path bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0, c == '/' && path:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}
