package pbs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// BackupStats says what a backup did.
type BackupStats struct {
	Chunks     int   // of the archive
	Uploaded   int64 // chunks written
	Duplicates int64 // chunks the endpoint had already (412)
	Known      int   // chunks skipped on a local marker
	Plain      int64 // bytes of the archive
	Digests    []Digest
}

// Backup stores src as one archive of a new snapshot: the owner, the chunks with many PUTs in flight, the index, a
// blob, the manifest, and the manifest again at the end. Nothing is read back; a chunk PUT answered 200 or 412 is
// believed for good.
func (d *Datastore) Backup(ctx context.Context, snap Snapshot, archive string, src io.Reader) (BackupStats, error) {
	var st BackupStats
	owner := snap.Type + "/" + snap.ID + "/owner"
	if _, err := d.local(owner); err != nil {
		if err := d.putContent(ctx, owner, []byte("root@pam\n")); err != nil {
			return st, err
		}
	}
	if err := d.putChunks(ctx, src, &st); err != nil {
		return st, fmt.Errorf("cannot back up %s: %w", archive, err)
	}
	dir := snap.Dir()
	if err := d.putContent(ctx, dir+archive+".fidx", encodeIndex(st.Digests, st.Plain)); err != nil {
		return st, err
	}
	if err := d.putContent(ctx, dir+"config.conf.blob", EncodeBlob([]byte("name: "+snap.ID+"\n"))); err != nil {
		return st, err
	}
	manifest, err := json.Marshal(map[string]any{
		"backup-type": snap.Type, "backup-id": snap.ID, "backup-time": snap.Time.Unix(),
		"files": []map[string]any{{"filename": archive + ".fidx", "size": st.Plain}},
	})
	if err != nil {
		return st, err
	}
	for range 2 { // once with the first blob, again when the backup finishes
		if err := d.putContent(ctx, dir+manifestName, EncodeBlob(manifest)); err != nil {
			return st, err
		}
	}
	return st, nil
}

// putContent uploads an object of the snapshot tree, replacing what is there, and keeps it locally.
func (d *Datastore) putContent(ctx context.Context, path string, content []byte) error {
	if _, err := d.Client.Upload(ctx, d.contentKey(path), NewBody(content), false); err != nil {
		return err
	}
	d.keep(path, content)
	return nil
}

// putChunks cuts src and uploads, with a bounded number of chunks in memory.
func (d *Datastore) putChunks(ctx context.Context, src io.Reader, st *BackupStats) error {
	g, ctx := errgroup.WithContext(ctx)
	n := d.concurrency()
	type buffers struct{ plain, blob []byte }
	free := make(chan buffers, n)
	for range n {
		free <- buffers{make([]byte, ChunkSize), make([]byte, 0, BlobHeader+ChunkSize)}
	}
	var uploaded, duplicates atomic.Int64
	for ctx.Err() == nil {
		var buf buffers
		select {
		case buf = <-free:
		case <-ctx.Done():
			continue
		}
		n, err := io.ReadFull(src, buf.plain)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			if errors.Is(err, io.EOF) {
				break
			}
			g.Go(func() error { return err })
			break
		}
		data := buf.plain[:n]
		c := DigestOf(data)
		st.Digests = append(st.Digests, c)
		st.Chunks++
		st.Plain += int64(n)
		if d.marked(c) {
			st.Known++
			d.report(n)
			free <- buf
			continue
		}
		g.Go(func() error {
			defer func() { free <- buf }()
			stored, err := d.putChunk(ctx, c, data, buf.blob)
			switch stored {
			case Written:
				uploaded.Add(1)
			case Duplicate:
				duplicates.Add(1)
			}
			return err
		})
	}
	err := g.Wait()
	st.Uploaded, st.Duplicates = uploaded.Load(), duplicates.Load()
	return err
}

// putChunk uploads a chunk unless it is there, and marks it. scratch may hold the blob; nil allocates.
func (d *Datastore) putChunk(ctx context.Context, c Digest, data, scratch []byte) (Stored, error) {
	stored, err := d.Client.Upload(ctx, d.ChunkKey(c), NewBody(appendBlob(scratch, data)), true)
	if err != nil {
		return 0, err
	}
	d.mark(c)
	d.report(len(data))
	return stored, nil
}

func (d *Datastore) report(plain int) {
	if d.OnChunk != nil {
		d.OnChunk(plain)
	}
}
