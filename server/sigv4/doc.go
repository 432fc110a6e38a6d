// Package sigv4 verifies AWS Signature Version 4 in its header form, and makes
// such signatures for tests, benchmarks and clients.
//
// Source: "Signature Calculations for the Authorization Header", Amazon S3 API
// reference. It works on the raw request target and the header lines as they
// came over the wire: whatever a server normalises, joins or decodes is not what
// was signed.
//
// # What must be signed
//
// host, the date header that is used, x-amz-content-sha256, and every x-amz-*
// header of the request: otherwise somebody on the way could add
// x-amz-copy-source and turn a PUT into a copy. Content-MD5, if-match and
// if-none-match too, when present, since they decide what is stored. Content-Type
// need not be: AWS's own tools leave it out at times, and it changes no byte.
//
// # Errors
//
// Every refusal is one sentinel, listed in errors.go; none of them, and no
// message, holds a secret or the signature that was expected.
//
// A Verifier is safe for concurrent use.
package sigv4
