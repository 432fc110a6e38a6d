package format

import (
	"errors"
	"fmt"
)

// UploadRing is a Ring that serves multipart uploads as well. Like Ring it is narrow enough for a key agent in another process: what it hands
// out is good for one upload alone. Objects that came of an upload are opened with a plain Ring.
type UploadRing interface {
	Ring
	// UploadKeys returns the keys of the upload whose token bears salt, for the object at where, under the master key id, or ErrKeyUnknown.
	UploadKeys(id KeyID, salt [24]byte, where Context) (UploadKeys, error)
}

// UploadKeys are the secrets of one upload (SPEC.md section 12.2).
type UploadKeys struct {
	TokenKey   [32]byte
	TokenNonce [24]byte
	ETagKey    [32]byte
}

// Format prints no key, whatever the verb.
func (UploadKeys) Format(f fmt.State, _ rune) { fmt.Fprint(f, "format.UploadKeys(redacted)") }

// MarshalJSON refuses: these keys have no business in a document.
func (UploadKeys) MarshalJSON() ([]byte, error) {
	return nil, errors.New("cannot encode upload keys: they are secret")
}

func (k *UploadKeys) wipe() { *k = UploadKeys{} }

// UploadKeys implements UploadRing.
func (r *Keyring) UploadKeys(id KeyID, salt [24]byte, where Context) (UploadKeys, error) {
	k := r.find(id)
	if k == nil || r.wiped {
		return UploadKeys{}, fmt.Errorf("%w: %s", ErrKeyUnknown, id)
	}
	return k.upload(salt, where)
}

// upload derives the keys of one upload.
func (k *Keys) upload(salt [24]byte, where Context) (UploadKeys, error) {
	var out UploadKeys
	var okm [32 + 24]byte
	defer clear(okm[:])
	var buf [maxInfo]byte
	info := append(append(buf[:0], labelToken...), 0)
	info, err := where.AppendBinary(append(info, salt[:]...))
	if err != nil {
		return UploadKeys{}, err
	}
	expand(okm[:], &k.token, info)
	copy(out.TokenKey[:], okm[:32])
	copy(out.TokenNonce[:], okm[32:])

	rest := info[len(labelToken):]
	info = append(append(info[:0], labelETag...), rest...) // the ETag label is the shorter one
	expand(out.ETagKey[:], &k.etag, info)
	return out, nil
}
