package pbs

import (
	"context"
	"fmt"
)

// CollectStats says what a garbage collection did.
type CollectStats struct {
	Listed, Kept, Removed int
	Bytes                 uint64 // sizes of the kept chunks, as listed
}

// Collect is garbage collection. What the local indexes name is alive; phase 2 lists every chunk and deletes the
// others: at once if there is no local marker, whatever the object's age, else when the marker is older than a day.
// Deletes go in batches of 100 while the listing goes on; one failed key ends it.
func (d *Datastore) Collect(ctx context.Context) (CollectStats, error) {
	var st CollectStats
	if err := d.Client.HeadBucket(ctx); err != nil {
		return st, err
	}
	refs, err := d.referenced()
	if err != nil {
		return st, err
	}
	for c := range refs { // phase 1 touches the markers of what is referenced
		d.mark(c)
	}
	var doomed []string
	flush := func(least int) error {
		for len(doomed) > 0 && len(doomed) >= least {
			n := min(gcBatch, len(doomed))
			if err := d.deleteAll(ctx, doomed[:n]); err != nil {
				return fmt.Errorf("cannot collect garbage: %w", err)
			}
			st.Removed += n
			doomed = doomed[n:]
		}
		return nil
	}
	cutoff := d.now().Add(-gcCutoff)
	err = d.Client.List(ctx, d.Name+"/.chunks/", func(p *Page) error {
		for _, e := range p.Entries {
			c, bad, ok := chunkName(e.Key)
			if !ok {
				continue
			}
			st.Listed++
			d.mu.Lock()
			touched, marker := d.markers[c]
			d.mu.Unlock()
			if !bad && (refs[c] || marker && touched.After(cutoff)) {
				st.Kept++
				st.Bytes += e.Size
				continue
			}
			if !bad {
				d.unmark(c)
			}
			doomed = append(doomed, e.Key)
		}
		return flush(gcBatch)
	})
	if err != nil {
		return st, err
	}
	return st, flush(1)
}

// deleteAll deletes keys with one call; any refused key fails it.
func (d *Datastore) deleteAll(ctx context.Context, keys []string) error {
	failed, err := d.Client.DeleteMany(ctx, keys)
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("%d of %d keys were not deleted, the first: %+v", len(failed), len(keys), failed[0])
	}
	return err
}
