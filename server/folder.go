package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Many clients make folders: empty objects whose names end in a slash. A sealed object is
// never empty, and a store made of files keeps no content under such a name. There, and
// only there, the block is stored as user metadata of an empty object (SPEC.md section 21).

// noContent are the codes of stores that refuse content under a name that ends in a slash.
var noContent = []string{"DirectoryObjectContainsData"}

// refusesContent says whether the backend refused a write because a folder has no content.
func refusesContent(key string, err error) bool {
	var e *backend.Error
	return format.FolderKey(key) && errors.As(err, &e) && slices.Contains(noContent, e.Code)
}

// putFolder stores the sealed empty object that body is, and that the backend has just
// refused, as a folder marker. name is the key as it is stored. An object with content is
// refused as it was.
func (f *fence) putFolder(ctx context.Context, bucket, key, name string, body io.ReadSeeker, size int64, cond backend.Conditions, refusal error) (made backend.Written, err error) {
	if size > maxEmpty {
		return made, refusal
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return made, fmt.Errorf("cannot read a sealed object again: %w", err)
	}
	object := make([]byte, size)
	if _, err := io.ReadFull(body, object); err != nil {
		return made, fmt.Errorf("cannot read a sealed object again: %w", err)
	}
	h, err := format.ParseHeader(object)
	if err != nil || h.Class != format.ClassStream || size != format.SealedSize(h.BlockSize, 0) {
		return made, refusal
	}
	at, err := format.NewContext(f.id, key)
	if err != nil {
		return made, err
	}
	block, err := format.FolderBlock(&boundRing{f.ring, h.KeyID}, at, object[:h.BlockSize])
	if errors.Is(err, format.ErrMetadataTooLarge) {
		return made, s3err.New(s3err.MetadataTooLarge, "the backend keeps folders without content, which have room for 874 bytes of metadata")
	}
	if err != nil {
		return made, err
	}
	cond.BlockHint = backend.Hint(block)
	empty := &fencedSeeker{ReadSeeker: newBytesReader(nil), ctx: ctx, fence: f}
	made, err = f.gate.backend.Put(ctx, bucket, name, empty, 0, cond)
	if err != nil && empty.gone != nil {
		return backend.Written{}, empty.gone
	}
	// All markers have one ETag, so none could be withdrawn by it alone.
	known, err := f.done(ctx, bucket, name, backend.Written{Version: made.Version}, err)
	if err != nil {
		return known, err
	}
	return made, nil
}

// maxEmpty is the length of the longest sealed empty object.
const maxEmpty = format.MaxBlockSize + format.TagSize

// openFolder opens the block beside an object without content, which a HEAD, or a GET of
// all of it, has told. On an error of the sealed data itself o is returned, as openObject does.
func (b *bucket) openFolder(ctx context.Context, ring Keyring, at format.Context, o *stored, block []byte) (*stored, error) {
	opener, err := format.OpenFolder(ring, at, block)
	if err != nil {
		return o, b.judge(ctx, err)
	}
	o.opener, o.block, o.folder = opener, block, true
	return o, nil
}

// copyFolder copies a folder marker, of which there is nothing to move: an empty object is
// sealed anew, and becomes a marker only where it must.
func (c *copying) copyFolder(ring Keyring, dst *bucket, from, to format.Context, obj *backend.Object) (made backend.Written, err error) {
	opener, err := format.OpenFolder(ring, from, obj.Hint)
	if err != nil {
		return made, err
	}
	meta := opener.Meta()
	c.change(&meta)
	if err := c.held(obj.ETag, obj.LastModified); err != nil {
		return made, err
	}
	sealer, err := format.NewSealer(dst.sealing(ring), to, meta, format.SealOptions{Suite: c.s.suite, BlockSize: dst.blockSize, Padded: dst.padded})
	if err != nil {
		return made, err
	}
	object := make([]byte, sealer.SealedSize())
	n := copy(object, sealer.Block())
	segmentSealer(sealer).SealInPlace(object[n:], 0, 0)
	cond := backend.Conditions{IfNoneMatch: c.r.createsOnly(), Attributes: c.with}
	if c.s.blockHint {
		cond.BlockHint = backend.Hint(sealer.Block())
	}
	return dst.Put(c.r.ctx, c.r.bucket, c.r.key, newBytesReader(object), int64(len(object)), cond)
}
