package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// checkAddress takes host:port, where the host is empty, a name or an IP, and
// the port a number; 0 = a free one.
func checkAddress(v string) error {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return errNotAllowed
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != port {
		return errors.New("the port is no number from 0 to 65535")
	}
	if host != "" && !hostOK(host) {
		return errors.New("the host is no name and no IP address")
	}
	return nil
}

// loopback tells whether only this machine can reach a listener on addr.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	return host == "localhost"
}

// dnsName is a host name of RFC 1123, with a wildcard or without.
var dnsName = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9])?)*$`)

func hostOK(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return len(host) <= 253 && !strings.HasPrefix(host, "*") && dnsName.MatchString(host)
}

// checkName takes what a certificate can be for.
func checkName(v string) error {
	if ip, err := netip.ParseAddr(v); err == nil {
		if ip.Zone() != "" {
			return errors.New("an IP with a zone cannot be in a certificate")
		}
		return nil
	}
	if len(v) > 253 || !dnsName.MatchString(v) {
		return errNotAllowed
	}
	return nil
}

// checkEndpoint takes an http or https URL of a host, perhaps with a path. Its
// errors never repeat the text: somebody may have put credentials into it.
func checkEndpoint(v string) error {
	if v == "" {
		return nil // Required says it better
	}
	u, err := url.Parse(v)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.User != nil:
		return errors.New("it carries credentials; use backend.access_key and backend.secret_key")
	case u.Scheme != "http" && u.Scheme != "https":
		return errNotAllowed
	case u.Hostname() == "" || !hostOK(u.Hostname()):
		return errors.New("it has no valid host")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(v, "#"):
		return errors.New("it has a query or a fragment")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return errors.New("the port is no number from 1 to 65535")
		}
	}
	return nil
}

// region is what a region may be: it stands in signatures and host names.
var region = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)

func checkRegion(v string) error {
	if !region.MatchString(v) {
		return errNotAllowed
	}
	return nil
}

// checkClientRegion is checkRegion, or nothing.
func checkClientRegion(v string) error {
	if v == "" {
		return nil
	}
	return checkRegion(v)
}

// checkAccessKey keeps an access key usable inside an Authorization header.
func checkAccessKey(v string) error {
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' || r == ',' }) {
		return errNotAllowed
	}
	return nil
}

// checkSecret refuses what is always an accident: the word that stands for a
// secret in the output of `check`, and a line break or a control character.
// Other bytes are the secret's own business.
func checkSecret(v string) error {
	if v == redacted {
		return errors.New("`redacted` is what `check` prints in place of a secret, not a secret; put the secret itself there")
	}
	if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("it has a line break or control character")
	}
	return nil
}

// checkToken keeps the token usable as `Authorization: Bearer TOKEN`.
func checkToken(v string) error {
	if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errNotAllowed
	}
	return nil
}

// bucketName is S3's rule for general purpose buckets (user guide, "Bucket
// naming rules"), without its list of prefixes that AWS keeps for itself.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func checkBucket(v string) error {
	if !bucketName.MatchString(v) || strings.Contains(v, "..") {
		return errNotAllowed
	}
	if _, err := netip.ParseAddr(v); err == nil {
		return errors.New("a bucket cannot be named like an IP address")
	}
	return nil
}

// checkBucketOrAll takes "*" as well.
func checkBucketOrAll(v string) error {
	if v == "*" {
		return nil
	}
	return checkBucket(v)
}

func checkCipher(v string) error {
	if v == CipherAuto {
		return nil
	}
	if _, err := format.ParseSuite(v); err != nil {
		return errNotAllowed
	}
	return nil
}

// userName is what shadow-utils takes, and numbers (passwd(5)).
var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}$`)

func checkUser(v string) error {
	if !userName.MatchString(v) {
		return errNotAllowed
	}
	return nil
}

func checkAbsolute(v string) error {
	if v != "" && !filepath.IsAbs(v) {
		return errNotAllowed
	}
	return nil
}
