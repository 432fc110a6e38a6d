package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// Config says where the certificate comes from: either two files, or Dir.
type Config struct {
	// CertFile and KeyFile are PEM: the chain, leaf first, and its private key.
	CertFile, KeyFile string

	// Dir is where a generated pair is kept; made with mode 0700 if absent.
	Dir string
	// Names are the DNS names and IPs a generated certificate is for, besides
	// this machine's name and loopback.
	Names []string

	Now func() time.Time // nil = time.Now
}

// ErrNone means that no certificate was generated yet.
var ErrNone = errors.New("no certificate was generated yet")

// Store holds the certificate in service. Make it with New or Open.
type Store struct {
	cfg     Config
	current atomic.Pointer[entry]
	tried   atomic.Pointer[stamp] // of the files, when they were last looked at
}

// entry is one loaded certificate; immutable.
type entry struct {
	cert      tls.Certificate // Leaf is set
	generated bool            // made by this process
}

// New loads the certificate, and makes one first if Dir has none.
func New(cfg Config) (*Store, error) {
	s, err := Open(cfg)
	if !errors.Is(err, ErrNone) {
		return s, err
	}
	if err := generate(cfg.withDefaults()); err != nil {
		return nil, fmt.Errorf("cannot make a certificate: %w", err)
	}
	if s, err = Open(cfg); err != nil {
		return nil, err
	}
	s.current.Load().generated = true
	return s, nil
}

// Open loads the certificate and writes nothing: ErrNone if it would have to be
// generated.
func Open(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	switch {
	case (cfg.CertFile == "") != (cfg.KeyFile == ""):
		return nil, errors.New("cannot load the certificate: CertFile and KeyFile go together")
	case cfg.CertFile == "" && cfg.Dir == "":
		return nil, errors.New("cannot load the certificate: neither CertFile nor Dir is given")
	case cfg.CertFile != "" && cfg.Dir != "":
		return nil, errors.New("cannot load the certificate: both CertFile and Dir are given")
	}
	s := &Store{cfg: cfg}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// files are where the certificate and its key are.
func (s *Store) files() (certFile, keyFile string) {
	if s.cfg.Dir != "" {
		pair := filepath.Join(s.cfg.Dir, pairName)
		return pair, pair
	}
	return s.cfg.CertFile, s.cfg.KeyFile
}

// Reload reads the files again. On an error the certificate in service stays.
func (s *Store) Reload() error {
	certFile, keyFile := s.files()
	seen := stampOf(certFile, keyFile)
	cert, err := load(certFile, keyFile)
	if s.cfg.Dir != "" && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w in %s", ErrNone, s.cfg.Dir)
	}
	if err != nil {
		return err
	}
	s.current.Store(&entry{cert: cert})
	s.tried.Store(&seen)
	return nil
}

// load reads a pair and checks that key and certificate belong together.
func load(certFile, keyFile string) (tls.Certificate, error) {
	certPEM, err := readBounded(certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot load the certificate %s: %w", certFile, err)
	}
	keyPEM, err := readBounded(keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot load the certificate's key %s: %w", keyFile, err)
	}
	defer clear(keyPEM)
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot load the certificate %s with the key %s: %w", certFile, keyFile, err)
	}
	if cert.Leaf == nil { // GODEBUG x509keypairleaf=0
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return tls.Certificate{}, fmt.Errorf("cannot load the certificate %s: %w", certFile, err)
		}
	}
	return cert, nil
}

// TLSConfig returns the server side of TLS 1.2 and later: the one certificate
// for every server name and for none, HTTP/1.1 only, and Go's key exchanges,
// with the hybrid X25519MLKEM768 first.
func (s *Store) TLSConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &s.current.Load().cert, nil
		},
	}
}

// Leaf returns the certificate in service; it must not be changed.
func (s *Store) Leaf() *x509.Certificate { return s.current.Load().cert.Leaf }

// Generated tells whether New made the certificate.
func (s *Store) Generated() bool { return s.current.Load().generated }

// Fingerprint returns the fingerprint of the certificate in service.
func (s *Store) Fingerprint() string { return Fingerprint(s.Leaf().Raw) }

// Fingerprint returns the fingerprint of a DER certificate in PBS's form.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":")
}

// Warnings tells what is odd about the certificate in service, as sentences.
func (s *Store) Warnings() []string {
	leaf, now := s.Leaf(), s.cfg.Now()
	var w []string
	switch {
	case now.After(leaf.NotAfter):
		w = append(w, fmt.Sprintf("the certificate expired on %s", leaf.NotAfter.Format(time.DateOnly)))
	case now.Add(expiryWarning).After(leaf.NotAfter):
		w = append(w, fmt.Sprintf("the certificate expires on %s", leaf.NotAfter.Format(time.DateOnly)))
	case now.Before(leaf.NotBefore):
		w = append(w, fmt.Sprintf("the certificate is not valid before %s", leaf.NotBefore.Format(time.DateOnly)))
	}
	if path := filepath.Join(s.cfg.Dir, pairName); s.cfg.Dir != "" {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			w = append(w, fmt.Sprintf("%s holds the private key and other users can open it; chmod 600", path))
		}
	}
	for _, name := range s.cfg.Names {
		if leaf.VerifyHostname(probeName(name)) != nil {
			w = append(w, fmt.Sprintf("the certificate is not for %s; remove %s to make a new one, which changes the fingerprint", name, filepath.Join(s.cfg.Dir, pairName)))
		}
	}
	return w
}

// probeName is a host name that a wildcard must cover.
func probeName(name string) string {
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		return "x." + rest
	}
	return name
}
