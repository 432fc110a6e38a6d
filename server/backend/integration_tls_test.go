//go:build integration

package backend

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// borrowedCert writes httptest's certificate for 127.0.0.1 and its key.
func borrowedCert(t *testing.T) (cert, key string) {
	t.Helper()
	h := httptest.NewUnstartedServer(nil)
	h.StartTLS()
	defer h.Close()
	der, err := x509.MarshalPKCS8PrivateKey(h.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	key = filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return caFile(t, h.Certificate()), key
}

// The real store answers a refused upload before it has read the body.
func TestRealStoreRefusalsOverTLSAreNotLost(t *testing.T) {
	cert, key := borrowedCert(t)
	for _, keep := range []string{"-keep-alive=true", "-keep-alive=false"} {
		c, _ := realStore(t, "-cert", cert, "-key", key, keep)
		trusting := newTestClient(t, c.config.Endpoint, func(c *Config) { c.CAFile = cert })
		for _, n := range []int{1000, 64 << 10, continueFrom, 1 << 20, 8 << 20} {
			if _, err := put2(trusting, "k", pattern(n), Conditions{}); err != nil {
				t.Fatal(err)
			}
			for range 5 {
				_, err := put2(trusting, "k", pattern(n), Conditions{IfNoneMatch: true})
				if e := wantKind(t, err, Precondition); e.Status != 412 {
					t.Logf("%s, %d bytes: %v", keep, n, e)
				}
			}
		}
	}
}
