package sigv4

import "errors"

// Each refusal, and the S3 code it is meant for.
var (
	ErrMissingAuth        = errors.New("the request is not signed")                                         // AccessDenied
	ErrQueryAuth          = errors.New("the request is presigned")                                          // NotImplemented
	ErrMalformed          = errors.New("the authorization is malformed")                                    // AuthorizationHeaderMalformed
	ErrUnknownKey         = errors.New("the access key is unknown")                                         // InvalidAccessKeyId
	ErrSignature          = errors.New("the signature does not match")                                      // SignatureDoesNotMatch
	ErrSkewed             = errors.New("the time of the request is too far off")                            // RequestTimeTooSkewed
	ErrUnsignedHeader     = errors.New("a header that must be signed is not")                               // AccessDenied
	ErrMissingSHA         = errors.New("x-amz-content-sha256 is missing")                                   // MissingSecurityHeader
	ErrInvalidSHA         = errors.New("x-amz-content-sha256 is neither a SHA-256 nor a known placeholder") // InvalidArgument
	ErrUnsupportedPayload = errors.New("the payload is signed in chunks")                                   // NotImplemented
)
