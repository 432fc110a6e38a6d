package server

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// A bucket is empty when it has no object and no version of one. As at S3, an upload
// that nobody completed is no object, and ends with its bucket; nor is what the proxy
// puts beside uploads, which no client can see.

// holding is what there is in a bucket without objects.
type holding struct {
	states  stateVersions
	uploads bool // in progress at the backend
	staged  bool // beside uploads
	hidden  bool // versions of what was
}

// unfinished says whether there is anything that clear removes.
func (h holding) unfinished() bool { return h.uploads || h.staged || h.hidden }

// stateVersions are the versions that the backend keeps of a bucket's state, the newest
// first.
type stateVersions struct {
	ids, markers []string
	live         bool // the newest is a state, and no delete marker
}

func (v stateVersions) any() bool { return len(v.ids)+len(v.markers) > 0 }

// lookKeys is how many names are asked for to see whether a bucket is empty: more than
// there are trials under way.
const lookKeys = 32

// ownDir is what a listing by delimiter shows of the proxy's own objects but the state.
const ownDir = format.ReservedPrefix + "/"

// holds tells what is in a bucket, or errNotEmpty if there is an object or a version
// of one.
func (g *gate) holds(ctx context.Context, name string) (h holding, err error) {
	if h.staged, err = g.objects(ctx, name); err != nil {
		return h, err
	}
	uploads, err := g.uploads(ctx, name, "", "")
	if err != nil {
		return h, err
	}
	h.uploads = len(uploads.Upload) > 0
	err = g.versions(ctx, name, &h)
	return h, err
}

// versionsPage are versions as the backend lists them.
type versionsPage struct {
	XMLName             xml.Name `xml:"ListVersionsResult"`
	Version             []listedState
	DeleteMarker        []listedState
	CommonPrefixes      []struct{ Prefix string }
	IsTruncated         bool
	NextKeyMarker       string
	NextVersionIdMarker string
}

// listedState is a version of what should be the state.
type listedState struct {
	Key, VersionId string
	IsLatest       bool
}

// versions looks at all versions in a bucket, however few the backend lists at a time:
// behind those of the state there may be an object's.
func (g *gate) versions(ctx context.Context, name string, h *holding) error {
	q := url.Values{"versions": {""}, "delimiter": {"/"}, "max-keys": {"1000"}}
	for {
		var page versionsPage
		if err := g.listing(ctx, name, "ListObjectVersions", q, &page); err != nil {
			return err
		}
		for _, p := range page.CommonPrefixes {
			if p.Prefix != ownDir {
				return errNotEmpty
			}
			h.hidden = true
		}
		if err := h.states.add(page); err != nil {
			return err
		}
		switch {
		case !page.IsTruncated:
			return nil
		case page.NextKeyMarker == "", page.NextKeyMarker == q.Get("key-marker") && page.NextVersionIdMarker == q.Get("version-id-marker"):
			return errStuck
		}
		q.Set("key-marker", page.NextKeyMarker)
		if q.Del("version-id-marker"); page.NextVersionIdMarker != "" {
			q.Set("version-id-marker", page.NextVersionIdMarker)
		}
	}
}

// add takes the versions of a page, or says errNotEmpty of one that is not the state's.
func (v *stateVersions) add(page versionsPage) error {
	for _, list := range []struct {
		of  []listedState
		ids *[]string
	}{{page.Version, &v.ids}, {page.DeleteMarker, &v.markers}} {
		for _, x := range list.of {
			if isTrial(x.Key) {
				continue // the backend does not remove the bucket while it is there
			}
			if x.Key != format.StateKey {
				return errNotEmpty
			}
			// Some backends begin a page with the version that the last one ended with.
			if n := len(*list.ids); x.VersionId != "" && x.VersionId != backend.NullVersion && (n == 0 || (*list.ids)[n-1] != x.VersionId) {
				*list.ids = append(*list.ids, x.VersionId)
			}
		}
	}
	v.live = v.live || slices.ContainsFunc(page.Version, func(x listedState) bool { return x.IsLatest && x.Key == format.StateKey })
	return nil
}

// objects returns errNotEmpty if a bucket has objects, and says whether anything lies
// beside uploads.
func (g *gate) objects(ctx context.Context, name string) (staged bool, err error) {
	page, err := g.backend.List(ctx, name, backend.ListOptions{Delimiter: "/", MaxKeys: lookKeys})
	if err != nil {
		return false, err
	}
	if page.Truncated || slices.ContainsFunc(page.Objects, func(o backend.Entry) bool { return o.Key != format.StateKey && !isTrial(o.Key) }) {
		return false, errNotEmpty
	}
	for _, p := range page.CommonPrefixes {
		if p != ownDir {
			return false, errNotEmpty
		}
		if page, err = g.backend.List(ctx, name, backend.ListOptions{Prefix: ownDir, Delimiter: "/", MaxKeys: 2}); err != nil {
			return false, err
		}
		if page.Truncated || len(page.Objects) > 0 || slices.ContainsFunc(page.CommonPrefixes, func(p string) bool { return p != format.UploadPrefix }) {
			return false, errNotEmpty // a later version of this proxy may have put it there
		}
		staged = len(page.CommonPrefixes) > 0
	}
	return staged, nil
}

// uploadsPage are uploads in progress as the backend knows them.
type uploadsPage struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	Upload             []struct{ Key, UploadId string }
	IsTruncated        bool
	NextKeyMarker      string
	NextUploadIdMarker string
	EncodingType       string
}

func (g *gate) uploads(ctx context.Context, name, key, id string) (page uploadsPage, err error) {
	q := url.Values{"uploads": {""}, "max-uploads": {"1000"}, "encoding-type": {"url"}}
	if key != "" {
		q.Set("key-marker", key)
		q.Set("upload-id-marker", id)
	}
	if err := g.listing(ctx, name, "ListMultipartUploads", q, &page); err != nil || page.EncodingType != "url" {
		return page, err
	}
	page.NextKeyMarker, err = url.QueryUnescape(page.NextKeyMarker)
	for i := range page.Upload {
		if err == nil {
			page.Upload[i].Key, err = url.QueryUnescape(page.Upload[i].Key)
		}
	}
	if err != nil {
		err = fmt.Errorf("cannot read the backend's ListMultipartUploads: %w", errUnproven)
	}
	return page, err
}

// removers are how many uploads of a bucket end at a time.
const removers = 8

// clear ends the uploads of a bucket that is closing, and removes what lies beside them.
// No Complete is called done now that holds has not seen; one that takes effect
// all the same leaves an object, for which the bucket is opened again.
func (g *gate) clear(ctx context.Context, name string) (h holding, err error) {
	if err := g.abortUploads(ctx, name); err != nil {
		return h, err
	}
	if h, err = g.holds(ctx, name); err != nil {
		return h, err
	}
	if h.hidden && h.states.any() { // versions, and not the null ones of a store without
		if err := purge(ctx, g.backend, name, format.UploadPrefix, ""); err != nil {
			return h, err
		}
	}
	if err := g.removeStaged(ctx, name); err != nil {
		return h, err
	}
	if h, err = g.holds(ctx, name); err == nil && h.hidden && !h.staged { // null markers
		if err := purge(ctx, g.backend, name, format.UploadPrefix, ""); err != nil {
			return h, err
		}
		h, err = g.holds(ctx, name)
	}
	if err == nil && h.unfinished() {
		err = errNotEmpty // somebody goes on with an upload: it is told that it ended
	}
	return h, err
}

func (g *gate) abortUploads(ctx context.Context, name string) error {
	key, id := "", ""
	for {
		page, err := g.uploads(ctx, name, key, id)
		if err != nil {
			return err
		}
		group, each := errgroup.WithContext(ctx)
		group.SetLimit(removers)
		for _, up := range page.Upload {
			group.Go(func() error {
				if err := g.backend.AbortUpload(each, name, up.Key, up.UploadId); err != nil && !unknownUpload(err) {
					return err
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil || !page.IsTruncated {
			return err
		}
		if page.NextKeyMarker == key && page.NextUploadIdMarker == id {
			return errStuck
		}
		key, id = page.NextKeyMarker, page.NextUploadIdMarker
	}
}

func (g *gate) removeStaged(ctx context.Context, name string) error {
	opt := backend.ListOptions{Prefix: format.UploadPrefix, MaxKeys: maxListKeys}
	for {
		page, err := g.backend.List(ctx, name, opt)
		if err != nil {
			return err
		}
		keys := make([]string, len(page.Objects))
		for i, o := range page.Objects {
			keys[i] = o.Key
		}
		if len(keys) > 0 {
			results, err := g.backend.DeleteMany(ctx, name, keys)
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
		opt.ContinuationToken = page.NextToken
	}
}

// listing reads a listing that not every backend has: what it does not have holds
// nothing.
func (g *gate) listing(ctx context.Context, name, op string, query url.Values, into any) error {
	doc, err := g.relayed(ctx, backend.Question{Op: op, Method: http.MethodGet, Bucket: name, Query: query})
	if err != nil || doc == nil {
		return err
	}
	if err := xml.Unmarshal(doc, into); err != nil {
		return fmt.Errorf("cannot read the backend's %s: %w", op, errUnproven)
	}
	return nil
}

// relayed asks the backend; nil if it does not have the operation.
func (g *gate) relayed(ctx context.Context, q backend.Question) ([]byte, error) {
	reply, err := g.backend.Relay(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case reply.Status == http.StatusNotImplemented || reply.Status == http.StatusMethodNotAllowed:
		return nil, nil
	case reply.Code != "" || reply.Status >= 300:
		return nil, s3err.Relayed(reply.Status, reply.Code, reply.Message)
	}
	return reply.Body, nil
}

// left is the client's answer to a removal that failed: of a bucket that is not empty it
// says whether there are versions to remove, which costs a call.
func (g *gate) left(ctx context.Context, name string, why error) error {
	if !errors.Is(why, errNotEmpty) {
		return why
	}
	type version struct{ VersionId string }
	var versions struct {
		XMLName      xml.Name `xml:"ListVersionsResult"`
		Version      []version
		DeleteMarker []version
	}
	if err := g.listing(ctx, name, "ListObjectVersions", url.Values{"versions": {""}, "max-keys": {"2"}}, &versions); err != nil {
		return why
	}
	for _, v := range append(versions.Version, versions.DeleteMarker...) {
		if v.VersionId != "" && v.VersionId != backend.NullVersion {
			return errVersionsLeft
		}
	}
	return why
}
