package pbs

import (
	"context"
	"fmt"
	"strings"
)

// Forget removes a snapshot: every key below its directory is deleted page by page while the listing goes on.
func (d *Datastore) Forget(ctx context.Context, snap Snapshot) error {
	return d.removeAll(ctx, snap.Dir())
}

// Destroy removes the datastore with all its data.
func (d *Datastore) Destroy(ctx context.Context) error {
	if err := d.removePrefix(ctx, d.Name+"/"); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree, d.markers = nil, nil
	return nil
}

func (d *Datastore) removeAll(ctx context.Context, dir string) error {
	if err := d.removePrefix(ctx, d.contentKey(dir)); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.tree {
		if strings.HasPrefix(path, dir) {
			delete(d.tree, path)
		}
	}
	return nil
}

func (d *Datastore) removePrefix(ctx context.Context, prefix string) error {
	err := d.Client.List(ctx, prefix, func(p *Page) error {
		keys := make([]string, len(p.Entries))
		for i, e := range p.Entries {
			keys[i] = e.Key
		}
		if len(keys) == 0 {
			return nil
		}
		return d.deleteAll(ctx, keys)
	})
	if err != nil {
		return fmt.Errorf("cannot remove %s: %w", prefix, err)
	}
	return nil
}
