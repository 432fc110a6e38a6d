package pbs

import (
	"context"
	"fmt"
	"strings"
)

// Refresh replaces the local snapshot tree by what S3 lists: every object below <store>/.cnt is read, one after
// another. A listing that is wrongly empty empties the tree, and the next garbage collection everything else. An
// absent object or a key outside <store>/.cnt/ ends it, and then the tree stays.
func (d *Datastore) Refresh(ctx context.Context) error {
	prefix := d.Name + "/.cnt"
	tree := map[string][]byte{}
	err := d.Client.List(ctx, prefix, func(p *Page) error {
		for _, e := range p.Entries {
			path, ok := strings.CutPrefix(e.Key, prefix+"/")
			if !ok {
				return fmt.Errorf("key %q is not below %s/", e.Key, prefix)
			}
			if strings.HasSuffix(path, ".namespace") {
				continue
			}
			o, err := d.Client.Get(ctx, e.Key)
			if err != nil {
				return err
			}
			size := o.Size
			if d.Listed != nil {
				size = d.Listed(size)
			}
			if uint64(size) != e.Size {
				return broken("ListObjectsV2", "%s: listed with %d bytes, read with %d", e.Key, e.Size, o.Size)
			}
			tree[path] = o.Body
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot refresh: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tree = tree
	return nil
}

// Reimport is what a new PBS does with an existing prefix: no markers, and the tree from S3.
func (d *Datastore) Reimport(ctx context.Context) error {
	d.mu.Lock()
	d.markers = nil
	d.mu.Unlock()
	return d.Refresh(ctx)
}
