package memkey

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Every label of the protocol (PROTOCOL.md 4.1). A label never begins another one followed by 00.
const (
	magic = "MEMKEY2\x00"

	labelIdentity = "memkey/2 identity"
	labelM1       = "memkey/2 M1"
	labelM2       = "memkey/2 M2"
	labelM3       = "memkey/2 M3"
	labelM4       = "memkey/2 M4"
	labelM4e      = "memkey/2 M4e"
	labelTH2      = "memkey/2 th2"
	labelTH3      = "memkey/2 th3"
	labelHPKE     = "memkey/2 hpke"
	labelConfirm  = "memkey/2 confirm"
)

// suite is the only one: HPKE base mode, MLKEM768-X25519, HKDF-SHA256, ChaCha20-Poly1305.
const suite = 0x0001

const (
	typeM1  = 1
	typeM2  = 2
	typeM3  = 3
	typeM4  = 4
	typeM4e = 5
)

// labelled is label ‖ 00 ‖ parts in a fresh slice.
func labelled(label string, parts ...[]byte) []byte {
	n := len(label) + 1
	for _, p := range parts {
		n += len(p)
	}
	b := append(append(make([]byte, 0, n), label...), 0)
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func hashOf(message []byte) [hashSize]byte { return sha256.Sum256(message) }

// transcript2 is th2: everything that was said up to M2.
func transcript2(h1, h2 [hashSize]byte) [hashSize]byte {
	return sha256.Sum256(labelled(labelTH2, h1[:], h2[:]))
}

// transcript3 is th3: everything that was said up to M3.
func transcript3(th2, h3 [hashSize]byte) [hashSize]byte {
	return sha256.Sum256(labelled(labelTH3, th2[:], h3[:]))
}

// confirmation is the MAC of M4 under the confirmation key.
func confirmation(ck []byte, th3 [hashSize]byte, before []byte) []byte {
	mac := hmac.New(sha256.New, ck)
	mac.Write(labelled(labelM4, th3[:], before))
	return mac.Sum(nil)
}
