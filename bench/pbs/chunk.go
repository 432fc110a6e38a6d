package pbs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// Digest names a chunk: the SHA-256 of its plain data.
type Digest [32]byte

// String is the digest in hex: the last segment of the chunk's key.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DigestOf is the digest of plain data.
func DigestOf(data []byte) Digest { return sha256.Sum256(data) }

// blobMagic begins an uncompressed, unencrypted chunk or blob.
var blobMagic = [8]byte{66, 171, 56, 7, 190, 131, 112, 161}

// BlobHeader is the number of bytes in front of the data of a chunk or blob.
const BlobHeader = 12

// errDigest says that stored bytes are not what their name says.
var errDigest = errors.New("the bytes do not have the chunk's digest")

// appendBlob writes a blob of data over dst and returns it: magic, CRC, data.
func appendBlob(dst, data []byte) []byte {
	dst = append(dst[:0], blobMagic[:]...)
	dst = binary.LittleEndian.AppendUint32(dst, crc32.ChecksumIEEE(data))
	return append(dst, data...)
}

// EncodeBlob returns a new blob holding data.
func EncodeBlob(data []byte) []byte { return appendBlob(make([]byte, 0, BlobHeader+len(data)), data) }

// DecodeBlob returns the data of a blob, a part of blob. Like PBS on reads from S3 it trusts the magic and leaves the
// CRC alone.
func DecodeBlob(blob []byte) ([]byte, error) {
	if len(blob) < BlobHeader || !bytes.Equal(blob[:8], blobMagic[:]) {
		return nil, fmt.Errorf("%w: bad magic", errDigest)
	}
	return blob[BlobHeader:], nil
}

// verifyChunk is what verify does with a chunk's bytes.
func verifyChunk(d Digest, blob []byte) error {
	data, err := DecodeBlob(blob)
	if err != nil {
		return err
	}
	if DigestOf(data) != d {
		return errDigest
	}
	return nil
}

// chunkName reads the last segment of a listed key: 64 hex digits, or those and a 6-byte suffix such as ".0.bad". PBS
// looks at nothing else of the key.
func chunkName(key string) (d Digest, bad, ok bool) {
	name := key[strings.LastIndexByte(key, '/')+1:]
	if len(name) != 64 && len(name) != 70 {
		return d, false, false
	}
	if _, err := hex.Decode(d[:], []byte(name[:64])); err != nil {
		return d, false, false
	}
	return d, len(name) == 70, true
}
