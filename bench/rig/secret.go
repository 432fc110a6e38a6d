package rig

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// randomName is n random characters of A-Z and 2-7: fit for access keys, secrets and tokens, safe in every shell.
func randomName(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return strings.TrimRight(base32.StdEncoding.EncodeToString(b), "=")[:n]
}

// Credentials is a key pair for signatures.
type Credentials struct{ AccessKey, SecretKey string }

// String shows the access key only.
func (c Credentials) String() string { return c.AccessKey + ":redacted" }

// GoString shows the access key only.
func (c Credentials) GoString() string { return c.String() }

// newCredentials makes a random pair; the prefix says whose it is.
func newCredentials(prefix string) Credentials {
	return Credentials{prefix + randomName(20-len(prefix)), randomName(40)}
}
