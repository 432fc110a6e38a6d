//go:build integration

package clients

import (
	"context"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"crypto/tls"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// stack is one backend with two proxies in front, one with TLS and one without: what a client sees of a bucket must not
// depend on which of them it asks.
type stack struct {
	backend *rig.Backend
	proxies map[string]*rig.Proxy // by scheme
	caFile  string                // the certificate of the one with TLS
	setting setting
	tree    files
	treeDir string
	marker  string
}

// startBackend starts the backend that CLIENTS_BACKEND names.
func startBackend(t *testing.T, dir string, with setting) *rig.Backend {
	t.Helper()
	begin := map[string]func(context.Context, rig.BackendConfig) (*rig.Backend, error){
		"": rig.StartVersitygw, "versitygw": rig.StartVersitygw, "minio": rig.StartMinio,
	}[os.Getenv("CLIENTS_BACKEND")]
	if begin == nil {
		t.Fatalf("CLIENTS_BACKEND is %q, not versitygw or minio", os.Getenv("CLIENTS_BACKEND"))
	}
	b, err := begin(context.Background(), rig.BackendConfig{Dir: dir, Sidecar: with.manyParts})
	must(t, err)
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func startStack(t *testing.T, with setting) *stack {
	t.Helper()
	return startStackThrough(t, with, func(backend string) string { return backend })
}

// startStackThrough starts a stack whose proxies reach the backend at the address that through makes of its own.
func startStackThrough(t *testing.T, with setting, through func(backend string) string) *stack {
	t.Helper()
	ctx := context.Background()
	// A Unix socket's path must be short; test directories are not.
	dir, err := os.MkdirTemp("", "s3cp-clients-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &stack{backend: startBackend(t, dir, with), proxies: map[string]*rig.Proxy{}, setting: with, marker: newMarker()}
	keys, err := rig.StartKeyHolder(ctx, dir)
	must(t, err)
	t.Cleanup(func() { keys.Stop() })
	cfg := rig.ProxyConfig{Backend: "http://" + through(s.backend.Address), BackendKey: s.backend.Credentials, Region: s.backend.Region, Socket: keys.Socket, Extra: with.yaml}
	for _, scheme := range []string{"https", "http"} {
		cfg.Dir, cfg.PlainHTTP = filepath.Join(dir, scheme), scheme == "http"
		must(t, os.Mkdir(cfg.Dir, 0o700))
		p, err := rig.StartProxy(ctx, cfg)
		must(t, err)
		t.Cleanup(func() {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
		s.proxies[scheme], cfg.Client = p, p.Credentials
	}
	s.caFile = filepath.Join(dir, "ca.pem")
	saveCertificate(t, s.proxies["https"].Address, s.caFile)
	s.tree, s.treeDir = newTree(s.marker), filepath.Join(dir, "tree")
	if with.sealedNames {
		s.tree.shorten()
	}
	s.tree.write(t, s.treeDir)
	return s
}

// saveCertificate writes the certificate a listener serves to a file that clients take as their root.
func saveCertificate(t *testing.T, address, file string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // whose it is does not matter: clients verify it from then on
	c, err := d.DialContext(ctx, "tcp", address)
	must(t, err)
	defer c.Close()
	leaf := c.(*tls.Conn).ConnectionState().PeerCertificates[0]
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), 0o600))
}
