package format

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// A receipt (SPEC.md section 12.8) says in the name of an empty object which attempts of which parts a proxy has stored, so that the ETags of an
// upload can be told to a client that does not have them:
//
//	staging prefix ‖ "part-" ‖ number, 5 digits ‖ "-" ‖ base64url(part_salt[16] ‖ mac[16] ‖ XChaCha20-Poly1305(u64 plain size ‖ u8 flags ‖ [u8 n ‖ note]))
//
// salt and mac are the ETag's. The backend's ETag is not in it: the backend tells it when it lists its parts, and mac says which attempt it is of.

const (
	receiptName  = "part-"
	receiptOpen  = 16 + etagMACSize
	receiptMin   = receiptOpen + etagFixedSize - 16 + TagSize
	receiptMax   = receiptMin + 1 + MaxPartNote
	numberDigits = 5
)

// Receipt is an opened receipt: a genuine attempt of a part, of which it is not known whether it is still there.
type Receipt struct {
	etag   PartETag // without Backend
	mac    [etagMACSize]byte
	upload *Upload
}

// ReceiptPrefix begins the names of all receipts of the upload.
func (u *Upload) ReceiptPrefix() string { return u.StagingPrefix() + receiptName }

// ReceiptsAfter is a name behind all receipts of parts up to number, and before those of later ones.
func (u *Upload) ReceiptsAfter(number int) string {
	return fmt.Sprintf("%s%0*d~", u.ReceiptPrefix(), numberDigits, number)
}

// ReceiptKey is the name of the receipt for an ETag, without quotes, that PartSealer.ETag made for part number. Errors: those of VerifyETag.
func (u *Upload) ReceiptKey(number int, etag string) (string, error) {
	e, err := u.VerifyETag(number, etag)
	if err != nil {
		return "", fmt.Errorf("cannot make receipt: %w", err)
	}
	mac := u.etagMAC(e)
	aead, nonce, err := u.receiptKeys(number, e.salt, mac)
	if err != nil {
		return "", fmt.Errorf("cannot make receipt: %w", err)
	}
	b := append(append(make([]byte, 0, receiptMax), e.salt[:]...), mac[:]...)
	b = aead.Seal(b, nonce, e.appendFacts(nil)[16:], nil)
	return fmt.Sprintf("%s%0*d-%s", u.ReceiptPrefix(), numberDigits, number, tokenEncoding.EncodeToString(b)), nil
}

// OpenReceipt reads the name of a receipt. It is ErrPart, in a PartError where the number is known, unless ReceiptKey made it for this upload.
func (u *Upload) OpenReceipt(key string) (Receipt, error) {
	number, raw, ok := parseReceipt(strings.CutPrefix(key, u.ReceiptPrefix()))
	if !ok {
		return Receipt{}, fmt.Errorf("cannot open receipt: %w: malformed name", ErrPart)
	}
	r := Receipt{mac: [etagMACSize]byte(raw[16:]), upload: u}
	salt := [16]byte(raw)
	aead, nonce, err := u.receiptKeys(number, salt, r.mac)
	if err != nil {
		return Receipt{}, fmt.Errorf("cannot open receipt: %w", err)
	}
	facts, err := aead.Open(salt[:], nonce, raw[receiptOpen:], nil) // behind the salt, as in an ETag
	if err == nil {
		r.etag, ok = parseFacts(facts)
	}
	if err != nil || !ok || checkPart(number, r.etag.PlainSize) != nil || r.etag.Staged != staged(number, r.etag.PlainSize) {
		return Receipt{}, fmt.Errorf("cannot open receipt: %w", &PartError{Number: number, Err: ErrPart})
	}
	r.etag.Number = number
	return r, nil
}

// parseReceipt decodes what follows ReceiptPrefix in a name, authenticating nothing. It accepts one spelling (FuzzReceipt).
func parseReceipt(s string, ok bool) (number int, raw []byte, _ bool) {
	if !ok || len(s) < numberDigits+1 || s[numberDigits] != '-' {
		return 0, nil, false
	}
	digits, text := s[:numberDigits], s[numberDigits+1:]
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, nil, false
		}
		number = number*10 + int(c-'0')
	}
	if number < 1 || number > MaxParts || len(text) > tokenEncoding.EncodedLen(receiptMax) {
		return 0, nil, false
	}
	raw, err := tokenEncoding.DecodeString(text)
	// The decoder skips line breaks; a name has none.
	if err != nil || len(raw) < receiptMin || len(raw) > receiptMax || tokenEncoding.EncodedLen(len(raw)) != len(text) {
		return 0, nil, false
	}
	return number, raw, true
}

// Number returns the number of the part.
func (r Receipt) Number() int { return r.etag.Number }

// ETag returns the ETag that the client got for this attempt, and what it says, if backend, without quotes, is the backend's ETag of it. ok is
// false for the ETag of any other attempt.
func (r Receipt) ETag(backend string) (etag string, said PartETag, ok bool) {
	if checkBackendETag(backend) != nil {
		return "", PartETag{}, false
	}
	e := r.etag
	e.Backend = backend
	want := r.upload.etagMAC(e)
	if subtle.ConstantTimeCompare(want[:], r.mac[:]) != 1 {
		return "", PartETag{}, false
	}
	return e.spell(want), e, true
}

// Format prints public facts only, whatever the verb.
func (r Receipt) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "format.Receipt(part %d, %d bytes)", r.etag.Number, r.etag.PlainSize)
}

// receiptKeys derives the key and the nonce of one receipt. Salt and mac are in it, so no two receipts of different content share a nonce.
func (u *Upload) receiptKeys(number int, salt [16]byte, mac [etagMACSize]byte) (aead cipher.AEAD, nonce []byte, err error) {
	prk := extract(u.oid[:], u.oek[:])
	defer clear(prk[:])
	info := binary.BigEndian.AppendUint32([]byte(labelReceipt), uint32(number))
	info = append(append(info, salt[:]...), mac[:]...)
	var okm [32 + 24]byte
	defer clear(okm[:32])
	expand(okm[:], &prk, info)
	aead, err = chacha20poly1305.NewX(okm[:32])
	return aead, okm[32:], err
}
