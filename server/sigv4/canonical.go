package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sort"
	"strings"
)

// appendCanonical appends the canonical request (S3 API reference, "Task 1").
func appendCanonical(dst []byte, r *Request, signed []string, payload string) []byte {
	path, query, _ := strings.Cut(r.Target, "?")
	if path == "" {
		path = "/"
	}
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = append(dst, path...) // S3 signs the path as it is on the wire
	dst = append(dst, '\n')
	dst = append(dst, canonicalQuery(query)...)
	dst = append(dst, '\n')
	for _, name := range signed {
		dst = append(dst, name...)
		dst = append(dst, ':')
		first := true
		for _, h := range r.Headers {
			if h.Name != name {
				continue
			}
			if !first {
				dst = append(dst, ',')
			}
			dst = appendFolded(dst, h.Value)
			first = false
		}
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	for i, name := range signed {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, name...)
	}
	dst = append(dst, '\n')
	return append(dst, payload...)
}

// appendFolded appends a value trimmed, runs of spaces made one.
func appendFolded(dst []byte, v string) []byte {
	v = strings.Trim(v, " \t")
	space := false
	for i := 0; i < len(v); i++ {
		if v[i] == ' ' || v[i] == '\t' {
			space = true
			continue
		}
		if space {
			dst = append(dst, ' ')
			space = false
		}
		dst = append(dst, v[i])
	}
	return dst
}

// canonicalQuery decodes, encodes again and sorts the parameters. A parameter
// without '=' is signed as an empty one. Broken escapes are taken literally: the
// signature then fails, or the server refuses the target.
func canonicalQuery(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, recode(name)+"="+recode(value))
	}
	sort.Slice(pairs, func(i, j int) bool {
		ni, vi, _ := strings.Cut(pairs[i], "=")
		nj, vj, _ := strings.Cut(pairs[j], "=")
		return ni < nj || ni == nj && vi < vj
	})
	return strings.Join(pairs, "&")
}

const upperHex = "0123456789ABCDEF"

// recode decodes one level of percent-encoding ('+' is a space) and encodes by
// AWS's UriEncode: everything but A-Z a-z 0-9 - . _ ~ becomes %XX.
func recode(s string) string {
	out := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			var b [1]byte
			if _, err := hex.Decode(b[:], []byte(s[i+1:i+3])); err == nil {
				c = b[0]
				i += 2
			}
		}
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' {
			out = append(out, c)
		} else {
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(out)
}

// stringToSign is the S3 API reference's "Task 2".
func stringToSign(timestamp, scope string, canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return algorithm + "\n" + timestamp + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
}

// signingKey is the S3 API reference's "Task 3".
func signingKey(secret, day, region string) [32]byte {
	k := mac([]byte("AWS4"+secret), day)
	k = mac(k[:], region)
	k = mac(k[:], service)
	return mac(k[:], terminator)
}

func mac(key []byte, text string) (sum [32]byte) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	h.Sum(sum[:0])
	return sum
}
