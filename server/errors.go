package server

import (
	"context"
	"errors"
	"strconv"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// fault is one row of the error table: what went wrong, what the client is
// told, and under which label it is counted. Details go to the log alone.
type fault struct {
	is    error
	code  s3err.Code
	text  string
	label string // of encryption_errors_total, auth_failures_total or errors_total
	class faultClass
}

// faultClass says which counter a fault belongs to and how loud it is.
type faultClass uint8

const (
	clientFault    faultClass = iota + 1 // the request: nobody here need act
	authFault                            // the signature
	keyFault                             // the key is missing or the wrong one
	integrityFault                       // stored bytes are not what was sealed
	backendFault                         // the store, or the way to it
	overload                             // we are full
)

// faults is tried in order; the first that errors.Is matches answers. Integrity
// is 500 and never 404: PBS renames a chunk on 404.
var faults = []fault{
	{ErrKeysUnavailable, s3err.ServiceUnavailable, "the key agent cannot be asked; try again", "key_agent", keyFault},
	{format.ErrNoKey, s3err.ServiceUnavailable, "no encryption key is loaded", "no_key", keyFault},
	{format.ErrKeyUnknown, s3err.ServiceUnavailable, "the object is sealed with a key that is not loaded", "key_unknown", keyFault},
	{errStateKey, s3err.ServiceUnavailable, "the loaded key is not this bucket's key", "wrong_key", keyFault},
	{errStateMissing, s3err.ServiceUnavailable, "the bucket is not initialised for sealing, or its state was lost", "state_missing", integrityFault},
	{errStateName, s3err.ServiceUnavailable, "the bucket's state belongs to another bucket", "state_swapped", integrityFault},
	{errNoConditions, s3err.ServiceUnavailable, "the backend does not honour conditional writes, which initialising a bucket needs", "no_conditions", backendFault},
	{errNoCreateOnly, s3err.NotImplemented, "the backend does not honour conditional writes, without which an append-only credential cannot write", "no_conditions", backendFault},
	{errClosing, s3err.SlowDown, "the bucket is being removed; try again", "closing", clientFault},
	{errReplaced, s3err.ServiceUnavailable, "the bucket was removed while it was written to; try again", "replaced", clientFault},
	{errStateLayout, s3err.ServiceUnavailable, "the bucket's state asks for a newer version", "state_layout", integrityFault},
	{errStateNames, s3err.ServiceUnavailable, "the bucket's names are not sealed, though the configuration says so", "state_settings", integrityFault},
	{errStatePadding, s3err.ServiceUnavailable, "the bucket's sizes are not padded, though the configuration says so", "state_settings", integrityFault},
	{format.ErrMetadataTooLarge, s3err.MetadataTooLarge, "the metadata does not fit the object block", "metadata_too_large", clientFault},
	{format.ErrMetadataInvalid, s3err.InvalidArgument, "the metadata holds bytes that cannot be kept", "metadata_invalid", clientFault},
	{format.ErrForeign, s3err.InternalError, "the stored object was not sealed by this system", "foreign", integrityFault},
	{format.ErrNotSealed, s3err.InternalError, "the stored object is not sealed", "not_sealed", integrityFault},
	{format.ErrVersion, s3err.InternalError, "the stored object has another format version", "version", integrityFault},
	{format.ErrUnsupported, s3err.InternalError, "the stored object uses a feature this version does not have", "unsupported", integrityFault},
	{format.ErrCommit, s3err.InternalError, "the stored object is not the one that was sealed under this name", "commitment", integrityFault},
	{format.ErrIntegrity, s3err.InternalError, "the stored object was changed", "integrity", integrityFault},

	{errBodyShort, s3err.IncompleteBody, "The request body terminated unexpectedly", "body_short", clientFault},
	{errBodyStalled, s3err.RequestTimeout, "the body made no progress", "body_stalled", clientFault},
	{errFormEnd, s3err.MalformedPOSTRequest, "the file is not the last field of the form, or its boundary is missing", "form_end", clientFault},
	{errBodySHA256, s3err.XAmzContentSHA256Mismatch, "", "body_sha256", clientFault},
	{errBodyMD5, s3err.BadDigest, "", "body_md5", clientFault},
	{errBodyChecksum, s3err.BadDigest, "the body does not have the given checksum", "body_checksum", clientFault},
	{sigv4.ErrFraming, s3err.IncompleteBody, "The request body terminated unexpectedly", "body_framing", clientFault},
	{sigv4.ErrChunkSignature, s3err.SignatureDoesNotMatch, "the signature of a chunk does not match", "chunk_signature", authFault},
	{sigv4.ErrDecodedLength, s3err.IncompleteBody, "", "body_decoded_length", clientFault},
	{sigv4.ErrChunkSize, s3err.InvalidChunkSizeError, "", "chunk_size", clientFault},
	{sigv4.ErrTrailer, s3err.MalformedTrailerError, "the trailer is not the one that x-amz-trailer announced", "body_trailer", clientFault},

	{pipeline.ErrBusy, s3err.SlowDown, "too many bodies are in motion; try again", "busy", overload},
	{pipeline.ErrTooLarge, s3err.SlowDown, "the memory budget is too small for this object", "too_large", overload},
	{errDraining, s3err.SlowDown, "the proxy is shutting down; try again", "draining", overload},
	{pipeline.ErrClosed, s3err.ServiceUnavailable, "the proxy is shutting down", "closed", overload},
	{pipeline.ErrShortSource, s3err.ServiceUnavailable, "the backend ended early", "backend_short", backendFault},
	{backend.ErrShort, s3err.ServiceUnavailable, "the backend ended early", "backend_short", backendFault},
	{context.Canceled, s3err.ServiceUnavailable, "the proxy is shutting down", "cancelled", overload},

	{sigv4.ErrTarget, s3err.InvalidURI, "the request target is malformed", "target", authFault},
	{sigv4.ErrDate, s3err.AccessDenied, "AWS authentication requires a valid Date or x-amz-date header.", "date", authFault},
	{sigv4.ErrHeader, s3err.InvalidRequest, "the headers are malformed", "header", authFault},
	{sigv4.ErrRepeatedHeader, s3err.InvalidRequest, "a header that has one value is repeated", "repeated_header", authFault},
	{sigv4.ErrAuthType, s3err.InvalidArgument, "Unsupported Authorization Type", "unsupported_auth", authFault},
	{sigv4.ErrAuthForm, s3err.InvalidArgument, "Authorization header is invalid -- one and only one ' ' (space) required.", "unsupported_auth", authFault},
	{sigv4.ErrUnsupportedAuth, s3err.InvalidRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.", "unsupported_auth", authFault},
	{sigv4.ErrBothAuth, s3err.InvalidArgument, "the request is signed twice", "both_auth", authFault},
	{sigv4.ErrUnknownKey, s3err.InvalidAccessKeyId, "", "unknown_key", authFault},
	{sigv4.ErrSignature, s3err.SignatureDoesNotMatch, "", "signature", authFault},
	{sigv4.ErrSkewed, s3err.RequestTimeTooSkewed, "the request's time is too far from the proxy's", "skewed", authFault},
	{sigv4.ErrMissingAuth, s3err.AccessDenied, "", "missing", authFault},
	{errAnonymousOverrides, s3err.InvalidRequest, "Request specific response headers cannot be used for anonymous GET requests.", "missing", authFault},
	{sigv4.ErrToken, s3err.InvalidToken, "", "presigned_token", authFault},
	{sigv4.ErrQueryScheme, s3err.AuthorizationQueryParametersError, `X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"`, "presigned_version", authFault},
	{sigv4.ErrQueryAuth, s3err.InvalidRequest, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.", "presigned_version", authFault},
	{sigv4.ErrPresigned, s3err.AuthorizationQueryParametersError, "the presigned query is malformed", "presigned", authFault},
	{sigv4.ErrExpired, s3err.AccessDenied, "Request has expired.", "expired", authFault},
	{sigv4.ErrUnsignedHeader, s3err.AccessDenied, "There were headers present in the request which were not signed", "unsigned_header", authFault},
	{sigv4.ErrMissingSHA, s3err.InvalidRequest, "Missing required header for this request: x-amz-content-sha256", "missing_sha256", authFault},
	{sigv4.ErrInvalidSHA, s3err.InvalidArgument, "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.", "invalid_sha256", authFault},
	{sigv4.ErrUnsupportedPayload, s3err.NotImplemented, "this form of aws-chunked body is not implemented", "chunked_payload", authFault},
	{sigv4.ErrMalformed, s3err.AuthorizationHeaderMalformed, "the Authorization header is malformed", "malformed", authFault},
}

// backendFaults says what a client is told of a backend's answer. Anything not
// here is 503: a client tries again, and PBS never takes it for absence.
var backendFaults = map[backend.Kind]fault{
	backend.Unreachable:  backendUnreachable,
	backend.NotFound:     {code: s3err.NoSuchKey, text: "", label: "not_found", class: clientFault},
	backend.NoBucket:     {code: s3err.NoSuchBucket, text: "", label: "no_bucket", class: clientFault},
	backend.Precondition: {code: s3err.PreconditionFailed, text: "", label: "precondition", class: clientFault},
	backend.Conflict:     {code: s3err.ConditionalRequestConflict, text: "another write is in progress; try again", label: "conflict", class: clientFault},
	backend.Denied:       {code: s3err.ServiceUnavailable, text: "the backend refused the proxy's credentials", label: "denied", class: backendFault},
	backend.Invalid:      {code: s3err.ServiceUnavailable, text: "the backend refused the request", label: "invalid", class: backendFault},
}

// backendUnavailable is every other failure of the backend.
var backendUnavailable = fault{code: s3err.ServiceUnavailable, text: "the backend is not available", label: "unavailable", class: backendFault}

// backendUnreachable: nothing answers at the backend's address.
var backendUnreachable = fault{code: s3err.ServiceUnavailable, text: "the backend cannot be reached; try again", label: "unreachable", class: backendFault}

// relayedLabel is that of the backend's own refusals, where they are passed on.
const relayedLabel = "relayed"

// Faults that no error of their own stands for.
var (
	archivedFault = fault{code: s3err.InvalidObjectState, text: "", label: "archived", class: clientFault}
	lockedFault   = fault{code: s3err.AccessDenied, text: "Access Denied because object protected by object lock.", label: "object_lock", class: clientFault}
	internalFault = fault{code: s3err.InternalError, text: "internal error", label: "internal", class: backendFault}
)

// clientLeft is a request whose client closed the connection: nobody's fault here.
var clientLeft = fault{code: s3err.ServiceUnavailable, text: "the client closed the connection", label: "client_left", class: clientFault}

// faultOf is that of an error, seen from its request: the request's context ends with
// the server or with the client, and an answer breaks for either side's sake.
func (s *Server) faultOf(r *request, err error) fault {
	var gone clientGone
	if errors.As(err, &gone) || errors.Is(err, context.Canceled) && r.ctx.Err() != nil && s.ctx.Err() == nil {
		return clientLeft
	}
	return faultOf(err)
}

// faultOf finds the row of an error. An *s3err.Error was made where the cause
// was known and speaks for itself.
func faultOf(err error) fault {
	for _, f := range faults {
		if errors.Is(err, f.is) {
			return f
		}
	}
	var own *s3err.Error
	if errors.As(err, &own) {
		label := string(own.Code)
		if own.IsRelayed() {
			label = relayedLabel // the backend chooses its codes; labels must not grow with them
		}
		return fault{code: own.Code, text: own.Message, label: label, class: clientFault}
	}
	if isArchived(err) {
		return archivedFault
	}
	if locked(err) {
		return lockedFault
	}
	if f, ok := backendFaults[backendKind(err)]; ok {
		return f
	}
	if backendKind(err) != noKind {
		return backendUnavailable
	}
	return internalFault
}

// answerOf is the client's side of an error: its row, or what the error itself has
// for the client.
func answerOf(err error) *s3err.Error {
	f := faultOf(err)
	e := s3err.Wrap(f.code, err, f.text)
	var own *s3err.Error
	var detail *sigv4.Detail
	var wrong *wrongDigest
	switch {
	case errors.As(err, &own) && own.Code == f.code:
		if own.IsRelayed() {
			return own
		}
		e.Fields = own.Fields
	case errors.As(err, &wrong):
		wrong.show(e)
	case errors.As(err, &detail):
		if detail.Text != "" {
			e.Message = detail.Text
		}
		if detail.Name == "" {
			break
		}
		if f.code == s3err.InvalidArgument {
			e.Fields = s3err.Argument(detail.Name, detail.Value, "").Fields
		} else {
			e.With(detail.Name, detail.Value)
		}
		for _, more := range detail.More {
			e.With(more.Name, more.Value)
		}
	}
	return e
}

// noKind is the kind of an error that did not come from the backend.
var noKind backend.Kind

// backendKind is the kind of a backend error anywhere in err, else noKind.
func backendKind(err error) backend.Kind {
	var e *backend.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return noKind
}

// unreadable says that an object's stored bytes can never be opened, with any
// key: not sealed, or changed.
func unreadable(err error) bool {
	for _, e := range []error{format.ErrForeign, format.ErrNotSealed, format.ErrCommit, format.ErrIntegrity} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fail answers an error that came before the first byte of an answer.
func (s *Server) fail(r *request, err error) {
	f := s.faultOf(r, err)
	s.metrics.fault(f)
	h := &r.http.Response.Header
	contentRange := string(h.Peek("Content-Range")) // of a 416
	r.resetAnswer()
	answer := answerOf(err)
	if f.code == s3err.InvalidAccessKeyId || f.code == s3err.SignatureDoesNotMatch {
		r.showClaim(answer)
	}
	writeError(r.http, answer, r.resource(), r.id)
	r.showMarker(err)
	if f.class == overload || f == backendUnreachable || f == backendUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfterSeconds))
	}
	if f.code == s3err.InvalidRange && contentRange != "" {
		h.Set("Content-Range", contentRange)
	}
}

// retryAfterSeconds is what a client is asked to wait for a full proxy, or a backend
// that is away.
const retryAfterSeconds = 2
