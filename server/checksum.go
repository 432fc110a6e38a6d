package server

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// checksum is one of S3's additional checksums ("Checking object integrity",
// Amazon S3 user guide). Its header is x-amz-checksum- and the name in lower
// case; its value is the base64 of the digest; CRCs and XXHashes (seed 0) are big
// endian, as their canonical forms are.
type checksum struct {
	name  string // as in x-amz-sdk-checksum-algorithm and in documents
	code  byte   // in sealed bytes (SPEC.md section 7); never reused
	size  int
	make  func() hash.Hash
	kinds []byte    // that the object of an upload in parts can have; the first unless one is named
	crc   *crcField // of a CRC: parts' sums give the object's
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksums is every algorithm there is.
var checksums = []checksum{
	{"CRC32", 1, 4, func() hash.Hash { return crc32.NewIEEE() }, []byte{composite, fullObject}, &crcField{32, crc32.IEEE}},
	{"CRC32C", 2, 4, func() hash.Hash { return crc32.New(castagnoli) }, []byte{composite, fullObject}, &crcField{32, crc32.Castagnoli}},
	{"CRC64NVME", codeCRC64NVME, 8, func() hash.Hash { return crc64nvme.New() }, []byte{fullObject}, &crcField{64, crc64nvme.NVME}},
	{"SHA1", 4, 20, sha1.New, []byte{composite}, nil},
	{"SHA256", codeSHA256, 32, sha256.New, []byte{composite}, nil},
	{"SHA512", 6, 64, sha512.New, []byte{composite}, nil},
	{"MD5", codeMD5, 16, md5.New, []byte{composite}, nil},
	{"XXHASH64", 8, 8, func() hash.Hash { return xxhash.New() }, []byte{composite}, nil},
	{"XXHASH3", 9, 8, func() hash.Hash { return xxh3.New() }, []byte{composite}, nil},
	{"XXHASH128", 10, 16, func() hash.Hash { return xxh3.New128() }, []byte{composite}, nil},
}

// Codes of algorithms with another use: S3's default, the signed SHA-256, Content-MD5.
const (
	codeCRC64NVME = 3
	codeSHA256    = 5
	codeMD5       = 7
)

// DefaultChecksum says which checksum objects get whose clients send none.
type DefaultChecksum uint8

const (
	// ChecksumCRC64NVME is S3's own default, of the full object.
	ChecksumCRC64NVME DefaultChecksum = iota
	// ChecksumNone: none.
	ChecksumNone
)

// offered is the checksum that is computed for clients that send none; nil: none. What
// is offered may be left out where it would cost an object anything.
func (s *Server) offered() *checksum {
	if s.checksums == ChecksumNone || !digesting {
		return nil
	}
	return checksumByCode(codeCRC64NVME)
}

const (
	checksumPrefix = "x-amz-checksum-"
	checksumMode   = checksumPrefix + "mode"
	// checksumModeParam is checksumMode in the query of requests that AWS's SDK for Go
	// presigned.
	checksumModeParam = "X-Amz-Checksum-Mode"

	inHeader  = "header"
	inTrailer = "trailing header"
)

// errChecksumAlgorithm is S3's answer to an algorithm that it does not have.
func errChecksumAlgorithm() error {
	var names []string
	for _, c := range checksums {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return s3err.New(s3err.InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [%s]", strings.Join(names, ", "))
}

// checksumByName finds an algorithm by its name, in any case.
func checksumByName(name string) *checksum {
	return checksumByHeader(checksumPrefix + strings.ToLower(name))
}

func (c *checksum) header() string { return checksumPrefix + strings.ToLower(c.name) }

// checksumByHeader finds an algorithm by its header's name in lower case.
func checksumByHeader(name string) *checksum {
	for i := range checksums {
		if checksums[i].header() == name {
			return &checksums[i]
		}
	}
	return nil
}

// decode reads the value of a header; place says which.
func (c *checksum) decode(value, place string) ([]byte, error) {
	sum, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(sum) != c.size {
		return nil, s3err.New(s3err.InvalidRequest, "Value for %s %s is invalid.", c.header(), place)
	}
	return sum, nil
}

// Kinds of a checksum: what of an object it is of.
const (
	fullObject = 1
	composite  = 2 // the digest of its parts' digests
)

// kindNames are their names in headers and documents.
var kindNames = map[byte]string{fullObject: "FULL_OBJECT", composite: "COMPOSITE"}

// kindByName finds a kind by its name, in any case; 0 if there is none.
func kindByName(name string) byte {
	for kind, n := range kindNames {
		if strings.EqualFold(n, name) {
			return kind
		}
	}
	return 0
}

// sealedChecksum is the form a checksum has in format.Meta.Checksum:
//
//	u8 algorithm · u8 1, of the full object · digest
//	u8 algorithm · u8 2, composite          · digest · u16 number of parts
type sealedChecksum struct {
	*checksum
	kind  byte
	sum   []byte
	parts int // of a composite one
}

func (c sealedChecksum) encode() []byte {
	b := append([]byte{c.code, c.kind}, c.sum...)
	if c.kind == composite {
		b = binary.BigEndian.AppendUint16(b, uint16(c.parts))
	}
	return b
}

// openChecksum reads a sealed checksum; what a later version wrote is not shown.
func openChecksum(m format.Meta) (c sealedChecksum, ok bool) {
	b := m.Checksum
	if len(b) < 2 {
		return c, false
	}
	k := checksumByCode(b[0])
	switch {
	case k == nil:
	case b[1] == fullObject && len(b) == 2+k.size:
		return sealedChecksum{checksum: k, kind: fullObject, sum: b[2:]}, true
	case b[1] == composite && len(b) == 2+k.size+2:
		return sealedChecksum{k, composite, b[2:][:k.size], int(binary.BigEndian.Uint16(b[2+k.size:]))}, true
	}
	return c, false
}

// checksumByCode finds an algorithm by its code in sealed bytes.
func checksumByCode(code byte) *checksum {
	for i := range checksums {
		if checksums[i].code == code {
			return &checksums[i]
		}
	}
	return nil
}

// value is what headers and documents show.
func (c sealedChecksum) value() string {
	v := base64.StdEncoding.EncodeToString(c.sum)
	if c.kind == composite {
		v += "-" + strconv.Itoa(c.parts)
	}
	return v
}
