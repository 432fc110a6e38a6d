package memkey

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// The admin's side of M3 a second time, written from PROTOCOL.md, RFC 9180 and draft-connolly-cfrg-xwing-kem, and without
// crypto/hpke, whose encapsulation cannot be made deterministic. It uses nothing of the package but the vector type.

type reference struct{ th2, enc, m3, th3, ck []byte }

func referenceSender(t *testing.T, v vector) reference {
	t.Helper()
	cat := func(parts ...any) (b []byte) {
		for _, p := range parts {
			switch p := p.(type) {
			case string:
				b = append(b, p...)
			case []byte:
				b = append(b, p...)
			case hexBytes:
				b = append(b, p...)
			case uint16:
				b = binary.BigEndian.AppendUint16(b, p)
			case uint32:
				b = binary.BigEndian.AppendUint32(b, p)
			default:
				t.Fatalf("%T", p)
			}
		}
		return b
	}
	hash := func(parts ...any) []byte { h := sha256.Sum256(cat(parts...)); return h[:] }

	// 5.2: the ephemeral key is behind magic, type, suite, public key, session, nonce, boot id, expires and its length.
	const at = 8 + 1 + 2 + 32 + 16 + 32 + 16 + 8 + 2
	kem := v.M2[at : at+1216]
	th2 := hash("memkey/2 th2\x00", hash(v.M1), hash(v.M2))

	// X-Wing: encapsulation from the 64 bytes of the vector.
	pq, err := mlkem.NewEncapsulationKey768(kem[:1184])
	if err != nil {
		t.Fatal(err)
	}
	ssM, ctM, err := mlkemtest.Encapsulate768(pq, v.EncapSeed[:32])
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdh.X25519().NewPrivateKey(v.EncapSeed[32:])
	if err != nil {
		t.Fatal(err)
	}
	peer, err := ecdh.X25519().NewPublicKey(kem[1184:])
	if err != nil {
		t.Fatal(err)
	}
	ssX, err := own.ECDH(peer)
	if err != nil {
		t.Fatal(err)
	}
	ctX := own.PublicKey().Bytes()
	shared := sha3.Sum256(cat(ssM, ssX, ctX, peer.Bytes(), `\.//^\`))
	enc := cat(ctM, ctX)

	// RFC 9180 section 5.1, base mode; KEM 0x647a, KDF 1, AEAD 3.
	suiteID := cat("HPKE", uint16(0x647a), uint16(1), uint16(3))
	extract := func(salt []byte, label string, ikm []byte) []byte {
		prk, err := hkdf.Extract(sha256.New, cat("HPKE-v1", suiteID, label, ikm), salt)
		if err != nil {
			t.Fatal(err)
		}
		return prk
	}
	expand := func(prk []byte, label string, info []byte, n int) []byte {
		okm, err := hkdf.Expand(sha256.New, prk, string(cat(uint16(n), "HPKE-v1", suiteID, label, info)), n)
		if err != nil {
			t.Fatal(err)
		}
		return okm
	}
	info := cat("memkey/2 hpke\x00", th2)
	schedule := cat("\x00", extract(nil, "psk_id_hash", nil), extract(nil, "info_hash", info))
	secret := extract(shared[:], "secret", nil)
	key := expand(secret, "key", schedule, 32)
	nonce := expand(secret, "base_nonce", schedule, 12)
	exporter := expand(secret, "exp", schedule, 32)
	ck := expand(exporter, "sec", []byte("memkey/2 confirm"), 32)

	aead, err := chacha20poly1305.New(key)
	if err != nil {
		t.Fatal(err)
	}
	head := cat("MEMKEY2\x00\x03", v.Session)
	ct := aead.Seal(nil, nonce, v.Package, head)
	m3 := cat(head, uint16(len(enc)), enc, uint32(len(ct)), ct)
	m3 = append(m3, ed25519.Sign(ed25519.NewKeyFromSeed(v.AdminSeed), cat("memkey/2 M3\x00", th2, hash(m3)))...)
	return reference{th2: th2, enc: enc, m3: m3, th3: hash("memkey/2 th3\x00", th2, hash(m3)), ck: ck}
}
