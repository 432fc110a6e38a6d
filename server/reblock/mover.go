package reblock

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

var (
	// ErrSourceChanged: the source is not, or no longer, the object that the block
	// was read from. Nothing was written.
	ErrSourceChanged = errors.New("the source changed while it was moved")
	// ErrNoETag: the store gave the source no ETag, so that the pieces of it cannot
	// be bound together.
	ErrNoETag = errors.New("the store gave the source no ETag")
)

// Store is what a move needs of an S3 store; *backend.Client is one.
type Store interface {
	Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error)
	Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error)
	CreateUploadWith(ctx context.Context, bucket, key string, with backend.Attributes) (id string, err error)
	UploadPart(ctx context.Context, bucket, key, id string, n int, body io.ReadSeeker, size int64) (etag string, err error)
	CopyPart(ctx context.Context, bucket, key, id string, n int, source backend.CopySource, r backend.Range) (etag string, err error)
	CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (backend.Written, error)
	AbortUpload(ctx context.Context, bucket, key, id string) error
}

// Config of a Mover.
type Config struct {
	Store Store // required

	// Whole: objects of up to this many stored bytes pass through memory. Zero =
	// 16 MiB; at least 10 MiB and 4 KiB.
	Whole int64

	// Hint: a block that fits is stored as user metadata, too.
	Hint bool

	// Reserve, if set, is asked before a move takes n bytes of memory; release is
	// called when they are free again.
	Reserve func(ctx context.Context, n int64) (release func(), err error)

	// Spend, if set, is called before the store is made to write n bytes: a rate
	// limit waits there.
	Spend func(ctx context.Context, n int64) error

	// Left, if set, gets the error of an upload that could not be removed. The
	// store's lifecycle rules remove such.
	Left func(err error)
}

// Mover moves bodies. Make it with New.
type Mover struct{ cfg Config }

// New checks a Config; the error names the bad field.
func New(cfg Config) (*Mover, error) {
	if cfg.Store == nil {
		return nil, errors.New("cannot make a mover: Store is nil")
	}
	if cfg.Whole == 0 {
		cfg.Whole = defaultWhole
	}
	if cfg.Whole < minWhole {
		return nil, fmt.Errorf("cannot make a mover: Whole is %d, less than %d", cfg.Whole, int64(minWhole))
	}
	if cfg.Reserve == nil {
		cfg.Reserve = func(context.Context, int64) (func(), error) { return func() {}, nil }
	}
	if cfg.Spend == nil {
		cfg.Spend = func(context.Context, int64) error { return nil }
	}
	if cfg.Left == nil {
		cfg.Left = func(error) {}
	}
	return &Mover{cfg}, nil
}

// Source is a stored object whose block was read.
type Source struct {
	Bucket, Key string
	Size        int64  // stored bytes, block included
	BlockSize   int    // bytes of its block
	ETag        string // quoted, of the answer that the block came from
	Version     string // to be read; empty: the current one
	// Body gives the bytes behind the block, from the same answer; nil: they are
	// fetched. Move closes it.
	Body io.ReadCloser
}

// Destination is where the body goes, and what stands in front of it there.
type Destination struct {
	Bucket, Key string
	Block       []byte             // from format.Reblock; not changed
	Cond        backend.Conditions // of the write that makes the object
}

// Move makes the object and returns what the store calls it. Errors: ErrSourceChanged,
// ErrNoETag, those of Config's functions, and the store's: Precondition if
// Destination.Cond does not hold. After any other error of the store the
// destination is as it was, or is the whole new object.
func (m *Mover) Move(ctx context.Context, from Source, to Destination) (w backend.Written, err error) {
	defer func() {
		if from.Body != nil {
			from.Body.Close()
		}
	}()
	if _, ok := format.PlainSize(from.BlockSize, from.Size); !ok {
		return w, fmt.Errorf("cannot move: %w: no sealed object has %d bytes", format.ErrForeign, from.Size)
	}
	if from.ETag == "" && (from.Body == nil || from.Size > m.cfg.Whole) {
		return w, fmt.Errorf("cannot move: %w", ErrNoETag)
	}
	if m.cfg.Hint {
		to.Cond.BlockHint = backend.Hint(to.Block)
	}
	length := from.Size - int64(from.BlockSize)
	if from.Size > m.cfg.Whole {
		length = minPart
	}
	release, err := m.cfg.Reserve(ctx, length)
	if err != nil {
		return w, err
	}
	defer release()
	if from.Body == nil {
		if from.Body, err = m.fetch(ctx, from, length); err != nil {
			return w, err
		}
	}
	front := make([]byte, int64(len(to.Block))+length)
	copy(front, to.Block)
	if _, err := io.ReadFull(from.Body, front[len(to.Block):]); err != nil {
		return w, err
	}
	if from.Size > m.cfg.Whole {
		from.Body.Close() // the rest never comes here
		return m.parts(ctx, from, to, pieces{front: front, first: int64(from.BlockSize) + minPart, last: from.Size})
	}
	return m.whole(ctx, to, front)
}

// MoveTail is Move for a multipart object (SPEC.md section 12): its block is its tail,
// the last BlockSize bytes, and Destination.Block is from format.ReblockTail. The store
// itself copies all that is before it, whatever its size, so Source.Body is not used.
func (m *Mover) MoveTail(ctx context.Context, from Source, to Destination) (w backend.Written, err error) {
	last := from.Size - int64(from.BlockSize)
	if _, ok := format.PlainSize(from.BlockSize, from.Size); !ok || last < minPart {
		return w, fmt.Errorf("cannot move: %w: no multipart object has %d bytes", format.ErrForeign, from.Size)
	}
	if from.ETag == "" {
		return w, fmt.Errorf("cannot move: %w", ErrNoETag)
	}
	return m.parts(ctx, from, to, pieces{last: last, back: to.Block})
}

// fetch opens the first bytes behind the block, of the same object or not at all.
func (m *Mover) fetch(ctx context.Context, from Source, length int64) (io.ReadCloser, error) {
	first := int64(from.BlockSize)
	obj, err := m.cfg.Store.Get(ctx, from.Bucket, from.Key, backend.GetOptions{Range: &backend.Range{First: first, Last: first + length - 1}, IfMatch: from.ETag, Version: from.Version})
	if backend.KindOf(err) == backend.Precondition || errors.Is(err, backend.ErrRange) {
		return nil, fmt.Errorf("cannot move: %w: %w", ErrSourceChanged, err)
	}
	if err != nil {
		return nil, err
	}
	// Not every store honours a condition on a read.
	if obj.Size != from.Size || obj.ETag != from.ETag || obj.Length != length {
		obj.Body.Close()
		return nil, fmt.Errorf("cannot move: %w", ErrSourceChanged)
	}
	return obj.Body, nil
}
