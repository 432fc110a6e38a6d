package pbs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Datastore is PBS's side of one datastore on S3: the local markers of chunks it believes stored, and the local tree
// of snapshots, which alone say what is alive.
type Datastore struct {
	Client *Client
	Name   string
	// Concurrency is the most PUTs in flight during a backup and the most GETs during a restore; 0 = 16, as PVE uses.
	Concurrency int
	// OnChunk, if set, is called after each chunk stored or restored, with its plain bytes; from many goroutines.
	OnChunk func(plain int)
	// Listed is what a listing says of an object of size bytes; nil = its size. PBS does not look; a refresh here does.
	Listed func(size int64) int64
	// Now is the clock of marker ages; nil = time.Now.
	Now func() time.Time

	mu      sync.Mutex
	markers map[Digest]time.Time // chunks with a local marker, and when it was last touched
	tree    map[string][]byte    // the local cache of <store>/.cnt/: path below it -> content
}

// Snapshot names one backup.
type Snapshot struct {
	Type string // vm, ct or host
	ID   string
	Time time.Time
}

// Dir is the snapshot's directory below .cnt/, with its trailing slash.
func (s Snapshot) Dir() string {
	return s.Type + "/" + s.ID + "/" + s.Time.UTC().Format("2006-01-02T15:04:05Z") + "/"
}

const (
	manifestName = "index.json.blob"
	inUse        = ".in-use"
)

func (d *Datastore) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

func (d *Datastore) concurrency() int {
	if d.Concurrency > 0 {
		return d.Concurrency
	}
	return 16
}

// ChunkKey is the key of a chunk's object.
func (d *Datastore) ChunkKey(c Digest) string {
	hex := c.String()
	return d.Name + "/.chunks/" + hex[:4] + "/" + hex
}

// contentKey is the key of an object of the snapshot tree.
func (d *Datastore) contentKey(path string) string { return d.Name + "/.cnt/" + path }

func (d *Datastore) marked(c Digest) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.markers[c]
	return ok
}

func (d *Datastore) mark(c Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.markers == nil {
		d.markers = map[Digest]time.Time{}
	}
	d.markers[c] = d.now()
}

func (d *Datastore) unmark(c Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.markers, c)
}

// keep puts an object into the local tree.
func (d *Datastore) keep(path string, content []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tree == nil {
		d.tree = map[string][]byte{}
	}
	d.tree[path] = content
}

// Tree lists the local snapshot tree, sorted.
func (d *Datastore) Tree() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.tree))
}

// local reads an index or blob from the local tree, as PBS always does: never from S3.
func (d *Datastore) local(path string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	b, ok := d.tree[path]
	if !ok {
		return nil, fmt.Errorf("the local tree has no %s", path)
	}
	return b, nil
}

// referenced is every chunk that a local index names.
func (d *Datastore) referenced() (map[Digest]bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	refs := map[Digest]bool{}
	for path, content := range d.tree {
		if !strings.HasSuffix(path, ".fidx") {
			continue
		}
		digests, _, err := decodeIndex(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, c := range digests {
			refs[c] = true
		}
	}
	return refs, nil
}

// Check is the endpoint check: the bucket answers, and an empty object can be written, read and deleted.
func (d *Datastore) Check(ctx context.Context) error {
	key := ".s3-client-test"
	if d.Name != "" {
		key = d.Name + "/" + key
	}
	if err := d.Client.HeadBucket(ctx); err != nil {
		return err
	}
	if _, err := d.Client.Put(ctx, key, NewBody(nil), false); err != nil {
		return err
	}
	o, err := d.Client.Get(ctx, key)
	if err != nil {
		return err // PBS would not notice a 404 here
	}
	if o.Size != 0 {
		return broken("GetObject", "the empty check object came back with %d bytes", o.Size)
	}
	return d.Client.Delete(ctx, key)
}

// ErrInUse says that the prefix belongs to a datastore already.
var ErrInUse = errors.New("the datastore is in use")

// Create makes the datastore: the marker, which must not be there before, and the chunk of zeros.
func (d *Datastore) Create(ctx context.Context) error {
	if err := d.Client.HeadBucket(ctx); err != nil {
		return err
	}
	switch _, err := d.Client.Get(ctx, d.Name+"/"+inUse); {
	case err == nil:
		return ErrInUse
	case !errors.Is(err, ErrAbsent):
		return err
	}
	if _, err := d.Client.Put(ctx, d.Name+"/"+inUse, NewBody([]byte(`{"hostname":"pbs"}`)), false); err != nil {
		return err
	}
	zeros := make([]byte, ChunkSize)
	_, err := d.putChunk(ctx, DigestOf(zeros), zeros, nil)
	return err
}
