package server

import (
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Padding (SPEC.md section 19) hides sizes within classes. What cannot be padded is
// refused in a bucket that promises it, rather than stored with its size.

// errPaddedParts: the backend sees the size of every part as it comes.
var errPaddedParts = s3err.New(s3err.NotImplemented, "this bucket hides the sizes of objects, which an upload in parts would show: send the object with one PUT, by raising the client's multipart threshold")

// paddedAlike refuses a copy into a bucket of other padding. A copy keeps the sealed
// body, and with it its size.
func paddedAlike(block []byte, to *bucket) error {
	h, err := format.ParseHeader(block)
	if err != nil || h.Padded() == to.padded {
		return nil // what does not parse is refused by who opens it
	}
	return s3err.New(s3err.NotImplemented, "of the source and the bucket of the copy, one hides the sizes of objects: read the object and write it")
}

// zeroes gives zero bytes without end.
type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
