//go:build integration

package integration

import (
	"fmt"
	"os"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// opener opens stored files with package format alone: no proxy, no backend.
type opener struct {
	ring   *format.Keyring
	bucket format.BucketID
	block  int
	namer  *format.Namer // nil where names are not sealed
}

// offline reads the bucket's state from the backend's directory.
func (w *world) offline() (*opener, error) {
	var keys *format.Keys
	var err error
	if uerr := w.master.Use(func(master []byte) { keys, err = format.DeriveKeys(master) }); uerr != nil {
		return nil, uerr
	}
	if err != nil {
		return nil, err
	}
	o := &opener{}
	if o.ring, err = format.NewKeyring(keys); err != nil {
		return nil, err
	}
	object, err := os.ReadFile(w.stored(format.StateKey))
	if err != nil {
		return nil, err
	}
	st, err := format.OpenState(o.ring, object)
	if err != nil {
		return nil, fmt.Errorf("the bucket's state: %w", err)
	}
	o.bucket, o.block = st.BucketID, st.Settings.BlockSize
	if st.Settings.NameEncryption {
		o.namer, err = format.NewNamer(st.BucketID, st.NameKey)
	}
	return o, err
}

// name is the key under which the backend keeps an object.
func (w *world) name(t *testing.T, key string) string {
	t.Helper()
	o, err := w.offline()
	must(t, err)
	if o.namer == nil {
		return key
	}
	sealed, err := o.namer.Seal(key)
	must(t, err)
	return sealed
}

// open returns the plain bytes of a stored file, all of it checked.
func (o *opener) open(file, key string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	where, err := format.NewContext(o.bucket, key)
	if err != nil {
		return nil, err
	}
	if len(b) < o.block {
		return nil, fmt.Errorf("%s has %d bytes: less than a block", key, len(b))
	}
	op, err := format.OpenBlock(o.ring, where, b[:o.block], int64(len(b)))
	if err != nil {
		return nil, err
	}
	body, filler := b[o.block:], format.Filler(op.PlainSize())
	segments, tail := body[:int64(len(body))-filler], body[int64(len(body))-filler:]
	if err := op.OpenInPlace(segments, 0); err != nil {
		return nil, err
	}
	if err := op.CheckFiller(tail, 0); err != nil {
		return nil, err
	}
	plain := make([]byte, 0, op.PlainSize())
	for len(segments) > 0 {
		n := min(len(segments), format.Stride)
		plain = append(plain, segments[:n-format.TagSize]...)
		segments = segments[n:]
	}
	return plain, nil
}
