package memkey

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

// ServerTLS is TLS 1.3 with the hybrid key exchange X25519MLKEM768 and nothing else. No session is ever resumed.
func ServerTLS(cert tls.Certificate) *tls.Config {
	c := baseTLS()
	c.Certificates = []tls.Certificate{cert}
	c.SessionTicketsDisabled = true
	return c
}

// clientTLS does not verify the certificate: who the server is, the fingerprint and the signed M2 decide (PROTOCOL.md
// 9.1). A certificate would only be a second, weaker answer to the same question.
func clientTLS() *tls.Config {
	c := baseTLS()
	c.InsecureSkipVerify = true
	return c
}

func baseTLS() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519MLKEM768},
		NextProtos:       []string{"http/1.1"},
	}
}

// IdentityCertificate makes the self-signed certificate of an identity. It says nothing but the public key and is the
// same at every start; its validity has no bounds, since nobody decides by it.
func IdentityCertificate(identity Signer) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: identityName},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 4.1.2.5: no well-defined expiration
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{identityName},
	}
	key := tlsSigner{identity}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("cannot make a certificate for the identity: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// identityName is what only certificates of an identity are called.
const identityName = "memkey"

// tlsSigner lets TLS sign with an identity. What TLS and X.509 sign begins with other bytes than what this protocol signs.
type tlsSigner struct{ identity Signer }

func (s tlsSigner) Public() crypto.PublicKey { return s.identity.Public() }

func (s tlsSigner) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != 0 {
		return nil, errors.New("cannot sign a hash: the identity is pure Ed25519")
	}
	return s.identity.Sign(message)
}

// presented is the fingerprint of the identity in the server's certificate, if that is one of IdentityCertificate: an
// operator's own certificate, of whatever key, says nothing of the identity. It is a hint for a better error text, never
// a decision.
func presented(state *tls.ConnectionState) (Fingerprint, bool) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return Fingerprint{}, false
	}
	cert := state.PeerCertificates[0]
	public, ok := cert.PublicKey.(ed25519.PublicKey)
	if !ok || cert.Subject.CommonName != identityName || !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
		return Fingerprint{}, false
	}
	return ServerFingerprint(public), true
}
