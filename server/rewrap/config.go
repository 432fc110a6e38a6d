package rewrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

// Store is what a run needs of an S3 store; *backend.Client is one.
type Store interface {
	reblock.Store
	List(ctx context.Context, bucket string, opt backend.ListOptions) (*backend.Page, error)
	Delete(ctx context.Context, bucket, key string) error
	Relay(ctx context.Context, q backend.Question) (*backend.Reply, error)
}

// Ring is a key ring that tells its keys apart; *format.Keyring is one.
type Ring interface {
	format.Ring
	IDs() []format.KeyID
	KVT(id format.KeyID) ([32]byte, bool)
}

// Config of a Run.
type Config struct {
	Store  Store  // required
	Ring   Ring   // required; should hold every key of the bucket
	Bucket string // required

	// Survey: tell which key each object is under, write nothing.
	Survey bool

	// Parallel is how many objects are in work at once. Zero = 4, at most 256.
	Parallel int

	// Objects is how many objects a second are looked at; zero = as fast as it goes.
	Objects float64
	// Bytes is how many stored bytes a second the store is made to write, be it by
	// copying them itself; zero = no limit.
	Bytes float64

	// Checkpoint names a file that says how far the run came. A run that finds one
	// goes on from there; one that ends its walk removes it. Empty = none; must be
	// empty with Survey.
	Checkpoint string

	// Each, if set, gets every outcome, in the order of the keys.
	Each func(Outcome)

	// Warn, if set, gets what is odd but no outcome: a checkpoint that cannot be
	// written, an upload that cannot be removed.
	Warn func(error)

	clock clock // of the tests
}

func (c *Config) check() error {
	bad := func(text string, args ...any) error {
		return fmt.Errorf("cannot prepare the run: "+text, args...)
	}
	switch {
	case c.Store == nil:
		return bad("Store is nil")
	case c.Ring == nil:
		return bad("Ring is nil")
	case c.Bucket == "":
		return bad("Bucket is empty")
	case c.Parallel < 0 || c.Parallel > maxParallel:
		return bad("Parallel is %d, want 1 to %d", c.Parallel, maxParallel)
	case c.Objects < 0:
		return bad("Objects is negative")
	case c.Bytes < 0:
		return bad("Bytes is negative")
	case c.Survey && c.Checkpoint != "":
		return bad("Checkpoint: a survey has none")
	}
	if c.Parallel == 0 {
		c.Parallel = defaultParallel
	}
	if c.Each == nil {
		c.Each = func(Outcome) {}
	}
	if c.Warn == nil {
		c.Warn = func(error) {}
	}
	if c.clock.now == nil {
		c.clock = clock{time.Now, sleep}
	}
	return nil
}

// The errors that a caller decides on. They arrive wrapped.
var (
	// ErrState: the bucket has no state that opens, or it is another bucket's.
	ErrState = errors.New("the bucket's state cannot be used")
	// ErrKeys: the ring and the bucket's state do not agree.
	ErrKeys = errors.New("the keys are not the bucket's")
	// ErrNotRecorded: the ring's active key is not in the bucket's state yet. A proxy
	// records it when it has the ring and is asked for the bucket.
	ErrNotRecorded = errors.New("the active key is not yet recorded in the bucket")
	// ErrRotated: the bucket's active key changed during the run.
	ErrRotated = errors.New("the bucket's active key changed meanwhile")
	// ErrInUse: objects are under the key, or may be, or it is not one of the bucket's.
	ErrInUse = errors.New("the key cannot be retired")
	// ErrNoConditions: the store does not refuse a write whose condition does not
	// hold, so that no write of ours would be safe.
	ErrNoConditions = errors.New("the store does not honour If-Match")
	// ErrStoreGone: many objects in a row could not be read or written.
	ErrStoreGone = errors.New("the store fails for one object after another")
	// ErrCheckpoint: the checkpoint file cannot be used, or is another run's.
	ErrCheckpoint = errors.New("the checkpoint cannot be used")
)
