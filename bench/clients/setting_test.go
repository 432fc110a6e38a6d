//go:build integration

package clients

import (
	"slices"
	"testing"
)

// setting is a way to run the proxy that clients can notice.
type setting struct {
	name        string // in the documentation
	yaml        string // of the proxy's configuration
	sealedNames bool
	md5         bool // ETags are MD5s of the plaintext
	manyParts   bool // the backend is one that takes hundreds of parts, on any file system
}

var (
	plain       = setting{name: "the defaults"}
	sealedNames = setting{name: "`sealed_names`", yaml: "encryption:\n  sealed_names: [\"*\"]\n", sealedNames: true}
	md5ETags    = setting{name: "`etag: md5`", yaml: "encryption:\n  etag: md5\n", md5: true}
)

// TestRealClientsUnderSettings takes the clients for which a setting matters through the same life where it is on.
func TestRealClientsUnderSettings(t *testing.T) {
	t.Parallel()
	for _, with := range []setting{sealedNames, md5ETags} {
		t.Run(bucketName(with.name), func(t *testing.T) {
			s := startStack(t, with)
			for _, c := range clients {
				if slices.Contains(c.settings, with) {
					t.Run(c.name, func(t *testing.T) { c.life(newSession(t, s, bucketName(c.name), "https")) })
				}
			}
		})
	}
}
