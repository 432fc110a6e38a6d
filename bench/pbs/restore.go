package pbs

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

// Restore writes an archive to dst, in order, with many GETs in flight. The index comes from the local tree; the
// chunks from S3, each accepted only with its digest, as the backup client checks them.
func (d *Datastore) Restore(ctx context.Context, snap Snapshot, archive string, dst io.Writer) (int64, error) {
	index, err := d.local(snap.Dir() + archive + ".fidx")
	if err != nil {
		return 0, err
	}
	digests, _, err := decodeIndex(index)
	if err != nil {
		return 0, err
	}
	g, ctx := errgroup.WithContext(ctx)
	n := d.concurrency()
	type slot struct{ buf, data []byte }
	free := make(chan []byte, n)
	for range n {
		free <- make([]byte, BlobHeader+ChunkSize)
	}
	order := make(chan chan slot, n)
	var written int64
	g.Go(func() error {
		for next := range order {
			var s slot
			select {
			case s = <-next:
			case <-ctx.Done():
				return ctx.Err()
			}
			m, err := dst.Write(s.data)
			written += int64(m)
			if err != nil {
				return err
			}
			d.report(m)
			free <- s.buf
		}
		return nil
	})
	for _, c := range digests {
		var buf []byte
		select {
		case buf = <-free:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		done := make(chan slot, 1)
		order <- done // never blocks: as many places as buffers
		g.Go(func() error {
			blob, err := d.Client.GetInto(ctx, d.ChunkKey(c), buf)
			if err == nil {
				err = verifyChunk(c, blob)
			}
			if err != nil {
				return fmt.Errorf("cannot restore chunk %s: %w", c, err)
			}
			done <- slot{buf, blob[BlobHeader:]}
			return nil
		})
	}
	close(order)
	return written, g.Wait()
}
