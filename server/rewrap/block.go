package rewrap

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

// block is what names the key of a stored object: its block, or the tail of one that
// was uploaded in parts.
type block struct {
	obj    *backend.Object // its body is closed
	block  []byte
	head   []byte // first bytes of a multipart object, nil of any other
	folder bool   // a folder marker: the block is from beside it
}

// multipart says that the block is a tail.
func (b *block) multipart() bool { return b.head != nil }

// open authenticates the block and returns the key that it is under.
func (b *block) open(ring format.Ring, where format.Context) (format.KeyID, error) {
	if b.multipart() {
		t, err := format.OpenTail(ring, where, b.head, b.block, b.obj.Size)
		if err != nil {
			return format.KeyID{}, err
		}
		return t.KeyID(), nil
	}
	if b.folder {
		o, err := format.OpenFolder(ring, where, b.block)
		if err != nil {
			return format.KeyID{}, err
		}
		return o.KeyID(), nil
	}
	o, err := format.OpenBlock(ring, where, b.block, b.obj.Size)
	if err != nil {
		return format.KeyID{}, err
	}
	return o.KeyID(), nil
}

// reblock makes the block under the ring's active key, at the same place.
func (b *block) reblock(ring format.Ring, where format.Context) ([]byte, error) {
	if b.multipart() {
		return format.ReblockTail(ring, where, where, b.head, b.block, b.obj.Size, nil, 0)
	}
	return format.Reblock(ring, where, where, b.block, b.obj.Size, nil, 0)
}

// readBlock fetches what should be an object's block, of its current version if
// version is empty. ErrSourceChanged: it is another object meanwhile. ErrUnsupported:
// it begins as a multipart object and is none by its size; then obj is set.
func (r *Run) readBlock(ctx context.Context, key, version string) (block, error) {
	size := int64(r.state.Settings.BlockSize)
	obj, front, err := r.read(ctx, key, backend.GetOptions{Version: version, Range: &backend.Range{First: 0, Last: size - 1}})
	if errors.Is(err, backend.ErrRange) && format.FolderKey(key) {
		return r.readFolder(ctx, key, version)
	}
	if err != nil {
		return block{}, err
	}
	h, err := format.ParseHeader(front)
	if err != nil || h.Class != format.ClassPart {
		return block{obj: obj, block: front}, nil
	}
	b := block{obj: obj, head: front[:partHeader]}
	if _, _, ok := format.EndSpan(int(size), obj.Size); !ok {
		return b, fmt.Errorf("%w: multipart object of %d stored bytes", format.ErrUnsupported, obj.Size)
	}
	end, tail, err := r.read(ctx, key, backend.GetOptions{Version: version, Range: &backend.Range{First: obj.Size - size, Last: obj.Size - 1}, IfMatch: obj.ETag})
	switch {
	case backend.KindOf(err) == backend.Precondition || errors.Is(err, backend.ErrRange):
		return b, fmt.Errorf("%w: %w", reblock.ErrSourceChanged, err)
	case err != nil:
		return b, err
	case end.Size != obj.Size || end.ETag != obj.ETag || int64(len(tail)) != size:
		return b, reblock.ErrSourceChanged // not every store honours a condition on a read
	}
	b.block = tail
	return b, nil
}

// readFolder fetches an object of no bytes with the block beside it. ErrRange: there is none.
func (r *Run) readFolder(ctx context.Context, key, version string) (block, error) {
	obj, err := r.cfg.Store.Get(ctx, r.cfg.Bucket, key, backend.GetOptions{Version: version})
	if err != nil {
		return block{}, err
	}
	obj.Body.Close()
	if obj.Size != 0 {
		return block{obj: obj}, reblock.ErrSourceChanged
	}
	if len(obj.Hint) == 0 {
		return block{}, backend.ErrRange
	}
	return block{obj: obj, block: obj.Hint, folder: true}, nil
}

// read fetches a range of some bytes and closes the object.
func (r *Run) read(ctx context.Context, key string, opt backend.GetOptions) (*backend.Object, []byte, error) {
	obj, err := r.cfg.Store.Get(ctx, r.cfg.Bucket, key, opt)
	if err != nil {
		return nil, nil, err
	}
	defer obj.Body.Close()
	b := make([]byte, min(opt.Range.Last-opt.Range.First+1, obj.Length))
	if _, err := io.ReadFull(obj.Body, b); err != nil {
		return nil, nil, err
	}
	return obj, b, nil
}
