package server

import (
	"context"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// purge removes every version and delete marker of the proxy's own objects with a prefix
// but those of the key spare: in a bucket that keeps versions a removal alone would leave
// them behind, where no client can see or remove them.
func purge(ctx context.Context, from store, bucket, prefix, spare string) error {
	opt := backend.ListVersionsOptions{Prefix: prefix, MaxKeys: maxListKeys}
	for {
		page, err := from.ListVersions(ctx, bucket, opt)
		if err != nil {
			return err
		}
		var ids []backend.ObjectID
		for _, v := range page.Versions {
			if v.Key != spare {
				ids = append(ids, backend.ObjectID{Key: v.Key, Version: v.Version})
			}
		}
		if len(ids) > 0 {
			results, err := from.DeleteManyWith(ctx, bucket, ids, backend.DeleteOptions{})
			if err != nil {
				return err
			}
			for _, x := range results {
				if x.Err != nil {
					return x.Err
				}
			}
		}
		if !page.Truncated {
			return nil
		}
		if !page.Advances(opt) {
			return errStuck
		}
		opt.KeyMarker, opt.VersionMarker = page.NextKeyMarker, page.NextVersionMarker
	}
}

// purgeStaged removes what was put aside for an upload for good, the sign that it goes
// on last. What an object lock keeps, or a backend that lists no versions, is hidden by
// unstage all the same.
func (u *uploading) purgeStaged(ctx context.Context) {
	err := purge(ctx, u.s.backend, u.target.bucket, u.StagingPrefix(), u.CreateKey())
	if err == nil {
		err = purge(ctx, u.s.backend, u.target.bucket, u.CreateKey(), "")
	}
	if err != nil {
		u.s.metrics.orphans.Inc()
		u.log.Warn().Err(err).Msg("cannot remove all versions of what was staged for an upload; they stay until the backend's lifecycle rule removes them")
	}
}
