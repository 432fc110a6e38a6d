package backend

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// verdict fills in what an answer of the store means. Whatever is not listed is Busy: to call an
// unknown fault "not found" would let a client delete or rename good data.
func verdict(f *fault, at *attempt, r *replyError) {
	call := at.call
	switch {
	case r.status < 300 && r.code == "PreconditionFailed" && call.conditional:
		// CompleteMultipartUpload may send its 200 before it knows.
		f.Kind = Precondition
	case r.status < 300:
		f.retry, f.reached, f.malformed = true, true, r.code == ""
	case throttles(r):
		f.retry, f.throttled = true, true
	case r.status >= 500:
		f.retry = r.status != http.StatusNotImplemented && r.status != http.StatusHTTPVersionNotSupported
		f.reached = true
	case r.status == http.StatusRequestTimeout:
		f.retry = true
	case r.status == http.StatusBadRequest:
		badRequest(f, r)
	case r.status == http.StatusUnauthorized, r.status == http.StatusForbidden:
		f.Kind = Denied
	case r.status == http.StatusNotFound:
		absent(f, call, r)
	case r.status == http.StatusMethodNotAllowed && r.marker != nil && call.object:
		f.Kind = Invalid
	case r.status == http.StatusConflict:
		f.retry = r.code == "OperationAborted"
		if call.conditional {
			f.Kind, f.retry = Conflict, false
		}
	case r.status == http.StatusPreconditionFailed:
		if call.conditional {
			f.Kind = Precondition
		}
	case r.status == http.StatusRequestedRangeNotSatisfiable:
		f.Kind, f.err = Invalid, ErrRange
	}
}

// absent judges a 404. Only a code, or the answer to a HEAD, which has no body to hold one, proves that
// something is missing; a load balancer without a live server answers 404 as well.
func absent(f *fault, call *call, r *replyError) {
	switch {
	case r.code == "NoSuchBucket":
		f.Kind = NoBucket
	case (r.code == "NoSuchKey" || r.code == "NoSuchVersion") && call.object:
		f.Kind = NotFound
	case r.code == "NoSuchUpload":
		f.Kind = Invalid
	case call.answer == answerHead && !r.html && call.object:
		f.Kind = NotFound
	case call.answer == answerHead && !r.html && call.bucket:
		f.Kind = NoBucket
	case r.code == "":
		f.retry = true
	}
}

// badRequest judges a 400: some are the network's fault, some the caller's.
func badRequest(f *fault, r *replyError) {
	switch r.code {
	case "RequestTimeout", "IncompleteBody", "InternalError", "BadDigest":
		// The store did not get the bytes that were sent.
		f.retry = true
	case "EntityTooSmall", "EntityTooLarge", "InvalidPart", "InvalidPartOrder", "InvalidPartNumber",
		"KeyTooLongError", "InvalidBucketName", "InvalidRange", "InvalidArgument", "InvalidRequest":
		f.Kind = Invalid
	}
}

// throttles tells whether the answer asks for fewer requests. Some stores do so with a 403.
func throttles(r *replyError) bool {
	switch r.status {
	case http.StatusTooManyRequests, 509, 529:
		return true
	case http.StatusServiceUnavailable:
		return r.code == "SlowDown"
	case http.StatusForbidden, http.StatusBadRequest:
	default:
		return false
	}
	if slices.Contains(throttleCodes[:], r.code) {
		return true
	}
	if r.status != http.StatusForbidden {
		return false
	}
	if r.asksToWait {
		return true
	}
	m := strings.ToLower(r.message)
	for _, s := range throttleWords {
		if strings.Contains(m, s) {
			return true
		}
	}
	return false
}

// throttleCodes are the S3 and AWS error codes of throttling, whatever status they come with.
var throttleCodes = [...]string{
	"SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
	"RequestThrottledException", "RequestLimitExceeded", "TooManyRequests", "TooManyRequestsException",
	"BandwidthLimitExceeded", "LimitExceededException", "ProvisionedThroughputExceededException",
	"PriorRequestNotComplete", "RequestRateTooLarge", "RateLimitExceeded",
}

var throttleWords = [...]string{"throttl", "rate limit", "rate exceeded", "too many requests", "slow down", "reduce your request rate"}

// retryTransport tells whether a transport error can pass by itself.
func retryTransport(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var record tls.RecordHeaderError
	return !errors.As(err, &verification) && !errors.As(err, &authority) && !errors.As(err, &host) && !errors.As(err, &record)
}
