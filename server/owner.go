package server

import (
	"bytes"
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// To a client, the owner of everything is the access key it signs with: it has no
// account at the backend and need not know whose the proxy uses. Access control lists
// name owners, so they are translated on their way, both ways.

// owner is the client as S3 documents name it.
func (r *request) owner() owner { return owner{ID: r.accessKey, DisplayName: r.accessKey} }

// checkOwner holds the request to the owner that it expects, as S3 does before it
// touches the bucket.
func (r *request) checkOwner() error {
	for _, name := range []string{"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"} {
		if v := r.header(name); v != "" && v != r.accessKey {
			return s3err.New(s3err.AccessDenied, "")
		}
	}
	return nil
}

// aclOwner reads the owner's ID from an access control list.
func aclOwner(doc []byte) string {
	var acl struct {
		XMLName xml.Name
		Owner   struct{ ID string }
	}
	if readXML(doc, &acl) != nil || acl.XMLName.Local != "AccessControlPolicy" {
		return ""
	}
	return strings.TrimSpace(acl.Owner.ID)
}

// renamed replaces a name where it is an element's whole text.
func renamed(doc []byte, from, to string) []byte {
	text := func(s string) []byte {
		var b bytes.Buffer
		_ = xml.EscapeText(&b, []byte(s)) // a Buffer does not fail
		return append(append([]byte{'>'}, b.Bytes()...), '<')
	}
	return bytes.ReplaceAll(doc, text(from), text(to))
}

// showOwner turns the backend's owner in an answer into the client.
func (r *request) showOwner(doc []byte) []byte {
	if id := aclOwner(doc); id != "" {
		return renamed(doc, id, r.accessKey)
	}
	return doc
}

// nameOwner turns the client in a question about an access control list into the
// backend's owner, whom the list that is there names.
func (s *Server) nameOwner(ctx context.Context, r *request, q *backend.Question) error {
	grants := false
	for name, values := range q.Header {
		grants = grants || strings.HasPrefix(strings.ToLower(name), "x-amz-grant-") && strings.Contains(strings.Join(values, ","), r.accessKey)
	}
	if !grants && !bytes.Contains(q.Body, []byte(">"+r.accessKey+"<")) {
		return nil
	}
	now, err := s.backend.Relay(ctx, backend.Question{Op: q.Op, Method: http.MethodGet, Bucket: q.Bucket, Key: q.Key, Query: url.Values{"acl": {""}}})
	if err != nil {
		return err
	}
	if now.Code != "" || now.Status >= 300 {
		return s3err.Relayed(now.Status, now.Code, now.Message)
	}
	id := aclOwner(now.Body)
	if id == "" {
		return s3err.New(s3err.ServiceUnavailable, "the backend does not say who owns the bucket")
	}
	q.Body = renamed(q.Body, r.accessKey, id)
	for name, values := range q.Header {
		if !strings.HasPrefix(strings.ToLower(name), "x-amz-grant-") {
			continue
		}
		for i, v := range values {
			values[i] = renamedGrants(v, r.accessKey, id)
		}
	}
	return nil
}

// renamedGrants replaces a user in a list of grantees: id="user", id=user or the user
// alone.
func renamedGrants(list, from, to string) string {
	grantees := strings.Split(list, ",")
	for i, g := range grantees {
		kind, user, ok := strings.Cut(strings.TrimSpace(g), "=")
		if !ok {
			kind, user = "", kind
		}
		if strings.Trim(user, `"`) != from || ok && kind != "id" {
			continue
		}
		user = strings.Replace(user, from, to, 1)
		if ok {
			user = kind + "=" + user
		}
		grantees[i] = user
	}
	return strings.Join(grantees, ",")
}
