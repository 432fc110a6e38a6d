package server

import "strings"

// etagSuffix marks every ETag the proxy shows. Clients take an ETag of 32 hex
// digits for the MD5 of what they sent, which a sealed object's never is; a dash
// stops that (rclone, s3cmd and s3fs then do not compare).
const etagSuffix = "-s"

// clientETag turns the backend's ETag into the one clients see: the suffix
// inside the quotes, the same on every verb.
func clientETag(backend string) string {
	return `"` + strings.Trim(backend, `"`) + etagSuffix + `"`
}

// backendETag turns a client's ETag back; ok is false if it cannot be ours, and
// then it matches no object.
func backendETag(client string) (etag string, ok bool) {
	inner, ok := strings.CutSuffix(strings.Trim(strings.TrimSpace(client), `"`), etagSuffix)
	return `"` + inner + `"`, ok && inner != ""
}
