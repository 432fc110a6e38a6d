package server

import (
	"fmt"
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
