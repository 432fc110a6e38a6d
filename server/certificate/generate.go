package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// generate makes a pair and puts it into cfg.Dir, unless one is there already.
func generate(cfg Config) error {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return err
	}
	content, err := newPair(cfg)
	if err != nil {
		return err
	}
	defer clear(content)
	return putNew(cfg.Dir, pairName, content)
}

// newPair returns a fresh key and its self-signed certificate, as PEM.
func newPair(cfg Config) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := cfg.Now()
	template := &x509.Certificate{
		SerialNumber:          serial.Add(serial, big.NewInt(1)), // positive (RFC 5280, 4.1.2.2)
		Subject:               pkix.Name{CommonName: "s3-crypt-proxy"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(validity),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, // and no CA: whoever trusts it trusts this one server
	}
	host, err := os.Hostname()
	if err != nil || !ascii(host) {
		host = "" // a certificate without it serves those who pin it as well
	}
	for _, name := range append([]string{"localhost", "127.0.0.1", "::1", host}, cfg.Names...) {
		if err := addName(template, name); err != nil {
			return nil, err
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(pkcs8)
	var b bytes.Buffer
	for _, block := range []*pem.Block{{Type: "PRIVATE KEY", Bytes: pkcs8}, {Type: "CERTIFICATE", Bytes: der}} {
		if err := pem.Encode(&b, block); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

// addName puts a name into the certificate, once.
func addName(c *x509.Certificate, name string) error {
	if name == "" {
		return nil
	}
	if ip := net.ParseIP(name); ip != nil {
		for _, have := range c.IPAddresses {
			if have.Equal(ip) {
				return nil
			}
		}
		c.IPAddresses = append(c.IPAddresses, ip)
		return nil
	}
	if !ascii(name) {
		return fmt.Errorf("%q is no DNS name", name)
	}
	for _, have := range c.DNSNames {
		if strings.EqualFold(have, name) {
			return nil
		}
	}
	c.DNSNames = append(c.DNSNames, name)
	return nil
}

// ascii tells whether name can stand in a certificate.
func ascii(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// putNew writes a file of mode 0600 that is complete or not there, and keeps one
// that is there already.
func putNew(dir, name string, content []byte) (err error) {
	tmp, err := os.CreateTemp(dir, "."+name+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	switch err := os.Link(tmp.Name(), path); {
	case err == nil:
		return syncDir(dir)
	case errors.Is(err, fs.ErrExist):
		return nil
	}
	// A file system without hard links.
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// readBounded reads a file of at most maxFile bytes. Its errors leave out the
// path, which the caller names.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pathless(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, pathless(err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return b, nil
}

func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
