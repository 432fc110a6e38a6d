package sigv4

import (
	"errors"
	"fmt"
)

// What Verify returns, wrapped with the offending header's name at most: never
// a secret, never the signature that was expected. doc.go has the S3 code that
// each maps to.
//
// Errors of the second group are also their parent (errors.Is), so a caller may
// tell the parent alone.
var (
	// ErrMissingAuth: no Authorization header and no query signature.
	ErrMissingAuth = errors.New("cannot verify the request: it is not signed")
	// ErrQueryAuth: the query carries a signature of another version than 4, or
	// of a temporary credential.
	ErrQueryAuth = errors.New("cannot verify the request: its query is not signed with version 4")
	// ErrPresigned: the parameters of a presigned request are incomplete,
	// repeated or malformed.
	ErrPresigned = errors.New("cannot verify the request: the presigned query is malformed")
	// ErrExpired: a presigned request came after its X-Amz-Expires.
	ErrExpired = errors.New("cannot verify the request: it has expired")
	// ErrMalformed: the Authorization header, or what it refers to, is not
	// well-formed.
	ErrMalformed = errors.New("cannot verify the request: the authorization is malformed")
	// ErrUnknownKey: nobody has this access key.
	ErrUnknownKey = errors.New("cannot verify the request: the access key is unknown")
	// ErrSignature: the request is not what the holder of the secret signed.
	ErrSignature = errors.New("cannot verify the request: the signature does not match")
	// ErrSkewed: the request's time is more than MaxSkew away from ours.
	ErrSkewed = errors.New("cannot verify the request: its time is too far from ours")
	// ErrUnsignedHeader: a header that would change the request's meaning is
	// present and not signed.
	ErrUnsignedHeader = errors.New("cannot verify the request: a header that must be signed is not")
	// ErrMissingSHA: x-amz-content-sha256 is absent.
	ErrMissingSHA = errors.New("cannot verify the request: x-amz-content-sha256 is missing")
	// ErrInvalidSHA: x-amz-content-sha256 has none of the defined values.
	ErrInvalidSHA = errors.New("cannot verify the request: x-amz-content-sha256 is invalid")
	// ErrUnsupportedPayload: x-amz-content-sha256 announces a framing that is
	// not one of the three aws-chunked ones.
	ErrUnsupportedPayload = errors.New("cannot verify the request: this aws-chunked form is not supported")

	// What a Stream returns, beside the errors of its source.

	// ErrFraming: the body is not well-formed aws-chunked.
	ErrFraming = errors.New("cannot read the body: its aws-chunked framing is malformed")
	// ErrChunkSignature: a chunk or the trailer is not what was signed.
	ErrChunkSignature = errors.New("cannot read the body: a chunk's signature does not match")
	// ErrDecodedLength: the chunks do not add up to x-amz-decoded-content-length.
	ErrDecodedLength = errors.New("cannot read the body: its chunks do not add up to the declared length")
	// ErrChunkSize: a chunk that is not the last one is too small.
	ErrChunkSize = errors.New("cannot read the body: a chunk is too small")
	// ErrTrailer: the trailing headers are not the ones x-amz-trailer announced.
	ErrTrailer = errors.New("cannot read the body: its trailer is not the announced one")
)

var (
	// ErrBothAuth: signed in the header and in the query; two readers could
	// take different identities from it.
	ErrBothAuth = fmt.Errorf("%w: both the header and the query are signed", ErrMalformed)
	// ErrUnsupportedAuth: another scheme than AWS4-HMAC-SHA256.
	ErrUnsupportedAuth = fmt.Errorf("%w: the scheme is not AWS4-HMAC-SHA256", ErrMalformed)
	// ErrAuthType: a scheme that S3 never had.
	ErrAuthType = fmt.Errorf("%w, nor another of S3's", ErrUnsupportedAuth)
	// ErrAuthForm: the Authorization header is not a scheme, one space and fields.
	ErrAuthForm = fmt.Errorf("%w: the header has no fields", ErrUnsupportedAuth)
	// ErrQueryScheme: the presigned query names another scheme than AWS4-HMAC-SHA256.
	ErrQueryScheme = fmt.Errorf("%w: its scheme is another", ErrQueryAuth)
	// ErrToken: the presigned query carries the token of a temporary credential.
	ErrToken = fmt.Errorf("%w: it carries a token", ErrQueryAuth)
	// ErrScope: the credential scope is not <day of the request>/<region>/s3/aws4_request.
	ErrScope = fmt.Errorf("%w: the credential scope is wrong", ErrMalformed)
	// ErrDate: neither x-amz-date nor Date gives a valid time.
	ErrDate = fmt.Errorf("%w: there is no valid x-amz-date or Date", ErrMalformed)
	// ErrTarget: the request target or method is not one that HTTP allows for
	// S3, or its query cannot be decoded.
	ErrTarget = fmt.Errorf("%w: the request target is invalid", ErrMalformed)
	// ErrHeader: the header block is too large, or holds a name or value that
	// HTTP does not allow.
	ErrHeader = fmt.Errorf("%w: the headers are invalid", ErrMalformed)
	// ErrRepeatedHeader: a header that can have one value only came twice.
	ErrRepeatedHeader = fmt.Errorf("%w: a header is repeated", ErrMalformed)
	// ErrAbsentHeader: a header was signed that did not arrive.
	ErrAbsentHeader = fmt.Errorf("%w: a signed header is absent", ErrSignature)
)
