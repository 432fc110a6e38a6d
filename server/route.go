package server

import (
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// level says what a target names.
type level uint8

const (
	onService level = iota + 1 // /
	onBucket                   // /bucket or /bucket/
	onObject                   // /bucket/key
)

// bodyKind says what an operation does with the request's body.
type bodyKind uint8

const (
	noBody       bodyKind = iota + 1 // must be empty
	smallBody                        // a document, read whole within maxDeleteBody
	optionalBody                     // the same, or nothing
	objectBody                       // the object: streamed, length declared
	listBody                         // a document as smallBody, within maxPartList
)

// authRule says what a caller must have proved. There is one rule today; an
// empty cell is a hole, which TestRouteTableIsComplete refuses.
type authRule uint8

const signed authRule = 1 // SigV4 in the Authorization header

// route is one S3 operation: how it is recognised, and what it may do.
type route struct {
	op     string // S3's name of the operation, the label in metrics and logs
	method string
	level  level
	// header, if set, must be present: it tells CopyObject from PutObject.
	header string
	// query names must all be present; allowed names may be. Any other query
	// name is an operation we do not have: 501, before any backend call, because
	// a store that ignores `?tagging` would overwrite the object with it.
	query   []string
	allowed []string
	headers []string // of a relayed operation: what is passed on
	// objectChecksum: x-amz-checksum headers speak of the object to be and not of
	// the request's body.
	objectChecksum bool
	auth           authRule
	needs          need // of the client's grant, for the target; Grant.Verbs narrows it further
	body           bodyKind
	serve          func(*Server, *request) error
}

// sdkHint is a parameter newer SDKs add to every call; it carries nothing.
const sdkHint = "x-id"

// responseNames replace headers of a read's answer.
var responseNames = []string{"response-content-type", "response-content-language", "response-expires", "response-cache-control", "response-content-disposition", "response-content-encoding"}

// readNames are what a read of an object may have in its query.
var readNames = append([]string{"partNumber", versionParam, checksumMode, checksumModeParam}, responseNames...)

// routes is every operation, in the order they are tried.
var routes = append(append(relayRoutes, corsRoutes...), []route{
	{op: "ListBuckets", method: "GET", level: onService, allowed: []string{"max-buckets", "continuation-token", "prefix", "bucket-region"}, auth: signed, needs: toList, body: noBody, serve: (*Server).listBuckets},
	{op: "HeadBucket", method: "HEAD", level: onBucket, auth: signed, needs: toRead, body: noBody, serve: (*Server).headBucket},
	{op: "ListObjectsV2", method: "GET", level: onBucket, query: []string{"list-type"},
		allowed: []string{"prefix", "delimiter", "continuation-token", "start-after", "max-keys", "encoding-type", "fetch-owner", "metadata"}, // minio's clients ask for metadata, and do without
		auth:    signed, needs: toList, body: noBody, serve: (*Server).listObjects},
	{op: "ListObjectVersions", method: "GET", level: onBucket, query: []string{"versions"},
		allowed: []string{"prefix", "delimiter", "key-marker", "version-id-marker", "max-keys", "encoding-type"},
		auth:    signed, needs: toList, body: noBody, serve: (*Server).listVersions},
	{op: "GetBucketLocation", method: "GET", level: onBucket, query: []string{"location"}, auth: signed, needs: toRead, body: noBody, serve: (*Server).bucketLocation},
	{op: "ListObjects", method: "GET", level: onBucket,
		allowed: []string{"prefix", "delimiter", "marker", "max-keys", "encoding-type"},
		auth:    signed, needs: toList, body: noBody, serve: (*Server).listObjectsV1},
	{op: "CreateBucket", method: "PUT", level: onBucket, auth: signed, needs: toConfigure, body: optionalBody, serve: (*Server).createBucket},
	{op: "DeleteBucket", method: "DELETE", level: onBucket, auth: signed, needs: toConfigure, body: noBody, serve: (*Server).deleteBucket},
	{op: "DeleteObjects", method: "POST", level: onBucket, query: []string{"delete"}, auth: signed, needs: toDelete, body: smallBody, serve: (*Server).deleteObjects},
	{op: "HeadObject", method: "HEAD", level: onObject, allowed: readNames, auth: signed, needs: toRead, body: noBody, serve: (*Server).headObject},
	{op: "GetObjectAttributes", method: "GET", level: onObject, query: []string{"attributes"}, allowed: []string{versionParam}, auth: signed, needs: toRead, body: noBody, serve: (*Server).objectAttributes},
	{op: "GetObject", method: "GET", level: onObject, allowed: readNames, auth: signed, needs: toRead, body: noBody, serve: (*Server).getObject},
	{op: "RestoreObject", method: "POST", level: onObject, query: []string{"restore"}, allowed: []string{versionParam}, auth: signed, needs: toOverwrite, body: optionalBody, serve: (*Server).restoreObject},
	{op: "CreateMultipartUpload", method: "POST", level: onObject, query: []string{"uploads"}, objectChecksum: true, auth: signed, needs: toCreate, body: noBody, serve: (*Server).createUpload},
	{op: "ListParts", method: "GET", level: onObject, query: []string{"uploadId"}, allowed: []string{"max-parts", "part-number-marker", "encoding-type"}, auth: signed, needs: toCreate, body: noBody, serve: (*Server).listParts},
	{op: "ListMultipartUploads", method: "GET", level: onBucket, query: []string{"uploads"},
		allowed: []string{"prefix", "delimiter", "encoding-type", "key-marker", "upload-id-marker", "max-uploads"},
		auth:    signed, needs: toList, body: noBody, serve: (*Server).listUploads},
	{op: "UploadPartCopy", method: "PUT", level: onObject, header: "x-amz-copy-source", query: []string{"partNumber", "uploadId"}, auth: signed, needs: toCreate, body: noBody, serve: (*Server).uploadPartCopy},
	{op: "UploadPart", method: "PUT", level: onObject, query: []string{"partNumber", "uploadId"}, auth: signed, needs: toCreate, body: objectBody, serve: (*Server).uploadPart},
	{op: "CompleteMultipartUpload", method: "POST", level: onObject, query: []string{"uploadId"}, objectChecksum: true, auth: signed, needs: toCreate, body: listBody, serve: (*Server).completeMultipart},
	{op: "AbortMultipartUpload", method: "DELETE", level: onObject, query: []string{"uploadId"}, auth: signed, needs: toCreate, body: noBody, serve: (*Server).abortMultipart},
	{op: "CopyObject", method: "PUT", level: onObject, header: "x-amz-copy-source", objectChecksum: true, auth: signed, needs: toCreate, body: noBody, serve: (*Server).copyObject},
	{op: "PutObject", method: "PUT", level: onObject, auth: signed, needs: toCreate, body: objectBody, serve: (*Server).putObject},
	{op: "DeleteObject", method: "DELETE", level: onObject, allowed: []string{versionParam}, auth: signed, needs: toDelete, body: noBody, serve: (*Server).deleteObject},
}...)

// match finds the operation of a request. The query must hold exactly what a
// row names: nothing is ever ignored.
func match(method string, t target, hasHeader func(string) bool) (*route, error) {
	at := t.level()
	known := false
	for i := range routes {
		r := &routes[i]
		if r.level != at || r.method != method {
			known = known || r.level == at
			continue
		}
		if r.accepts(t.query) && (r.header == "" || hasHeader(r.header)) {
			return r, nil
		}
	}
	if at == onService && method == "HEAD" {
		// A client without path-style addressing asks for HEAD / where it means
		// its bucket: it must fail loudly.
		return nil, s3err.New(s3err.NoSuchBucket, "no bucket in the path: use path-style addressing")
	}
	hint := hintFor(at)
	if len(t.query) > 0 {
		return nil, s3err.New(s3err.NotImplemented, "the operation %s with %s is not implemented%s", method, names(t.query), hint)
	}
	if !known || method != "GET" && method != "PUT" && method != "POST" && method != "DELETE" && method != "HEAD" {
		return nil, s3err.New(s3err.MethodNotAllowed, "the method is not allowed here%s", hint)
	}
	return nil, s3err.New(s3err.NotImplemented, "the operation is not implemented%s", hint)
}

// hintFor says what a client probably got wrong, where its refusal can be told
// from one of an operation we lack. A virtual-hosted-style request has its bucket
// in the Host header, where we do not look: its path is one level short.
func hintFor(at level) string {
	if at == onService {
		return "; no bucket in the path: use path-style addressing"
	}
	return ""
}

func has(q query, name string) bool { _, ok := q.get(name); return ok }

func (r *route) accepts(q query) bool {
	for _, name := range r.query {
		if _, ok := q.get(name); !ok {
			return false
		}
	}
	for _, p := range q {
		if p.name != sdkHint && !contains(r.query, p.name) && !contains(r.allowed, p.name) {
			return false
		}
	}
	return true
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// names lists the parameter names of a query for an error text, bounded.
func names(q query) string {
	var b strings.Builder
	for i, p := range q {
		if i == 4 || b.Len() > 80 {
			b.WriteString(" …")
			break
		}
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(p.name[:min(len(p.name), 40)])
	}
	return b.String()
}
