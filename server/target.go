package server

import (
	"strings"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// target is a request target decoded exactly once: /bucket/key?query.
//
// Path-style addressing only. The key is every byte after the bucket's slash:
// `//`, `.`, `..` and a trailing slash are part of the name, as S3 has it.
type target struct {
	bucket string
	key    string
	query  query
}

// level says what the target names.
func (t target) level() level {
	switch {
	case t.key != "":
		return onObject
	case t.bucket != "":
		return onBucket
	}
	return onService
}

// query is the decoded parameters in wire order.
type query []param

type param struct{ name, value string }

func (q query) get(name string) (string, bool) {
	for _, p := range q {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// parseTarget decodes a raw origin-form target. Absolute forms, fragments,
// control bytes, broken percent-encoding, names that are not UTF-8 and
// repeated parameters are refused: two readers of such a target may disagree.
func parseTarget(raw string) (target, error) {
	var t target
	if raw == "" || raw[0] != '/' {
		return t, s3err.New(s3err.InvalidURI, "the request target must begin with a slash")
	}
	path, rawQuery, _ := strings.Cut(raw[1:], "?")
	bucket, key, _ := strings.Cut(path, "/")
	var err error
	if t.bucket, err = unescape(bucket, false); err != nil {
		return t, err
	}
	if t.key, err = unescape(key, false); err != nil {
		return t, err
	}
	if len(t.key) > maxKeyBytes {
		return t, s3err.New(s3err.KeyTooLongError, "the key has %d bytes, at most %d are allowed", len(t.key), maxKeyBytes)
	}
	if !xmlCanCarry(t.key) {
		return t, s3err.New(s3err.InvalidArgument, "the key holds a character that no listing can show")
	}
	if t.bucket == "" && t.key != "" {
		return t, s3err.New(s3err.InvalidBucketName, "the bucket name is empty")
	}
	t.query, err = parseQuery(rawQuery)
	return t, err
}

// xmlCanCarry says whether XML 1.0 has all characters of s: a listing would show
// another name for a key that has others.
func xmlCanCarry(s string) bool {
	for _, c := range s {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0xFFFE || c == 0xFFFF {
			return false
		}
	}
	return true
}

func parseQuery(raw string) (query, error) {
	var q query
	for raw != "" {
		var part string
		part, raw, _ = strings.Cut(raw, "&")
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, err := unescape(name, true)
		if err != nil {
			return nil, err
		}
		v, err := unescape(value, true)
		if err != nil {
			return nil, err
		}
		if _, dup := q.get(n); dup {
			return nil, s3err.New(s3err.InvalidArgument, "a query parameter is repeated")
		}
		q = append(q, param{n, v})
	}
	return q, nil
}

// unescape decodes %XX once; in a query, '+' is a space as S3 has it.
func unescape(s string, inQuery bool) (string, error) {
	plain := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c < 0x20 || c == 0x7f || c == '#':
			return "", s3err.New(s3err.InvalidURI, "the request target holds a byte that must be percent-encoded")
		case c == '%' || c == '+' && inQuery:
			plain = false
		}
	}
	if plain {
		if !utf8.ValidString(s) {
			return "", s3err.New(s3err.InvalidURI, "the request target is not UTF-8")
		}
		return s, nil
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+' && inQuery:
			out = append(out, ' ')
		case c != '%':
			out = append(out, c)
		case i+2 >= len(s) || hexDigit(s[i+1]) < 0 || hexDigit(s[i+2]) < 0:
			return "", s3err.New(s3err.InvalidURI, "the request target has a broken percent-encoding")
		default:
			b := byte(hexDigit(s[i+1])<<4 | hexDigit(s[i+2]))
			if b == 0 {
				return "", s3err.New(s3err.InvalidURI, "the request target holds a NUL byte")
			}
			out = append(out, b)
			i += 2
		}
	}
	if !utf8.Valid(out) {
		return "", s3err.New(s3err.InvalidURI, "the request target is not UTF-8")
	}
	return string(out), nil
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// bucketNameOK says whether a name follows S3's rules for new buckets: nothing
// else may reach a backend URL.
func bucketNameOK(b string) bool {
	if len(b) < 3 || len(b) > 63 {
		return false
	}
	for i := 0; i < len(b); i++ {
		c := b[i]
		alnum := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !alnum && (i == 0 || i == len(b)-1 || c != '-' && c != '.') {
			return false
		}
		if c == '.' && b[i-1] == '.' {
			return false
		}
	}
	return true
}
