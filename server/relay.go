package server

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// relayRoutes are the operations that carry nothing sealed: they are the
// backend's to answer. What they say (tags, policies, names of users) is visible
// to the backend, as it must be to have an effect there.
//
// Operations that could harm sealed data, or cannot be right through a proxy that
// seals, are not among them: lifecycle rules would expire the bucket's sealed
// state, replication and inventories would leave it behind, a website or Select
// would show sealed bytes.
var relayRoutes = []route{
	relayed("GetBucketAcl", "GET", onBucket, toInspect, "acl", noBody),
	relayed("PutBucketAcl", "PUT", onBucket, toConfigure, "acl", optionalBody, "x-amz-acl", "x-amz-grant-*"),
	relayed("GetBucketPolicy", "GET", onBucket, toInspect, "policy", noBody),
	relayed("PutBucketPolicy", "PUT", onBucket, toConfigure, "policy", optionalBody, "x-amz-confirm-remove-self-bucket-access"),
	relayed("DeleteBucketPolicy", "DELETE", onBucket, toConfigure, "policy", noBody),
	relayed("GetBucketPolicyStatus", "GET", onBucket, toInspect, "policyStatus", noBody),
	relayed("GetBucketTagging", "GET", onBucket, toInspect, "tagging", noBody),
	relayed("PutBucketTagging", "PUT", onBucket, toConfigure, "tagging", optionalBody),
	relayed("DeleteBucketTagging", "DELETE", onBucket, toConfigure, "tagging", noBody),
	relayed("GetBucketVersioning", "GET", onBucket, toInspect, "versioning", noBody),
	relayed("PutBucketVersioning", "PUT", onBucket, toConfigure, "versioning", smallBody),
	relayed("GetObjectLockConfiguration", "GET", onBucket, toInspect, "object-lock", noBody),
	locking(relayed("PutObjectLockConfiguration", "PUT", onBucket, toConfigure, "object-lock", optionalBody, "x-amz-bucket-object-lock-token")),
	relayed("GetBucketOwnershipControls", "GET", onBucket, toInspect, "ownershipControls", noBody),
	relayed("PutBucketOwnershipControls", "PUT", onBucket, toConfigure, "ownershipControls", optionalBody),
	relayed("DeleteBucketOwnershipControls", "DELETE", onBucket, toConfigure, "ownershipControls", noBody),

	relayed("GetObjectAcl", "GET", onObject, toRead, "acl", noBody),
	relayed("PutObjectAcl", "PUT", onObject, toOverwrite, "acl", optionalBody, "x-amz-acl", "x-amz-grant-*"),
	relayed("GetObjectTagging", "GET", onObject, toRead, "tagging", noBody),
	relayed("PutObjectTagging", "PUT", onObject, toOverwrite, "tagging", optionalBody),
	relayed("DeleteObjectTagging", "DELETE", onObject, toOverwrite, "tagging", noBody),
	relayed("GetObjectRetention", "GET", onObject, toRead, "retention", noBody),
	relayed("PutObjectRetention", "PUT", onObject, toOverwrite, "retention", optionalBody, "x-amz-bypass-governance-retention"),
	relayed("GetObjectLegalHold", "GET", onObject, toRead, "legal-hold", noBody),
	relayed("PutObjectLegalHold", "PUT", onObject, toOverwrite, "legal-hold", optionalBody),
}

// relayed is one row: what it does, the sub-resource, and the headers beside the standard ones
// that are passed on (a * at the end stands for any rest).
func relayed(op, method string, at level, needs need, sub string, body bodyKind, headers ...string) route {
	return route{op: op, method: method, level: at, query: []string{sub}, allowed: versions[at], auth: signed, needs: needs, body: body, headers: headers, serve: (*Server).relay}
}

// versions: what is asked of an object may be asked of a version of it. Names of
// versions are the backend's; an object's bytes have none here.
var versions = map[level][]string{onObject: {"versionId"}}

// relayOwn are headers of the request itself, which the proxy has dealt with.
var relayOwn = []string{"x-amz-date", "x-amz-content-sha256", "x-amz-user-agent", "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-checksum-*", "x-amz-sdk-checksum-algorithm", "x-amz-expected-bucket-owner"}

// relayAnswers are headers of an answer that the client gets as they are.
var relayAnswers = []string{versionHeader}

// relay passes a question on and the answer back.
func (s *Server) relay(r *request) error {
	doc, err := io.ReadAll(&r.body)
	if err != nil {
		return err
	}
	return s.relayDocument(r, doc)
}

// relayDocument is relay where the document was read.
func (s *Server) relayDocument(r *request, doc []byte) error {
	q := backend.Question{Op: r.route.op, Method: r.route.method, Bucket: r.bucket, Key: r.key, Query: url.Values{}, Header: http.Header{}, Body: doc}
	for _, p := range r.query {
		if p.name != sdkHint && (p.name != "versionId" || p.value != "") {
			q.Query.Set(p.name, p.value)
		}
	}
	for _, h := range r.lines {
		switch {
		case matches(r.route.headers, h.Name):
			q.Header.Add(h.Name, h.Value)
		case strings.HasPrefix(h.Name, "x-amz-") && !matches(relayOwn, h.Name):
			return s3err.New(s3err.NotImplemented, "the header %s is not implemented for %s", h.Name, r.route.op)
		}
	}
	if len(doc) > 0 {
		q.Header.Set("Content-Type", "application/xml")
	}
	if r.key != "" {
		// Only of objects that this key seals.
		if _, _, err := s.access(r.ctx, r.bucket); err != nil {
			return err
		}
	}
	_, acl := q.Query["acl"]
	if acl && q.Method == http.MethodPut {
		if err := s.nameOwner(r.ctx, r, &q); err != nil {
			return err
		}
	}
	reply, err := s.backend.Relay(r.ctx, q)
	if err != nil {
		return err
	}
	for _, name := range relayAnswers {
		if v := reply.Header.Get(name); v != "" {
			r.http.Response.Header.Set(name, v)
		}
	}
	if reply.Code != "" || reply.Status >= 300 {
		return s3err.Relayed(reply.Status, reply.Code, reply.Message)
	}
	r.http.SetStatusCode(reply.Status)
	if t := reply.Header.Get("Content-Type"); t != "" {
		r.http.SetContentType(t)
	}
	body := reply.Body
	if acl {
		body = r.showOwner(body)
	}
	r.http.Response.SetBodyRaw(body)
	return nil
}

// matches says whether a list of names, some ending in *, has a name.
func matches(list []string, name string) bool {
	for _, p := range list {
		if p == name || strings.HasSuffix(p, "*") && strings.HasPrefix(name, p[:len(p)-1]) {
			return true
		}
	}
	return false
}
