package server

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// nameStore is the backend as the verbs see it: they name objects as clients do, and
// what goes out is the stored name (SPEC.md section 18), where the bucket's state says
// that its names are sealed. It is the one place where names are mapped; it embeds
// nothing, so that no call which is added to store can go past it; the calls that make
// objects are the fence's (fence.go), which knows the bucket that they are sealed for.
//
// The gate knows how a bucket names its objects, from the state that every verb opens
// before it names one; what nobody opened is not passed on. The proxy's own objects
// are called the same on both sides.
type nameStore struct {
	store     Backend // as cfg.Backend; the gate uses it directly
	gate      *gate
	unnamable *metrics.Counter // stored names in listings that nobody sealed
}

var _ store = (*nameStore)(nil)

// names gives the bucket that says how its objects are named; without a namer, they are
// stored as they are.
func (g *gate) names(name string) (*bucket, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e := g.buckets[name]
	switch {
	case e == nil: // the bucket is gone, or was never there
	case e.last != nil:
		return e.last, nil
	case e.fresh && g.seals.has(name):
		return nil, errFreshNames
	case e.fresh:
		return &bucket{fresh: true}, nil
	}
	return nil, &backend.Error{Kind: backend.Busy, Op: "open"}
}

// standing is names for what finds nothing by the names of a bucket that was made anew
// meanwhile, and would call that an answer: whoever asks by them must know that the
// bucket stands.
func (n *nameStore) standing(ctx context.Context, name string) (*bucket, error) {
	b, err := n.gate.names(name)
	if err != nil {
		return nil, err
	}
	return b, n.gate.renamed(ctx, name, b)
}

// renamed returns nil if a bucket's names are still those of b.
func (g *gate) renamed(ctx context.Context, name string, b *bucket) error {
	if b == nil || b.namer == nil || b.fenced == nil {
		return nil
	}
	err := b.stands(ctx)
	if errors.Is(err, errClosing) { // it may be read, if it is the same
		if now, _ := g.names(name); now != nil && now.id == b.id {
			return nil
		}
		return errReplaced
	}
	return err
}

// absent holds a proof that an object is not there to the names that it was asked for by.
func (n *nameStore) absent(ctx context.Context, bucket string, by *bucket, err error) error {
	if backendKind(err) != backend.NotFound {
		return err
	}
	if gone := n.gate.renamed(ctx, bucket, by); gone != nil {
		return gone
	}
	return err
}

// errFreshNames: the bucket is empty, and what will seal its names does not exist yet.
// So no object does, and its name must not be told.
var errFreshNames = &backend.Error{Kind: backend.NotFound, Op: "open"}

// stored is the name under which an object lies at the backend.
func (n *nameStore) stored(bucket, key string) (string, error) {
	name, _, err := n.storedBy(bucket, key)
	return name, err
}

// storedBy is stored, and the bucket that says so: nil for the proxy's own objects.
func (n *nameStore) storedBy(bucket, key string) (string, *bucket, error) {
	if own(key) {
		return key, nil, nil
	}
	b, err := n.gate.names(bucket)
	if err != nil || b.namer == nil {
		return key, b, err
	}
	name, err := sealName(b.namer, key)
	return name, b, err
}

func sealName(namer *format.Namer, key string) (string, error) {
	stored, err := namer.Seal(key)
	if errors.Is(err, format.ErrNameTooLong) {
		return "", s3err.Wrap(s3err.KeyTooLongError, err, "the key is too long for this bucket, whose names are sealed: in a third more bytes, and 22 for each part between slashes, it must fit 1,024")
	}
	return stored, err
}

// own says whether a name is the proxy's: of the state, or of something staged. No
// client can name such an object.
func own(key string) bool { return strings.HasPrefix(key, format.ReservedPrefix) }

func (n *nameStore) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	name, by, err := n.storedBy(bucket, key)
	if err != nil {
		return nil, err
	}
	obj, err := n.store.Get(ctx, bucket, name, opt)
	return obj, n.absent(ctx, bucket, by, err)
}

func (n *nameStore) Head(ctx context.Context, bucket, key string) (*backend.Object, error) {
	name, by, err := n.storedBy(bucket, key)
	if err != nil {
		return nil, err
	}
	obj, err := n.store.Head(ctx, bucket, name)
	return obj, n.absent(ctx, bucket, by, err)
}

func (n *nameStore) HeadVersion(ctx context.Context, bucket, key, version string) (*backend.Object, error) {
	name, by, err := n.storedBy(bucket, key)
	if err != nil {
		return nil, err
	}
	obj, err := n.store.HeadVersion(ctx, bucket, name, version)
	return obj, n.absent(ctx, bucket, by, err)
}

func (n *nameStore) Delete(ctx context.Context, bucket, key string) error {
	_, err := n.DeleteWith(ctx, bucket, key, backend.DeleteOptions{})
	return err
}

func (n *nameStore) DeleteWith(ctx context.Context, bucket, key string, with backend.DeleteOptions) (backend.Deleted, error) {
	name, by, err := n.storedBy(bucket, key)
	if errors.Is(err, errFreshNames) {
		return backend.Deleted{}, nil // as of every key that is not there
	}
	if err == nil {
		err = n.gate.renamed(ctx, bucket, by)
	}
	if err != nil {
		return backend.Deleted{}, err
	}
	with, release, err := n.gate.emulated.remove(ctx, n.store, bucket, name, with)
	if err != nil {
		return backend.Deleted{}, err
	}
	defer release()
	return n.store.DeleteWith(ctx, bucket, name, with)
}

func (n *nameStore) DeleteMany(ctx context.Context, bucket string, keys []string) ([]backend.DeleteResult, error) {
	ids := make([]backend.ObjectID, len(keys))
	for i, k := range keys {
		ids[i].Key = k
	}
	return n.DeleteManyWith(ctx, bucket, ids, backend.DeleteOptions{})
}

// DeleteManyWith answers in the order of ids, under the names they were given. A key
// that is too long to be sealed fails alone.
func (n *nameStore) DeleteManyWith(ctx context.Context, bucket string, ids []backend.ObjectID, with backend.DeleteOptions) ([]backend.DeleteResult, error) {
	results := make([]backend.DeleteResult, len(ids))
	var sent []backend.ObjectID
	var at []int // of sent, in results
	for i, id := range ids {
		results[i].ObjectID = id
		name, by, err := n.storedBy(bucket, id.Key)
		if err == nil {
			err = n.gate.renamed(ctx, bucket, by)
		}
		var long *s3err.Error
		switch {
		case errors.Is(err, errFreshNames):
		case errors.As(err, &long):
			results[i].Err = err
		case err != nil:
			return nil, err
		default:
			sent, at = append(sent, backend.ObjectID{Key: name, Version: id.Version}), append(at, i)
		}
	}
	if len(sent) == 0 {
		return results, nil
	}
	release, err := n.gate.emulated.removeMany(ctx, bucket, sent)
	if err != nil {
		return nil, err
	}
	defer release()
	done, err := n.store.DeleteManyWith(ctx, bucket, sent, with)
	if err != nil {
		return nil, err
	}
	if len(done) != len(sent) {
		return nil, &backend.Error{Kind: backend.Busy, Op: "DeleteObjects"}
	}
	for i, x := range done {
		x.ObjectID = ids[at[i]]
		results[at[i]] = x
	}
	return results, nil
}

func (n *nameStore) Buckets(ctx context.Context) ([]backend.Bucket, error) {
	return n.store.Buckets(ctx)
}

func (n *nameStore) HeadBucket(ctx context.Context, bucket string) error {
	return n.store.HeadBucket(ctx, bucket)
}

func (n *nameStore) DeleteBucket(ctx context.Context, bucket string) error {
	return n.store.DeleteBucket(ctx, bucket)
}

func (n *nameStore) CreateBucket(ctx context.Context, bucket string, opt backend.BucketOptions) error {
	return n.store.CreateBucket(ctx, bucket, opt)
}

func (n *nameStore) CreateUpload(ctx context.Context, bucket, key string) (string, error) {
	return n.CreateUploadWith(ctx, bucket, key, backend.Attributes{})
}

func (n *nameStore) CreateUploadWith(ctx context.Context, bucket, key string, with backend.Attributes) (string, error) {
	name, err := n.stored(bucket, key)
	if err != nil {
		return "", err
	}
	return n.store.CreateUploadWith(ctx, bucket, name, with)
}

func (n *nameStore) UploadPart(ctx context.Context, bucket, key, id string, number int, body io.ReadSeeker, size int64) (string, error) {
	name, err := n.stored(bucket, key)
	if err != nil {
		return "", err
	}
	return n.store.UploadPart(ctx, bucket, name, id, number, body, size)
}

func (n *nameStore) StreamPart(ctx context.Context, bucket, key, id string, number int, body io.Reader, size int64) (string, error) {
	name, err := n.stored(bucket, key)
	if err != nil {
		return "", err
	}
	return n.store.StreamPart(ctx, bucket, name, id, number, body, size)
}

func (n *nameStore) CopyPart(ctx context.Context, bucket, key, id string, number int, source backend.CopySource, r backend.Range) (string, error) {
	name, err := n.stored(bucket, key)
	if err != nil {
		return "", err
	}
	if source.Key, err = n.stored(source.Bucket, source.Key); err != nil {
		return "", err
	}
	return n.store.CopyPart(ctx, bucket, name, id, number, source, r)
}

func (n *nameStore) Parts(ctx context.Context, bucket, key, id string, after, most int) (*backend.PartPage, error) {
	name, err := n.stored(bucket, key)
	if err != nil {
		return nil, err
	}
	return n.store.Parts(ctx, bucket, name, id, after, most)
}

func (n *nameStore) AbortUpload(ctx context.Context, bucket, key, id string) error {
	name, err := n.stored(bucket, key)
	if err != nil {
		return err
	}
	return n.store.AbortUpload(ctx, bucket, name, id)
}

// Relay asks about the stored name. A refusal speaks of the name that was asked for.
func (n *nameStore) Relay(ctx context.Context, q backend.Question) (*backend.Reply, error) {
	if q.Key == "" {
		return n.store.Relay(ctx, q)
	}
	key := q.Key
	name, by, err := n.storedBy(q.Bucket, key)
	if err == nil {
		err = n.gate.renamed(ctx, q.Bucket, by)
	}
	if err != nil {
		return nil, err
	}
	q.Key = name
	reply, err := n.store.Relay(ctx, q)
	if err == nil && q.Key != key {
		reply.Message = strings.ReplaceAll(reply.Message, q.Key, key)
	}
	return reply, err
}

func (n *nameStore) Connections() int64 { return n.store.Connections() }
