package format

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

// Upload is one multipart upload. All it knows is in its token, so any process with the keyring can go on with it. Immutable and safe for
// concurrent use; it prints no key.
type Upload struct {
	where     Context
	kid       KeyID
	suite     Suite
	oid       [16]byte
	oek       [32]byte
	etagKey   [32]byte
	created   time.Time
	checksum  [2]byte
	backendID string
	token     string
}

// UploadOptions are what the backend and the machine decide.
type UploadOptions struct {
	Suite     Suite     // of the parts; 0 = XChaCha20Poly1305
	BackendID string    // the backend's upload id, 1 to MaxBackendID bytes without control bytes
	Created   time.Time // kept to the millisecond
	Checksum  [2]byte   // what the upload's parts and object are summed with, in the S3 front's own encoding; opaque here, zero = nothing
}

// NewUpload makes the keys and the token of an upload for the object at where, under the ring's active key. It does not keep the ring. Errors:
// ErrNoKey, ErrUnsupported for an unknown suite, and a plain one that names a bad option.
func NewUpload(ring UploadRing, where Context, opt UploadOptions) (*Upload, error) {
	e := freshEntropy()
	defer clear(e.oek[:])
	var salt [24]byte
	rand.Read(salt[:])
	return newUpload(ring, where, opt, &e, salt)
}

func newUpload(ring UploadRing, where Context, opt UploadOptions, e *entropy, salt [24]byte) (*Upload, error) {
	if opt.Suite == 0 {
		opt.Suite = XChaCha20Poly1305
	}
	if !opt.Suite.valid() {
		return nil, fmt.Errorf("cannot begin upload: UploadOptions.Suite: %w: %s", ErrUnsupported, opt.Suite)
	}
	if err := checkBackendID(opt.BackendID); err != nil {
		return nil, fmt.Errorf("cannot begin upload: UploadOptions.BackendID: %w", err)
	}
	if ms := opt.Created.UnixMilli(); ms < 0 || ms > maxWrittenAt {
		return nil, fmt.Errorf("cannot begin upload: UploadOptions.Created: %s", opt.Created)
	}
	kid, err := ring.Active()
	if err != nil {
		return nil, fmt.Errorf("cannot begin upload: %w", err)
	}
	keys, err := ring.UploadKeys(kid, salt, where)
	if err != nil {
		return nil, fmt.Errorf("cannot begin upload: %w", err)
	}
	defer keys.wipe()
	u := &Upload{where: where, kid: kid, suite: opt.Suite, oid: e.oid, oek: e.oek, etagKey: keys.ETagKey, backendID: opt.BackendID, checksum: opt.Checksum}
	u.created = time.UnixMilli(opt.Created.UnixMilli()).UTC()
	u.token, err = u.sealToken(tokenHead{tokenVersionOf(opt.Checksum), kid, salt}, &keys)
	if err != nil {
		return nil, fmt.Errorf("cannot begin upload: %w", err)
	}
	return u, nil
}

// OpenUpload reads the token that a client gives for an upload to where. It does not keep the ring. Errors: ErrUpload for anything that
// NewUpload did not make for this place, ErrKeyUnknown for a token under a key that the ring does not hold, ErrUnsupported.
func OpenUpload(ring UploadRing, where Context, token string) (*Upload, error) {
	h, raw, ok := parseToken(token)
	if !ok {
		return nil, fmt.Errorf("cannot open upload: %w: malformed token", ErrUpload)
	}
	keys, err := ring.UploadKeys(h.kid, h.salt, where)
	if err != nil {
		return nil, fmt.Errorf("cannot open upload: %w", err)
	}
	defer keys.wipe()
	u := &Upload{where: where, kid: h.kid, etagKey: keys.ETagKey, token: token}
	if err := u.openToken(h, raw, &keys); err != nil {
		return nil, fmt.Errorf("cannot open upload: %w", err)
	}
	return u, nil
}

// Token returns the UploadId for the client: A–Z a–z 0–9 - _, at most MaxTokenSize. It is not secret: nothing but this proxy can use it.
func (u *Upload) Token() string { return u.token }

// Where returns the place of the object to be.
func (u *Upload) Where() Context { return u.where }

// OID returns the random id that the finished object bears in its first 54 bytes, so that a repeated Complete can be told from a lost upload.
func (u *Upload) OID() [16]byte { return u.oid }

// Suite returns the suite of the parts.
func (u *Upload) Suite() Suite { return u.suite }

// KeyID returns the id of the master key that the token is sealed under.
func (u *Upload) KeyID() KeyID { return u.kid }

// Created returns the time of NewUpload, to the millisecond, UTC.
func (u *Upload) Created() time.Time { return u.created }

// Checksum returns UploadOptions.Checksum.
func (u *Upload) Checksum() [2]byte { return u.checksum }

// BackendID returns the backend's upload id.
func (u *Upload) BackendID() string { return u.backendID }

// StagingPrefix begins the names of everything that is staged for this upload, in the same bucket: UploadPrefix, the OID in hex, "/".
func (u *Upload) StagingPrefix() string { return UploadPrefix + hex.EncodeToString(u.oid[:]) + "/" }

// CreateKey is the name of the empty stream object that holds the object's metadata until Complete. Its Context is this key's.
func (u *Upload) CreateKey() string { return u.StagingPrefix() + "create" }

// LastKey is the name under which a part is stored for which Staged is true: its sealed bytes, Head and segments, and nothing else.
func (u *Upload) LastKey(number int) string {
	return fmt.Sprintf("%slast-%d", u.StagingPrefix(), number)
}

// NewPart makes the keys of a fresh attempt of part number, of plain bytes. Errors, in a PartError: ErrPartNumber, ErrTooLarge.
func (u *Upload) NewPart(number int, plain int64) (*PartSealer, error) {
	var salt [16]byte
	rand.Read(salt[:])
	return u.newPart(number, plain, salt)
}

func (u *Upload) newPart(number int, plain int64, salt [16]byte) (*PartSealer, error) {
	if err := checkPart(number, plain); err != nil {
		return nil, fmt.Errorf("cannot seal part: %w", err)
	}
	prk := extract(u.oid[:], u.oek[:])
	defer clear(prk[:])
	b, err := partSegments(u.suite, &prk, number, salt, plain)
	if err != nil {
		return nil, fmt.Errorf("cannot seal part: %w", err)
	}
	return &PartSealer{body: b, upload: u, number: number, salt: salt, head: partHead(u.suite, u.oid, salt)}, nil
}

// OpenPart opens a part of this upload before it is completed: a staged one that becomes a stream, or one to be proved.
func (u *Upload) OpenPart(e PartETag) (*PartOpener, error) {
	prk := extract(u.oid[:], u.oek[:])
	defer clear(prk[:])
	b, err := partSegments(u.suite, &prk, e.Number, e.salt, e.PlainSize)
	if err != nil {
		return nil, fmt.Errorf("cannot open part: %w", err)
	}
	return &PartOpener{body: b, number: e.Number, head: partHead(u.suite, u.oid, e.salt)}, nil
}

// Format prints public facts only, whatever the verb.
func (u Upload) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "format.Upload(%x, %s, key %s)", u.oid, u.suite, u.kid)
}
