package format

import (
	"errors"
	"fmt"
)

// What a client's own input can be refused for. None of it says anything about stored bytes.
var (
	// ErrUpload: the token is not one of ours, or of another bucket or key (S3: NoSuchUpload).
	ErrUpload = errors.New("not an upload of this object")
	// ErrPart: the ETag does not belong to this part of this upload (S3: InvalidPart).
	ErrPart = errors.New("not a part of this upload")
	// ErrPartList: a list of no parts, or of more than MaxParts (S3: MalformedXML).
	ErrPartList = errors.New("list of parts is empty or too long")
	// ErrPartOrder: part numbers that are not strictly ascending (S3: InvalidPartOrder).
	ErrPartOrder = errors.New("parts are not in ascending order")
	// ErrPartNumber: a part number outside 1 … MaxParts (S3: InvalidArgument).
	ErrPartNumber = errors.New("part number is out of range")
	// ErrPartTooSmall: a part below MinPartSize that is not the last one (S3: EntityTooSmall).
	ErrPartTooSmall = errors.New("part is too small")
	// ErrTooLarge: a part above MaxPartSize, or an object above MaxPlainSize (S3: EntityTooLarge).
	ErrTooLarge = errors.New("part or object is too large")
)

// PartError says which part an error is about. Size is set for ErrPartTooSmall and ErrTooLarge.
type PartError struct {
	Number int
	Size   int64
	Err    error
}

func (e *PartError) Error() string {
	if e.Size != 0 {
		return fmt.Sprintf("part %d of %d bytes: %s", e.Number, e.Size, e.Err)
	}
	return fmt.Sprintf("part %d: %s", e.Number, e.Err)
}

// Unwrap returns the sentinel.
func (e *PartError) Unwrap() error { return e.Err }
