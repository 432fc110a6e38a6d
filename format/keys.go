package format

import (
	"encoding/hex"
	"errors"
	"fmt"
)

// All labels of the key derivation (SPEC.md section 5).
const (
	labelPrefix = "s3-crypt-proxy/v2/"

	saltMaster  = "s3-crypt-proxy/v2"
	labelObject = labelPrefix + "object-encryption"
	labelMeta   = labelPrefix + "metadata-encryption"
	labelVerify = labelPrefix + "key-verification"
	labelKeyID  = labelPrefix + "key-id"
	labelToken  = labelPrefix + "upload-token"
	labelETag   = labelPrefix + "part-etag"

	labelBlock   = labelPrefix + "meta-block" + "\x00"
	labelWrap    = labelPrefix + "oek-wrap" + "\x00"
	labelBody    = labelPrefix + "body" + "\x00"
	labelPart    = labelPrefix + "part" + "\x00"
	labelTable   = labelPrefix + "part-table" + "\x00"
	labelReceipt = labelPrefix + "part-receipt" + "\x00"

	labelName = labelPrefix + "name-encryption"
)

// KeyID is the public name of a master key: 8 bytes derived from it. It picks exactly one key of a ring; there is no trial decryption.
type KeyID [8]byte

// String returns 16 hex digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Keys are the derived keys of one master key. They print as their id only. Read-only after DeriveKeys, so safe for concurrent use, except
// that Wipe must not run beside another method.
type Keys struct {
	id     KeyID
	kvt    [32]byte
	object [32]byte // K_obj: PRF key, wraps object keys
	meta   [32]byte // K_meta: PRF key, metadata and commitment
	token  [32]byte // K_tok: PRF key, upload tokens
	etag   [32]byte // K_etag: PRF key, ETags of parts
	wiped  bool
}

// DeriveKeys derives the keys of master, 32 bytes that must not be all zero. It neither keeps nor changes master.
func DeriveKeys(master []byte) (*Keys, error) {
	if len(master) != 32 {
		return nil, fmt.Errorf("cannot derive keys: the master key has %d bytes, want 32", len(master))
	}
	var bits byte
	for _, b := range master {
		bits |= b
	}
	if bits == 0 {
		return nil, errors.New("cannot derive keys: the master key is all zero")
	}
	prk := extract([]byte(saltMaster), master)
	defer clear(prk[:])
	k := new(Keys)
	expand(k.object[:], &prk, []byte(labelObject))
	expand(k.meta[:], &prk, []byte(labelMeta))
	expand(k.token[:], &prk, []byte(labelToken))
	expand(k.etag[:], &prk, []byte(labelETag))
	expand(k.kvt[:], &prk, []byte(labelVerify))
	expand(k.id[:], &prk, []byte(labelKeyID))
	return k, nil
}

// ID returns the public id.
func (k *Keys) ID() KeyID { return k.id }

// KVT returns the public key verification tag: 32 bytes that tell two masters apart even where their ids collide.
func (k *Keys) KVT() [32]byte { return k.kvt }

// Wipe overwrites the secret keys. No other method of k may be running. A Keyring made from k has copies and stays usable.
func (k *Keys) Wipe() {
	clear(k.object[:])
	clear(k.meta[:])
	clear(k.token[:])
	clear(k.etag[:])
	k.wiped = true
}

// Format prints the public id whatever the verb, so that no log line can hold the keys.
func (k Keys) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "format.Keys(%s)", k.id) }

// BlockKeys are the secrets of one block (SPEC.md section 6). They are good for this block alone.
type BlockKeys struct {
	MetaKey   [32]byte
	MetaNonce [24]byte
	Commit    [32]byte
	WrapKey   [32]byte
	WrapNonce [24]byte
}

// Format prints no key, whatever the verb.
func (BlockKeys) Format(f fmt.State, _ rune) { fmt.Fprint(f, "format.BlockKeys(redacted)") }

// MarshalJSON refuses: these keys have no business in a document.
func (BlockKeys) MarshalJSON() ([]byte, error) {
	return nil, errors.New("cannot encode block keys: they are secret")
}

// block derives the keys of the block that begins with head and lies at where.
func (k *Keys) block(head [headSize]byte, where Context) (BlockKeys, error) {
	var buf [maxInfo]byte
	info, err := where.AppendBinary(append(append(buf[:0], labelBlock...), head[:]...))
	if err != nil {
		return BlockKeys{}, err
	}
	var out BlockKeys
	var okm [32 + 24 + 32]byte
	defer clear(okm[:])
	expand(okm[:], &k.meta, info)
	copy(out.MetaKey[:], okm[:32])
	copy(out.MetaNonce[:], okm[32:56])
	copy(out.Commit[:], okm[56:])

	info = append(append(info[:0], labelWrap...), info[len(labelBlock):]...) // the wrap label is the shorter one
	expand(okm[:56], &k.object, info)
	copy(out.WrapKey[:], okm[:32])
	copy(out.WrapNonce[:], okm[32:56])
	return out, nil
}
