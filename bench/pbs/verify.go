package pbs

import (
	"context"
	"errors"
	"fmt"
)

// VerifyStats says what a verification found.
type VerifyStats struct {
	Good    int
	Renamed []string // keys renamed because the chunk was absent or had wrong bytes
	Errors  []error  // chunks that could not be read: counted, not renamed
}

// Verify reads every chunk of an archive from S3, bypassing all caches. An absent chunk (404) and one with wrong bytes
// are marked corrupt and renamed; every other failure is only counted.
func (d *Datastore) Verify(ctx context.Context, snap Snapshot, archive string) (VerifyStats, error) {
	var st VerifyStats
	index, err := d.local(snap.Dir() + archive + ".fidx")
	if err != nil {
		return st, err
	}
	digests, _, err := decodeIndex(index)
	if err != nil {
		return st, err
	}
	seen := map[Digest]bool{}
	for _, c := range digests {
		if seen[c] {
			continue
		}
		seen[c] = true
		o, err := d.Client.Get(ctx, d.ChunkKey(c))
		if err == nil {
			err = verifyChunk(c, o.Body)
		}
		switch {
		case err == nil:
			st.Good++
		case errors.Is(err, ErrAbsent), errors.Is(err, errDigest):
			bad, rerr := d.rename(ctx, c)
			if rerr != nil {
				return st, rerr
			}
			st.Renamed = append(st.Renamed, bad)
		default:
			st.Errors = append(st.Errors, err)
		}
	}
	// The verification's state goes into the manifest.
	manifest, err := d.local(snap.Dir() + manifestName)
	if err != nil {
		return st, err
	}
	return st, d.putContent(ctx, snap.Dir()+manifestName, manifest)
}

// rename moves a corrupt chunk out of the way: copy, then delete. Its marker goes, so that the next backup uploads it
// again. A chunk that is absent on S3 has nothing to copy.
func (d *Datastore) rename(ctx context.Context, c Digest) (string, error) {
	key := d.ChunkKey(c)
	d.unmark(c)
	for n := range 10 {
		bad := fmt.Sprintf("%s.%d.bad", key, n)
		if _, err := d.Client.HeadObject(ctx, bad); err == nil {
			continue
		} else if !errors.Is(err, ErrAbsent) {
			return "", err
		}
		if err := d.Client.Copy(ctx, key, bad); err != nil && !errors.Is(err, ErrAbsent) {
			return "", fmt.Errorf("cannot rename corrupt chunk: %w", err)
		}
		return bad, d.Client.Delete(ctx, key)
	}
	return "", fmt.Errorf("chunk %s was corrupt ten times", c)
}
