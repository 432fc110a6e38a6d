package server

import (
	"bytes"
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// summing is what an upload's parts and its object are summed with ("Checking object
// integrity", Amazon S3 user guide). It travels in the upload's id, the checksums of
// the parts in their ETags: Complete has the object's from the client's list alone.
type summing struct {
	*checksum // nil: Create named none
	kind      byte
}

// summing reads what Create asks for.
func (r *request) summing() (summing, error) {
	const algorithm, kind = checksumPrefix + "algorithm", checksumPrefix + "type"
	var c summing
	if r.hasHeader(kind) {
		if c.kind = kindByName(r.header(kind)); c.kind == 0 {
			return c, errHeaderValue(kind)
		}
		if !r.hasHeader(algorithm) {
			return c, s3err.New(s3err.InvalidRequest, "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
		}
	}
	if !r.hasHeader(algorithm) {
		return c, nil
	}
	if c.checksum = checksumByName(r.header(algorithm)); c.checksum == nil {
		return c, errChecksumAlgorithm()
	}
	if c.kind == 0 {
		c.kind = c.kinds[0]
	}
	if bytes.IndexByte(c.kinds, c.kind) < 0 {
		return c, s3err.New(s3err.InvalidRequest, "The %s checksum type cannot be used with the %s checksum algorithm.", kindNames[c.kind], strings.ToLower(c.name))
	}
	return c, nil
}

// errHeaderValue is S3's answer to a checksum header that makes no sense.
func errHeaderValue(name string) error {
	return s3err.New(s3err.InvalidRequest, "Value for %s header is invalid.", name)
}

// encode is format.UploadOptions.Checksum: algorithm and kind.
func (c summing) encode() (b [2]byte) {
	if c.checksum != nil {
		b = [2]byte{c.code, c.kind}
	}
	return b
}

// openSumming reads it. An upload that a later version began stays that one's.
func openSumming(b [2]byte) (c summing, ok bool) {
	if b == [2]byte{} {
		return c, true
	}
	c = summing{checksumByCode(b[0]), b[1]}
	return c, c.checksum != nil && bytes.IndexByte(c.kinds, c.kind) >= 0
}

// room is a checksum as long as the one that Complete will seal.
func (c summing) room() []byte {
	if c.checksum == nil {
		return nil
	}
	return sealedChecksum{c.checksum, c.kind, make([]byte, c.size), 0}.encode()
}

// arm makes a part's body prove what the upload wants of every part.
func (c summing) arm(want *digests) error {
	const mismatch = "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s"
	switch {
	case c.checksum == nil || want.checksum == c.checksum:
		return nil
	case want.checksum != nil:
		return s3err.New(s3err.InvalidRequest, mismatch, c.name, want.checksum.name)
	case c.kind == composite:
		return s3err.New(s3err.InvalidRequest, mismatch, c.name, "null")
	}
	want.compute(c.checksum)
	return nil
}

// partNote is what the ETag of a part says of its plain bytes: nothing, or
//
//	u8 algorithm · digest [· MD5] [· CRC64NVME]        algorithm 0 has no digest
type partNote struct {
	*checksum        // that the client sent, or Create named
	sum       []byte // of checksum
	md5       []byte // for the ETag of the object, nil: not known
	offer     []byte // the offered checksum, where checksum is another or none; nil: not known
}

func (n partNote) encode() string {
	switch {
	case n.checksum != nil:
		return string(n.code) + string(n.sum) + string(n.md5) + string(n.offer)
	case n.md5 != nil || n.offer != nil:
		return "\x00" + string(n.md5) + string(n.offer)
	}
	return ""
}

// offerSize is the size of a CRC64NVME.
const offerSize = 8

// openNote reads a note. What a later version wrote is as good as nothing.
func openNote(s string) partNote {
	if s == "" {
		return partNote{}
	}
	n := partNote{checksum: checksumByCode(s[0])}
	size := 0
	if n.checksum != nil {
		size = n.size
	}
	rest := s[min(len(s), 1+size):]
	switch len(s) - 1 - size {
	case 0:
	case offerSize:
		n.offer = []byte(rest)
	case md5.Size:
		n.md5 = []byte(rest)
	case md5.Size + offerSize:
		n.md5, n.offer = []byte(rest[:md5.Size]), []byte(rest[md5.Size:])
	default:
		return partNote{}
	}
	if n.checksum != nil {
		n.sum = []byte(s[1 : 1+size])
	} else if s[0] != 0 || rest == "" {
		return partNote{}
	}
	return n
}

// partsMD5 is what S3 makes the ETag of the object of; zero if a part was stored
// without its MD5.
func partsMD5(parts []format.PartETag) (p format.PartsMD5) {
	all := md5.New()
	for _, part := range parts {
		note := openNote(part.Note)
		if note.md5 == nil {
			return format.PartsMD5{}
		}
		all.Write(note.md5) // a hash never fails
	}
	return format.PartsMD5{Sum: [md5.Size]byte(all.Sum(nil)), Parts: len(parts)}
}

// sealed is the note as a checksum.
func (n partNote) sealed() (c sealedChecksum, ok bool) {
	return sealedChecksum{checksum: n.checksum, kind: fullObject, sum: n.sum}, n.checksum != nil
}

// noted is what a list says of one part's checksum.
type noted struct {
	*checksum // nil: nothing
	sum       []byte
}

// check holds the client's list to the notes of the parts.
func (c summing) check(said []noted, parts []format.PartETag) error {
	for i, part := range parts {
		is, says := openNote(part.Note), said[i]
		switch {
		case says.checksum == nil && c.kind == composite:
			return s3err.New(s3err.InvalidRequest, "The upload was created using a %s checksum. The complete request must include the checksum for each part. It was missing for part %d in the request.",
				strings.ToLower(c.name), part.Number)
		case says.checksum == nil:
		case c.checksum != nil && says.checksum != c.checksum:
			return s3err.New(s3err.BadDigest, "The %s you specified for part %d did not match what we received.", strings.ToLower(says.name), part.Number)
		case is.checksum == says.checksum && subtle.ConstantTimeCompare(is.sum, says.sum) != 1:
			return s3err.New(s3err.InvalidPart, "part %d: the checksum is not that of the uploaded part", part.Number)
		}
	}
	return nil
}

// total is the checksum of the object that the parts make; ok is false if nothing was
// asked for, or a part was stored without its own.
func (c summing) total(parts []format.PartETag) (sum sealedChecksum, ok bool) {
	if c.checksum == nil {
		return sum, false
	}
	sum = sealedChecksum{checksum: c.checksum, kind: c.kind, parts: len(parts)}
	all := c.make()
	for i, part := range parts {
		note := openNote(part.Note)
		switch {
		case note.checksum != c.checksum:
			return sealedChecksum{}, false
		case c.kind == composite:
			all.Write(note.sum) // a hash never fails
		case i == 0:
			sum.sum = note.sum
		default:
			sum.sum = c.crc.join(sum.sum, note.sum, part.PlainSize)
		}
	}
	if c.kind == composite {
		sum.sum = all.Sum(nil)
	}
	return sum, true
}

// offeredTotal is the offered checksum of the object that the parts of an upload without
// one make; ok is false if a part was stored without it.
func offeredTotal(parts []format.PartETag) (sum sealedChecksum, ok bool) {
	c := checksumByCode(codeCRC64NVME)
	sum = sealedChecksum{checksum: c, kind: fullObject}
	for _, part := range parts {
		note := openNote(part.Note)
		of := note.offer
		if note.checksum == c {
			of = note.sum
		}
		switch {
		case of == nil:
			return sealedChecksum{}, false
		case sum.sum == nil:
			sum.sum = of
		default:
			sum.sum = c.crc.join(sum.sum, of, part.PlainSize)
		}
	}
	return sum, sum.sum != nil
}

// claimed is what Complete's headers say of the whole object.
type claimedTotal struct {
	*checksum // nil: nothing
	sum       []byte
	parts     int // of a composite one that says it, else 0
}

// claimedTotal reads the headers of a Complete.
func (c summing) claimedTotal(r *request) (claim claimedTotal, err error) {
	const kindHeader = checksumPrefix + "type"
	value := ""
	for _, h := range r.lines {
		if !strings.HasPrefix(h.Name, checksumPrefix) || h.Name == kindHeader || h.Name == checksumPrefix+"algorithm" || h.Name == checksumMode {
			continue
		}
		known := checksumByHeader(h.Name)
		if known == nil {
			return claim, s3err.New(s3err.InvalidRequest, "The algorithm type you specified in x-amz-checksum- header is invalid.")
		}
		if claim.checksum != nil {
			return claim, errManyChecksums()
		}
		claim.checksum, value = known, h.Value
	}
	if r.hasHeader(kindHeader) {
		kind := kindByName(r.header(kindHeader))
		if kind == 0 {
			return claim, errHeaderValue(kindHeader)
		}
		if is := max(c.kind, fullObject); c.checksum != nil && kind != is || c.checksum == nil && kind == composite {
			return claim, s3err.New(s3err.InvalidRequest, "The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", kindNames[is])
		}
	}
	if claim.checksum == nil {
		return claim, nil
	}
	if digest, count, ok := strings.Cut(value, "-"); ok && c.kind == composite {
		if claim.parts, err = strconv.Atoi(count); err != nil || claim.parts < 1 || strconv.Itoa(claim.parts) != count {
			return claim, errHeaderValue(claim.header())
		}
		value = digest
	}
	claim.sum, err = base64.StdEncoding.DecodeString(value)
	if err != nil || len(claim.sum) != claim.size {
		return claim, errHeaderValue(claim.header())
	}
	return claim, nil
}

// settle proves the claim about the whole object, and gives its checksum. An upload
// that was begun without one has that of the claim, if every part was stored with it.
func (c summing) settle(claim claimedTotal, parts []format.PartETag) (sum sealedChecksum, ok bool, err error) {
	if c.checksum == nil && claim.checksum != nil && claim.crc != nil {
		c = summing{claim.checksum, fullObject}
	}
	sum, ok = c.total(parts)
	if !ok || claim.checksum == nil {
		return sum, ok, nil
	}
	if claim.checksum != c.checksum || subtle.ConstantTimeCompare(claim.sum, sum.sum) != 1 || claim.parts != 0 && claim.parts != len(parts) {
		return sum, false, s3err.New(s3err.BadDigest, "The %s you specified did not match the calculated checksum.", claim.name)
	}
	return sum, true, nil
}
