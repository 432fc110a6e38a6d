package server

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// checksum is one of S3's additional checksums ("Checking object integrity",
// Amazon S3 user guide). Its header is x-amz-checksum- and the name in lower
// case; its value is the base64 of the digest, CRCs big endian.
type checksum struct {
	name string // as in x-amz-sdk-checksum-algorithm and in documents
	code byte   // in the sealed metadata; never reused
	size int
	make func() hash.Hash
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5) // CRC-64/NVME, reversed polynomial
)

// checksums is every algorithm there is.
var checksums = []checksum{
	{"CRC32", 1, 4, func() hash.Hash { return crc32.NewIEEE() }},
	{"CRC32C", 2, 4, func() hash.Hash { return crc32.New(castagnoli) }},
	{"CRC64NVME", 3, 8, func() hash.Hash { return crc64.New(nvme) }},
	{"SHA1", 4, 20, sha1.New},
	{"SHA256", 5, 32, sha256.New},
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

// Kinds of a sealed checksum.
const fullObject = 1

// sealedChecksum is the form a checksum has in format.Meta.Checksum:
//
//	u8 algorithm · u8 kind (1 = of the full object) · digest
type sealedChecksum struct {
	*checksum
	kind byte
	sum  []byte
}

func (c sealedChecksum) encode() []byte {
	return append([]byte{c.code, c.kind}, c.sum...)
}

// openChecksum reads a sealed checksum; what a later version wrote is not shown.
func openChecksum(m format.Meta) (c sealedChecksum, ok bool) {
	b := m.Checksum
	if len(b) < 2 {
		return c, false
	}
	for i := range checksums {
		if k := &checksums[i]; k.code == b[0] && b[1] == fullObject && len(b) == 2+k.size {
			return sealedChecksum{k, b[1], b[2:]}, true
		}
	}
	return c, false
}

// value is what a header shows.
func (c sealedChecksum) value() string { return base64.StdEncoding.EncodeToString(c.sum) }
