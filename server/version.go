package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Versions are the backend's: it makes and keeps them, their ids pass through as they
// are. A sealed object is bound to its bucket and key, so every version of a key opens
// under that key, whichever the client asks for.

// versionParam names a version in a query.
const versionParam = "versionId"

// versionHeader tells which version an answer is about.
const versionHeader = "x-amz-version-id"

// version is the version that the request names, or "".
func (r *request) version() (string, error) {
	v, ok := r.query.get(versionParam)
	if ok && v == "" {
		return "", s3err.Argument(versionParam, v, "Version id cannot be the empty string")
	}
	return v, nil
}

// showVersion tells the client a version id, if there is one.
func (r *request) showVersion(id string) {
	if id != "" {
		r.http.Response.Header.Set(versionHeader, id)
	}
}

// versionFault is what a client is told of a version that it named: the backend knows
// which there are. Without a version named, err stays.
func versionFault(err error, key, version string) error {
	var e *backend.Error
	if version == "" || !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Kind == backend.NotFound:
		return s3err.Wrap(s3err.NoSuchVersion, err, "").With("Key", key).With("VersionId", version)
	case e.Marker != nil:
		return s3err.Wrap(s3err.MethodNotAllowed, err, "").With("Method", http.MethodGet).With("ResourceType", "DeleteMarker")
	case e.Status == http.StatusBadRequest && (e.Code == "InvalidArgument" || e.Code == ""):
		return s3err.Argument(versionParam, version, "Invalid version id specified")
	}
	return err
}

// isMarker says whether a delete marker is what a reader found.
func isMarker(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && e.Marker != nil
}

// showMarker tells a reader that a delete marker is what it found.
func (r *request) showMarker(err error) {
	var e *backend.Error
	if !errors.As(err, &e) || e.Marker == nil || r.route == nil || r.route.method != http.MethodGet && r.route.method != http.MethodHead {
		return
	}
	h := &r.http.Response.Header
	h.Set("x-amz-delete-marker", "true")
	r.showVersion(e.Marker.Version)
	if r.http.Response.StatusCode() == http.StatusMethodNotAllowed {
		h.Set("Allow", http.MethodDelete)
		if e.Marker.Modified != "" {
			h.Set("Last-Modified", e.Marker.Modified)
		}
	}
}

// pin is the version by which the rest of an object is read that was opened without a
// version: its own, so that a newer one is no change to it. The null version is not one
// object but whatever was stored last without versions.
func pin(version string) string {
	if version == backend.NullVersion {
		return ""
	}
	return version
}

// getPinned reads more of an object that was opened. A backend may grant reads of what
// is current and not of versions: then the ETag alone binds the object, as it does where
// there are no versions.
func getPinned(ctx context.Context, from objects, bucket, key, version string, named bool, opt backend.GetOptions) (*backend.Object, error) {
	opt.Version = version
	if !named {
		opt.Version = pin(version)
	}
	obj, err := from.Get(ctx, bucket, key, opt)
	if backendKind(err) == backend.Denied && !named && opt.Version != "" {
		opt.Version = ""
		obj, err = from.Get(ctx, bucket, key, opt)
	}
	return obj, err
}
