package backend

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// checkBucket applies S3's rules for general purpose buckets (user guide, "Bucket naming rules"). It
// runs before a name can reach a URL: in virtual-hosted style the bucket is a part of the host name, and
// a name such as "host:port#" would send a signed request to any host. The reserved prefixes and
// suffixes are refused because the SDK builds other hosts for some of them.
func checkBucket(name string) error {
	if len(name) < 3 || len(name) > 63 {
		return errors.New("bucket name must have 3 to 63 characters")
	}
	for _, part := range strings.Split(name, ".") {
		if !label(part) {
			return errors.New("bucket name must consist of labels of a-z, 0-9 and - that begin and end with a letter or digit")
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return errors.New("bucket name must not look like an IP address")
	}
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		if strings.HasPrefix(name, p) {
			return fmt.Errorf("bucket name must not begin with %s", p)
		}
	}
	for _, s := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "--op-s3"} {
		if strings.HasSuffix(name, s) {
			return fmt.Errorf("bucket name must not end with %s", s)
		}
	}
	return nil
}

// label tells whether s is one label of a host name, in lower case.
func label(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// checkKey accepts what S3 accepts: 1 to 1024 bytes of UTF-8. Everything else about a key is the
// store's business; its bytes arrive there as they are.
func checkKey(key string) error {
	if key == "" {
		return errors.New("key is empty")
	}
	if len(key) > maxKey {
		return fmt.Errorf("key has %d bytes, more than %d", len(key), maxKey)
	}
	if !utf8.ValidString(key) {
		return errors.New("key is not UTF-8")
	}
	return nil
}

// plainXML tells whether key survives a trip through an XML document without escapes that some parsers
// refuse (control characters) or rewrite (line ends).
func plainXML(key string) bool {
	for _, r := range key {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return true
}

// copySource is the value of x-amz-copy-source: the only place where the SDK does not encode a key.
func copySource(bucket, key string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(bucket) + 1 + len(key) + 16)
	b.WriteString(bucket)
	b.WriteByte('/')
	for i := range len(key) {
		c := key[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}
