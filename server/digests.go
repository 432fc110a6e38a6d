package server

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"hash"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

var (
	// errBodySHA256: the body is not the one that was signed.
	errBodySHA256 = errors.New("the body does not have the signed SHA-256")
	// errBodyMD5: the body does not have the Content-MD5 of its header.
	errBodyMD5 = errors.New("the body does not have the given Content-MD5")
	// errBodyChecksum: the body does not have its x-amz-checksum.
	errBodyChecksum = errors.New("the body does not have the given checksum")
)

// digest is one claim about a body.
type digest struct {
	sum   hash.Hash
	want  []byte // nil until the trailer says it
	wrong error
}

// digests is everything a client claims of its body: each claim is proved before
// the body ends.
type digests struct {
	claims   []digest
	md5      []byte    // Content-MD5, nil if there is none
	checksum *checksum // the additional checksum, nil if there is none
	trailing bool      // its value comes in the trailer
}

// claim adds a digest. want may be nil until trail.
func (d *digests) claim(sum func() hash.Hash, want []byte, wrong error) {
	if hashing {
		d.claims = append(d.claims, digest{sum(), want, wrong})
	}
}

func (d *digests) write(p []byte) {
	for i := range d.claims {
		d.claims[i].sum.Write(p) // a hash never fails
	}
}

// trail takes the additional checksum's value from the trailing headers.
func (d *digests) trail(lines []sigv4.Header) error {
	for _, h := range lines {
		c := checksumByHeader(h.Name)
		if c == nil || c != d.checksum || !d.trailing {
			continue
		}
		want, err := c.decode(h.Value)
		if err != nil {
			return err
		}
		for i := range d.claims {
			if d.claims[i].wrong == errBodyChecksum {
				d.claims[i].want = want
			}
		}
	}
	return nil
}

// prove compares all of them. A claim without a value is a failure.
func (d *digests) prove() error {
	for _, c := range d.claims {
		if subtle.ConstantTimeCompare(c.sum.Sum(nil), c.want) != 1 {
			return c.wrong
		}
	}
	return nil
}

// sealed is the proved additional checksum, for the object's metadata; nil if
// there is none.
func (d *digests) sealed() []byte {
	for _, c := range d.claims {
		if c.wrong == errBodyChecksum {
			return sealedChecksum{d.checksum, fullObject, c.want}.encode()
		}
	}
	return nil
}

// claims reads every digest that the request's headers announce.
func (r *request) claims(payload sigv4.Payload) (digests, error) {
	var d digests
	if payload.Mode == sigv4.Exact {
		d.claim(sha256.New, payload.SHA256[:], errBodySHA256)
	}
	if r.hasHeader("content-md5") {
		sum, err := base64.StdEncoding.DecodeString(r.header("Content-MD5"))
		if err != nil || len(sum) != md5.Size {
			return d, s3err.New(s3err.InvalidDigest, "Content-MD5 is not the base64 of 16 bytes")
		}
		d.md5 = sum
		d.claim(md5.New, sum, errBodyMD5)
	}
	if r.route.objectChecksum {
		return d, nil
	}
	if err := r.claimChecksum(&d); err != nil {
		return d, err
	}
	return d, nil
}

// claimChecksum reads the additional checksum: one at most, in a header or
// announced for the trailer. x-amz-sdk-checksum-algorithm names it once more.
func (r *request) claimChecksum(d *digests) error {
	var value string
	for _, h := range r.lines {
		if !strings.HasPrefix(h.Name, checksumPrefix) {
			continue
		}
		switch h.Name {
		case checksumPrefix + "mode", checksumPrefix + "algorithm", checksumPrefix + "type":
			continue
		}
		c := checksumByHeader(h.Name)
		if c == nil {
			return s3err.New(s3err.NotImplemented, "the checksum %s is not implemented", h.Name)
		}
		if d.checksum != nil {
			return s3err.New(s3err.InvalidRequest, "only one %s header is allowed", checksumPrefix)
		}
		d.checksum, value = c, h.Value
	}
	for name := range strings.SplitSeq(r.header("x-amz-trailer"), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name == "" {
			continue
		}
		c := checksumByHeader(name)
		if c == nil {
			return s3err.New(s3err.InvalidRequest, "x-amz-trailer announces %q, which is no checksum", name)
		}
		if d.checksum != nil {
			return s3err.New(s3err.InvalidRequest, "only one checksum is allowed")
		}
		d.checksum, d.trailing = c, true
	}
	if kind := r.header(checksumPrefix + "type"); kind != "" && kind != "FULL_OBJECT" {
		return s3err.New(s3err.NotImplemented, "a checksum of type %s is not implemented here", kind)
	}
	for _, hint := range []string{"x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm"} {
		name := r.header(hint)
		if name == "" {
			continue
		}
		if d.checksum == nil {
			return s3err.New(s3err.InvalidRequest, "%s is given, but no checksum in a header or trailer", hint)
		}
		if name != d.checksum.name {
			return s3err.New(s3err.InvalidRequest, "%s names %s, the checksum is %s", hint, name, d.checksum.name)
		}
	}
	if d.checksum == nil {
		return nil
	}
	var want []byte
	if !d.trailing {
		var err error
		if want, err = d.checksum.decode(value); err != nil {
			return err
		}
	}
	d.claim(d.checksum.make, want, errBodyChecksum)
	return nil
}
