package format

import (
	"encoding/hex"
	"fmt"
)

// BucketID is the random identity of a bucket, from its sealed state. It is not the bucket's name, so a bucket may be renamed or replicated.
type BucketID [16]byte

// String returns 32 hex digits.
func (b BucketID) String() string { return hex.EncodeToString(b[:]) }

// Context is the place of an object: bucket and key. Every key of the object's block depends on it, so a block opens nowhere else. The zero
// Context is refused everywhere.
type Context struct {
	bucket BucketID
	key    string
}

// NewContext makes the Context of the object key (1 to MaxKeySize bytes, taken as they are) in bucket. It refuses the all-zero bucket, which
// stands for the bucket state and would otherwise be what a caller gets who forgot to read it, and refuses StateKey in any other bucket.
func NewContext(bucket BucketID, key string) (Context, error) {
	switch {
	case bucket == BucketID{}:
		return Context{}, fmt.Errorf("cannot name object: the all-zero bucket id is reserved for the bucket state")
	case key == "":
		return Context{}, fmt.Errorf("cannot name object: its key is empty")
	case len(key) > MaxKeySize:
		return Context{}, fmt.Errorf("cannot name object: its key has %d bytes, more than %d", len(key), MaxKeySize)
	case key == StateKey:
		return Context{}, fmt.Errorf("cannot name object: %s is reserved for the bucket state", StateKey)
	}
	return Context{bucket: bucket, key: key}, nil
}

// stateContext is the place of every bucket state: all-zero bucket id, StateKey.
func stateContext() Context { return Context{key: StateKey} }

// ParseContext reads what AppendBinary wrote, the place of a bucket state included: it is for whoever derives keys for another process, never
// for what a client names.
func ParseContext(b []byte) (Context, error) {
	const fixed = len(BucketID{}) + 2
	if len(b) < fixed || int(b[fixed-2])<<8|int(b[fixed-1]) != len(b)-fixed {
		return Context{}, fmt.Errorf("cannot parse context: %d bytes are not one", len(b))
	}
	if c := stateContext(); BucketID(b) == c.bucket && string(b[fixed:]) == c.key {
		return c, nil
	}
	return NewContext(BucketID(b), string(b[fixed:]))
}

// Bucket returns the bucket id; all zero for the bucket state.
func (c Context) Bucket() BucketID { return c.bucket }

// Key returns the object key.
func (c Context) Key() string { return c.key }

// AppendBinary appends CTX of SPEC.md section 5: bucket id, u16 length of the key, key. A Ring that derives keys elsewhere needs these bytes.
func (c Context) AppendBinary(b []byte) ([]byte, error) {
	if c.key == "" {
		return b, fmt.Errorf("cannot encode context: it was not made by NewContext")
	}
	b = append(b, c.bucket[:]...)
	b = append(b, byte(len(c.key)>>8), byte(len(c.key)))
	return append(b, c.key...), nil
}
