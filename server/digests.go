package server

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
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
	// errOffered marks what is computed beside the above and claimed by nobody.
	errOffered = errors.New("the body does not have the offered checksum")
)

// wrongDigest is a claim that does not hold, with what S3 tells its client of it. The
// digests are of the client's own bytes: they go into its answer and nowhere else.
type wrongDigest struct {
	is        error  // one of the above
	algorithm string // of a checksum
	want, got []byte
}

func (w *wrongDigest) Error() string { return w.is.Error() + w.of() }

func (w *wrongDigest) of() string {
	if w.algorithm == "" {
		return ""
	}
	return ": " + w.algorithm
}

func (w *wrongDigest) Unwrap() error { return w.is }

// show adds the digests to an answer as S3 does.
func (w *wrongDigest) show(e *s3err.Error) {
	switch w.is {
	case errBodySHA256:
		e.With("ClientComputedContentSHA256", hex.EncodeToString(w.want)).With("S3ComputedContentSHA256", hex.EncodeToString(w.got))
	case errBodyMD5:
		e.With("CalculatedDigest", base64.StdEncoding.EncodeToString(w.got)).With("ExpectedDigest", hex.EncodeToString(w.want)) // each in S3's own form
	case errBodyChecksum:
		e.Message = "The " + w.algorithm + " you specified did not match the calculated checksum."
	}
}

// digest is one claim about a body.
type digest struct {
	of    *checksum
	want  []byte // nil until the trailer says it
	wrong error
	ours  bool // nobody claims it: want is what prove finds
}

// running is what a body is hashed with. Claims of one algorithm share it.
type running struct {
	of  *checksum
	sum hash.Hash // nil: digests.joint computes it
	got []byte    // once the body has ended
}

// digests is everything a client claims of its body: each claim is proved before
// the body ends.
type digests struct {
	claims   []digest
	md5      []byte    // Content-MD5, nil if there is none
	checksum *checksum // the additional checksum, nil if there is none
	trailing bool      // its value comes in the trailer

	// engine computes MD5 and SHA-256, in one pass; nil: each by itself. joint is its
	// digest from the first byte on, where one of them is wanted.
	engine *hashing.Engine
	joint  *hashing.Digest
	sums   []running // made when the body begins
	begun  bool
}

// claim adds a digest. want may be nil until trail.
func (d *digests) claim(of *checksum, want []byte, wrong error) {
	if digesting {
		d.claims = append(d.claims, digest{of: of, want: want, wrong: wrong})
	}
}

// compute adds an additional checksum that the client leaves to us.
func (d *digests) compute(c *checksum) {
	d.checksum = c
	d.claims = append(d.claims, digest{of: c, wrong: errBodyChecksum, ours: true})
}

// drop takes the additional checksum back.
func (d *digests) drop() {
	d.checksum = nil
	d.claims = slices.DeleteFunc(d.claims, func(c digest) bool { return c.wrong == errBodyChecksum })
}

// computeMD5 adds the MD5 of the body, unless the client says it.
func (d *digests) computeMD5() {
	if d.md5 == nil && digesting {
		d.claims = append(d.claims, digest{of: checksumByCode(codeMD5), wrong: errBodyMD5, ours: true})
	}
}

// plainMD5 is the MD5 of the body, once it is proved; nil if nobody wanted it.
func (d *digests) plainMD5() []byte {
	if c := d.find(errBodyMD5); c != nil {
		return c.want
	}
	return d.md5
}

// begin starts each algorithm once, and lets MD5 and SHA-256 share their pass. Each of
// them alone gains, too, as its stream may then meet others.
func (d *digests) begin() {
	d.begun = true
	for _, c := range d.claims {
		if d.running(c.of.code) == nil {
			d.sums = append(d.sums, running{of: c.of})
		}
	}
	var joint hashing.Sums
	for i := range d.sums {
		s := &d.sums[i]
		switch {
		case d.engine != nil && s.of.code == codeMD5:
			joint |= hashing.MD5
		case d.engine != nil && s.of.code == codeSHA256:
			joint |= hashing.SHA256
		default:
			s.sum = s.of.make()
		}
	}
	if joint != 0 {
		d.joint = d.engine.New(joint)
	}
}

// running finds an algorithm among those that the body is hashed with; nil if it is not.
func (d *digests) running(code byte) *running {
	for i := range d.sums {
		if d.sums[i].of.code == code {
			return &d.sums[i]
		}
	}
	return nil
}

// find returns the claim that fails with wrong, nil if there is none.
func (d *digests) find(wrong error) *digest {
	for i := range d.claims {
		if d.claims[i].wrong == wrong {
			return &d.claims[i]
		}
	}
	return nil
}

func (d *digests) write(p []byte) {
	if !d.begun {
		d.begin()
	}
	if d.joint != nil {
		d.joint.Write(p) // a hash never fails
	}
	for i := range d.sums {
		if d.sums[i].sum != nil {
			d.sums[i].sum.Write(p)
		}
	}
}

// end ends the digests.
func (d *digests) end() {
	if !d.begun {
		d.begin()
	}
	var m [md5.Size]byte
	var h [sha256.Size]byte
	if d.joint != nil {
		m, h = d.joint.Sum()
	}
	for i := range d.sums {
		switch s := &d.sums[i]; {
		case s.sum != nil:
			s.got = s.sum.Sum(nil)
		case s.of.code == codeMD5:
			s.got = m[:]
		default:
			s.got = h[:]
		}
	}
}

// trail takes the additional checksum's value from the trailing headers.
func (d *digests) trail(lines []sigv4.Header) error {
	for _, h := range lines {
		c := checksumByHeader(h.Name)
		if c == nil || c != d.checksum || !d.trailing {
			continue
		}
		want, err := c.decode(h.Value, inTrailer)
		if err != nil {
			return err
		}
		if c := d.find(errBodyChecksum); c != nil {
			c.want = want
		}
	}
	return nil
}

// prove compares all of them. A claim without a value is a failure.
func (d *digests) prove() error {
	d.end()
	for i := range d.claims {
		c := &d.claims[i]
		got := d.running(c.of.code).got
		if c.ours {
			c.want = got
		}
		if subtle.ConstantTimeCompare(got, c.want) == 1 {
			continue
		}
		wrong := &wrongDigest{is: c.wrong, want: c.want, got: got}
		if c.wrong == errBodyChecksum {
			wrong.algorithm = c.of.name
		}
		return wrong
	}
	return nil
}

// sealed is the proved additional checksum, for the object's metadata; nil if
// there is none.
func (d *digests) sealed() []byte {
	if sum := d.sum(); sum != nil {
		return sealedChecksum{checksum: d.checksum, kind: fullObject, sum: sum}.encode()
	}
	return nil
}

// sum is the additional checksum, once it is proved.
func (d *digests) sum() []byte {
	if c := d.find(errBodyChecksum); c != nil {
		return c.want
	}
	return nil
}

// claims reads every digest that the request's headers announce.
func (r *request) claims(payload sigv4.Payload) (digests, error) {
	d := digests{engine: r.body.want.engine}
	if payload.Mode == sigv4.Exact {
		d.claim(checksumByCode(codeSHA256), payload.SHA256[:], errBodySHA256)
	}
	if r.hasHeader("content-md5") {
		sum, err := base64.StdEncoding.DecodeString(r.header("Content-MD5"))
		if err != nil || len(sum) != md5.Size {
			return d, s3err.New(s3err.InvalidDigest, "").With("Content-MD5", r.header("Content-MD5"))
		}
		d.md5 = sum
		d.claim(checksumByCode(codeMD5), sum, errBodyMD5)
	}
	if r.route.objectChecksum {
		return d, nil
	}
	if err := r.claimChecksum(&d); err != nil {
		return d, err
	}
	return d, nil
}

// errManyChecksums is S3's answer to more than one additional checksum.
func errManyChecksums() error {
	return s3err.New(s3err.InvalidRequest, "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
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
			return s3err.New(s3err.InvalidRequest, "The algorithm type you specified in x-amz-checksum- header is invalid.")
		}
		if d.checksum != nil {
			return errManyChecksums()
		}
		d.checksum, value = c, h.Value
	}
	for name := range strings.SplitSeq(r.header("x-amz-trailer"), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name == "" {
			continue
		}
		c := checksumByHeader(name)
		if c == nil {
			return s3err.New(s3err.InvalidRequest, "The value specified in the x-amz-trailer header is not supported")
		}
		if d.checksum != nil {
			return errManyChecksums()
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
			return s3err.New(s3err.InvalidRequest, "%s specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.", hint)
		}
		if !strings.EqualFold(name, d.checksum.name) {
			return s3err.New(s3err.InvalidRequest, "Value for %s header is invalid.", hint)
		}
	}
	if d.checksum == nil {
		return nil
	}
	var want []byte
	if !d.trailing {
		var err error
		if want, err = d.checksum.decode(value, inHeader); err != nil {
			return err
		}
	}
	d.claim(d.checksum, want, errBodyChecksum)
	return nil
}
