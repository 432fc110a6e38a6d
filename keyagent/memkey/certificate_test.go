package memkey

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
)

// TestOperatorsCertificateIsNoIdentity: a certificate that an operator made, also with an Ed25519 key, is no reason to
// call the server another one; that of an identity is.
func TestOperatorsCertificateIsNoIdentity(t *testing.T) {
	state := func(der []byte) *tls.ConnectionState {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	}
	r := newRig(t)
	own, err := IdentityCertificate(r.server)
	if err != nil {
		t.Fatal(err)
	}
	if fp, ok := presented(state(own.Certificate[0])); !ok || fp != ServerFingerprint(r.server.Public()) {
		t.Errorf("the identity's own: %v %t", fp, ok)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "memkey.example"}}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	if fp, ok := presented(state(der)); ok {
		t.Errorf("an operator's certificate is taken for the identity %v", fp)
	}
}
