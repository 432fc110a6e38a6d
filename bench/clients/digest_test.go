//go:build integration

package clients

import (
	"crypto/sha256"
	"encoding/base64"
)

// sha256Of is the digest as S3 writes it.
func sha256Of(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}
