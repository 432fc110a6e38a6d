package format

import (
	"errors"
	"fmt"
)

// Each error is one decision of the caller. They arrive wrapped; test with errors.Is. None of them, nor the text around them, holds key
// material, plaintext or an object name.
var (
	// ErrNoKey: the ring has no active key, so nothing can be sealed. A key may still be delivered: answer "unavailable".
	ErrNoKey = errors.New("no active key")
	// ErrKeyUnknown: the block names a key that the ring does not hold. A key may still be delivered: answer "unavailable".
	ErrKeyUnknown = errors.New("key is not in the keyring")
	// ErrForeign: a size that this format never produces.
	ErrForeign = errors.New("size is foreign to the format")
	// ErrNotSealed: the object does not begin with the magic. It is never passed through.
	ErrNotSealed = errors.New("object is not sealed")
	// ErrVersion: another version of the format (1 is the retired predecessor).
	ErrVersion = errors.New("format version is not supported")
	// ErrUnsupported: version 2, but a class, suite, segment size, flag, metadata entry or bucket setting that this implementation refuses.
	ErrUnsupported = errors.New("format feature is not supported")
	// ErrCommit: other bucket, other object key, other master key, or an edited block.
	ErrCommit = errors.New("key commitment does not match")
	// ErrIntegrity: stored bytes are not what was sealed.
	ErrIntegrity = errors.New("integrity check failed")
	// ErrMetadataTooLarge: the metadata does not fit the bucket's block size.
	ErrMetadataTooLarge = errors.New("metadata does not fit the object block")
	// ErrMetadataInvalid: metadata that no block may carry, such as a control byte in a header value.
	ErrMetadataInvalid = errors.New("metadata is invalid")
	// ErrRange: a plain range that is empty or leaves the object.
	ErrRange = errors.New("range is not within the object")
	// ErrName: a stored name that was not sealed in this bucket, or not in this place of it.
	ErrName = errors.New("not a sealed name of this bucket")
	// ErrNameTooLong: a name that S3 could take in the clear, but not sealed.
	ErrNameTooLong = errors.New("the sealed name is too long")
)

// SizeError is the ErrIntegrity of a block that is authentic and was sealed for an object of another size: the object was cut, or something was
// added to it.
type SizeError struct{ Stored, Sealed int64 } // bytes: as the backend tells it, as the block does

func (e *SizeError) Error() string {
	return fmt.Sprintf("%v: object of %d stored bytes, sealed with %d", ErrIntegrity, e.Stored, e.Sealed)
}

// Unwrap returns ErrIntegrity.
func (e *SizeError) Unwrap() error { return ErrIntegrity }
