//go:build integration

package clients

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// sha256Of is the digest as S3 writes it.
func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// md5Of is the digest as clients show it.
func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

// isMD5ETag says whether an ETag is the MD5 of b, or that of the MD5s of parts as the clients here cut them.
func isMD5ETag(etag string, b []byte) bool {
	if etag == `"`+md5Of(b)+`"` {
		return true
	}
	for _, mib := range []int{5, 8, 15, 16} {
		var sums []byte
		parts := 0
		for rest := b; len(rest) > 0; parts++ {
			n := min(mib<<20, len(rest))
			sum := md5.Sum(rest[:n])
			sums, rest = append(sums, sum[:]...), rest[n:]
		}
		if etag == fmt.Sprintf("%q", fmt.Sprintf("%s-%d", md5Of(sums), parts)) {
			return true
		}
	}
	return false
}
