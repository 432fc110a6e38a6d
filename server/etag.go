package server

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// ETagMode says what clients see as the ETag of an object.
type ETagMode uint8

const (
	// ETagOpaque: the backend's, marked. It costs nothing.
	ETagOpaque ETagMode = iota
	// ETagMD5: S3's own, of the plain bytes: MD5, or for an object uploaded in parts
	// the MD5 of the MD5s of its parts and their number. It is computed when an object
	// is stored and sealed with it; an object without it has the opaque form.
	ETagMD5
)

// etagSuffix marks every ETag in the opaque form. Clients take an ETag of 32 hex
// digits for the MD5 of what they sent, which the backend's never is; a dash stops
// that (rclone, s3cmd and s3fs then do not compare).
const etagSuffix = "-s"

// clientETag turns the backend's ETag into the opaque form: the suffix inside the
// quotes, the same on every verb.
func clientETag(backend string) string {
	return `"` + strings.Trim(backend, `"`) + etagSuffix + `"`
}

// backendETag turns an opaque ETag back; ok is false if it cannot be ours.
func backendETag(client string) (etag string, ok bool) {
	inner, ok := strings.CutSuffix(strings.Trim(strings.TrimSpace(client), `"`), etagSuffix)
	return `"` + inner + `"`, ok && inner != ""
}

// md5ETag is S3's ETag of an object, with quotes; ok is false if none is sealed with it.
func md5ETag(m format.Meta) (etag string, ok bool) {
	switch {
	case m.PartsMD5 != format.PartsMD5{}:
		return `"` + hex.EncodeToString(m.PartsMD5.Sum[:]) + "-" + strconv.Itoa(m.PartsMD5.Parts) + `"`, true
	case len(m.MD5) > 0:
		return `"` + hex.EncodeToString(m.MD5) + `"`, true
	}
	return "", false
}

// etagOf is what clients see as the ETag of an object with this metadata, which the
// backend gave that ETag.
func (s *Server) etagOf(m format.Meta, backend string) string {
	if s.etagMode == ETagMD5 {
		if etag, ok := md5ETag(m); ok {
			return etag
		}
	}
	return clientETag(backend)
}

// namesOf is every ETag by which a condition may name an object: the one that is shown,
// and the opaque one, which names exactly these stored bytes.
func (s *Server) namesOf(m format.Meta, backend string) []string {
	opaque := clientETag(backend)
	if etag := s.etagOf(m, backend); etag != opaque {
		return []string{etag, opaque}
	}
	return []string{opaque}
}

// pin finds the ETag by which the backend recognises the object that a write's
// If-Match names, so that the condition holds at the backend and not here. The opaque
// form says it by itself. For an MD5 the object that is there now is opened: it is
// replaced only while it is that very object. Of anything else it is looked whether there
// is an object at all, which S3 tells apart: 404, not 412.
func (s *Server) pin(r *request, cond *backend.Conditions) error {
	if !r.hasHeader("if-match") {
		return nil
	}
	given := r.header("If-Match")
	if etag, ok := backendETag(given); ok {
		cond.IfMatch = etag
		return nil
	}
	failed := s3err.New(s3err.PreconditionFailed, "the object does not have this ETag")
	o, err := s.openHead(r.ctx, r.bucket, r.key, "")
	switch {
	case unreadable(err):
		return failed
	case err != nil:
		return err
	case s.etagMode != ETagMD5 || !looksLikeMD5(given) || !listsAny(given, s.namesOf(o.meta(), o.etag), false):
		return failed
	case o.etag == "":
		return s3err.New(s3err.ServiceUnavailable, "the backend gave the object no ETag, so its replacement cannot be bound to it")
	}
	cond.IfMatch = o.etag
	return nil
}

// looksLikeMD5 says whether an ETag has the form of one of S3's.
func looksLikeMD5(etag string) bool {
	sum, parts, many := strings.Cut(strings.Trim(strings.TrimSpace(etag), `"`), "-")
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 16 {
		return false
	}
	if !many {
		return true
	}
	n, err := strconv.Atoi(parts)
	return err == nil && n >= 1 && n <= format.MaxParts
}

// partETag turns the ETag of a part (SPEC.md section 12.5) into the one clients see:
// s3cmd compares one without a dash with the MD5 of the part, and gives up.
func partETag(own string) string { return `"` + own + etagSuffix + `"` }

// ownPartETag turns a client's ETag of a part back, with its quotes or without, as S3
// takes both. One without the suffix is of an upload that began before there was one;
// whether it is ours is proved later.
func ownPartETag(client string) string { return strings.TrimSuffix(unquoted(client), etagSuffix) }
