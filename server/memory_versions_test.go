package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// What memory knows of versions: S3's rules for buckets whose versioning is enabled or
// suspended. Ids look like v1, so that others can be refused as S3 refuses them.

// find gives an object, or a version of it, under the lock.
func (m *memory) find(op, bucket string, current *blob, key, version string) (*blob, error) {
	past := m.history[bucket][key]
	if version == "" {
		switch {
		case current != nil:
			return current, nil
		case len(past) > 0 && past[0].marker:
			return nil, &backend.Error{Kind: backend.NotFound, Op: op, Status: 404, Code: "NoSuchKey", Marker: &backend.Marker{Version: past[0].version}}
		}
		return nil, fault4(backend.NotFound, op)
	}
	if m.denyVersions {
		return nil, &backend.Error{Kind: backend.Denied, Op: op, Status: 403, Code: "AccessDenied"}
	}
	if version != backend.NullVersion && !strings.HasPrefix(version, "v") {
		return nil, &backend.Error{Kind: backend.Invalid, Op: op, Status: 400, Code: "InvalidArgument"}
	}
	if version == backend.NullVersion && current != nil && current.version == "" {
		return current, nil
	}
	for _, o := range past {
		switch {
		case o.version != version:
		case o.marker:
			return nil, &backend.Error{Kind: backend.Invalid, Op: op, Status: 405, Code: "MethodNotAllowed",
				Marker: &backend.Marker{Version: version, Modified: o.time.UTC().Format(http.TimeFormat)}}
		default:
			return o, nil
		}
	}
	return nil, &backend.Error{Kind: backend.NotFound, Op: op, Status: 404, Code: "NoSuchVersion"}
}

// remember gives a new object its version id, and keeps it beside those before.
func (m *memory) remember(bucket, key string, current, o *blob) {
	status := m.versioning[bucket]
	if status == "" {
		return
	}
	if m.history[bucket] == nil {
		m.history[bucket] = map[string][]*blob{}
	}
	past := m.history[bucket][key]
	if current != nil && current.version == "" { // from before there were versions
		current.version = backend.NullVersion
		past = append(past, current)
	}
	o.version = backend.NullVersion
	if status == "Enabled" {
		m.ids++
		o.version = fmt.Sprintf("v%d", m.ids)
	} else {
		past = slices.DeleteFunc(past, func(o *blob) bool { return o.version == backend.NullVersion })
	}
	m.history[bucket][key] = slices.Insert(past, 0, o)
}

// remove removes an object: for good where it names a version or there are none.
func (m *memory) remove(bucket string, b map[string]*blob, key, version string) (d backend.Deleted, err error) {
	if version == "" {
		if m.versioning[bucket] != "" {
			marker := &blob{marker: true, time: time.Unix(1768478400, 0)}
			m.remember(bucket, key, b[key], marker)
			d = backend.Deleted{Version: marker.version, Marker: true}
		}
		delete(b, key)
		return d, nil
	}
	if version != backend.NullVersion && !strings.HasPrefix(version, "v") {
		return d, &backend.Error{Kind: backend.Invalid, Op: "Delete", Status: 400, Code: "InvalidArgument"}
	}
	d.Version = version
	if o := b[key]; o != nil && o.version == "" {
		if version == backend.NullVersion {
			delete(b, key)
		}
		return d, nil
	}
	past := m.history[bucket][key]
	at := slices.IndexFunc(past, func(o *blob) bool { return o.version == version })
	if at < 0 {
		return d, nil
	}
	d.Marker = past[at].marker
	past = slices.Delete(past, at, at+1)
	m.history[bucket][key] = past
	delete(b, key)
	if len(past) > 0 && !past[0].marker {
		b[key] = past[0]
	}
	return d, nil
}

// line is what a page of versions is cut by: a version, or a common prefix.
type line struct {
	name string
	at   int // of the version, the newest first
	v    *blob
}

func (m *memory) ListVersions(_ context.Context, bucket string, opt backend.ListVersionsOptions) (*backend.VersionsPage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := m.enter("ListVersions", bucket, opt.Prefix)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for k := range b {
		names[k] = true
	}
	for k, past := range m.history[bucket] {
		names[k] = names[k] || len(past) > 0
	}
	var lines []line
	behind := ""
	for _, k := range slices.Sorted(maps.Keys(names)) {
		past := m.history[bucket][k]
		if len(past) == 0 {
			past = []*blob{b[k]}
		}
		rest, ok := strings.CutPrefix(k, opt.Prefix)
		if !ok || !names[k] {
			continue
		}
		if at := strings.Index(rest, opt.Delimiter); opt.Delimiter != "" && at >= 0 {
			if p := opt.Prefix + rest[:at+len(opt.Delimiter)]; p != behind && p > opt.KeyMarker {
				behind = p
				lines = append(lines, line{name: p})
			}
			continue
		}
		seen := k != opt.KeyMarker || opt.VersionMarker == ""
		for i, v := range past {
			if k > opt.KeyMarker || k == opt.KeyMarker && opt.VersionMarker != "" && seen {
				lines = append(lines, line{k, i, v})
			}
			seen = seen || idOf(v) == opt.VersionMarker
		}
	}
	page := &backend.VersionsPage{}
	for n, l := range lines {
		if n == opt.MaxKeys {
			page.Truncated = true
			break
		}
		page.NextKeyMarker, page.NextVersionMarker = l.name, ""
		if l.v == nil {
			page.CommonPrefixes = append(page.CommonPrefixes, l.name)
			continue
		}
		page.NextVersionMarker = idOf(l.v)
		e := backend.VersionEntry{Version: idOf(l.v), Latest: l.at == 0, Marker: l.v.marker}
		e.Key, e.LastModified = l.name, l.v.time
		if !l.v.marker {
			e.Size, e.ETag, e.StorageClass = int64(len(l.v.data)), l.v.etag, l.v.with.StorageClass
		}
		page.Versions = append(page.Versions, e)
	}
	if !page.Truncated {
		page.NextKeyMarker, page.NextVersionMarker = "", ""
	}
	return page, nil
}

// idOf is a version's id as listings have it.
func idOf(o *blob) string { return cmp.Or(o.version, backend.NullVersion) }
