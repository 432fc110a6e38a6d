package s3err

import "net/http"

// Code is the <Code> of an S3 error document.
type Code string

// The codes this proxy can answer; errors of a later surface are here already,
// so that a status is decided once.
const (
	AccessDenied                      Code = "AccessDenied"
	AuthorizationHeaderMalformed      Code = "AuthorizationHeaderMalformed"
	AuthorizationQueryParametersError Code = "AuthorizationQueryParametersError"
	BadDigest                         Code = "BadDigest"
	BucketAlreadyExists               Code = "BucketAlreadyExists"
	BucketAlreadyOwnedByYou           Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty                    Code = "BucketNotEmpty"
	ConditionalRequestConflict        Code = "ConditionalRequestConflict"
	EntityTooLarge                    Code = "EntityTooLarge"
	EntityTooSmall                    Code = "EntityTooSmall"
	IncompleteBody                    Code = "IncompleteBody"
	InternalError                     Code = "InternalError"
	InvalidAccessKeyId                Code = "InvalidAccessKeyId"
	InvalidArgument                   Code = "InvalidArgument"
	InvalidBucketName                 Code = "InvalidBucketName"
	InvalidDigest                     Code = "InvalidDigest"
	InvalidPart                       Code = "InvalidPart"
	InvalidPartNumber                 Code = "InvalidPartNumber"
	InvalidPartOrder                  Code = "InvalidPartOrder"
	InvalidRange                      Code = "InvalidRange"
	InvalidRequest                    Code = "InvalidRequest"
	InvalidURI                        Code = "InvalidURI"
	KeyTooLongError                   Code = "KeyTooLongError"
	MalformedTrailerError             Code = "MalformedTrailerError"
	MalformedXML                      Code = "MalformedXML"
	MetadataTooLarge                  Code = "MetadataTooLarge"
	MethodNotAllowed                  Code = "MethodNotAllowed"
	MissingContentLength              Code = "MissingContentLength"
	MissingRequestBodyError           Code = "MissingRequestBodyError"
	MissingSecurityHeader             Code = "MissingSecurityHeader"
	NoSuchBucket                      Code = "NoSuchBucket"
	NoSuchKey                         Code = "NoSuchKey"
	NoSuchUpload                      Code = "NoSuchUpload"
	NotImplemented                    Code = "NotImplemented"
	OperationAborted                  Code = "OperationAborted"
	PreconditionFailed                Code = "PreconditionFailed"
	RequestHeaderSectionTooLarge      Code = "RequestHeaderSectionTooLarge"
	RequestTimeout                    Code = "RequestTimeout"
	RequestTimeTooSkewed              Code = "RequestTimeTooSkewed"
	ServiceUnavailable                Code = "ServiceUnavailable"
	SignatureDoesNotMatch             Code = "SignatureDoesNotMatch"
	SlowDown                          Code = "SlowDown"
	UserKeyMustBeSpecified            Code = "UserKeyMustBeSpecified"
	XAmzContentSHA256Mismatch         Code = "XAmzContentSHA256Mismatch"
)

type row struct {
	status  int
	message string
}

// table gives every code its HTTP status and default message; it is never
// changed.
var table = map[Code]row{
	AccessDenied:                      {http.StatusForbidden, "Access denied."},
	AuthorizationHeaderMalformed:      {http.StatusBadRequest, "The Authorization header is malformed."},
	AuthorizationQueryParametersError: {http.StatusBadRequest, "The authorization in the query is malformed."},
	BadDigest:                         {http.StatusBadRequest, "The body does not have the given Content-MD5 or checksum."},
	BucketAlreadyExists:               {http.StatusConflict, "The bucket name is taken."},
	BucketAlreadyOwnedByYou:           {http.StatusConflict, "The bucket exists and is yours."},
	BucketNotEmpty:                    {http.StatusConflict, "The bucket is not empty."},
	ConditionalRequestConflict:        {http.StatusConflict, "A conflicting conditional write is in progress; try again."},
	EntityTooLarge:                    {http.StatusBadRequest, "The object is larger than allowed."},
	EntityTooSmall:                    {http.StatusBadRequest, "A part is smaller than allowed."},
	IncompleteBody:                    {http.StatusBadRequest, "The body ended before its Content-Length."},
	InternalError:                     {http.StatusInternalServerError, "Internal error."},
	InvalidAccessKeyId:                {http.StatusForbidden, "The access key is not known here."},
	InvalidArgument:                   {http.StatusBadRequest, "An argument is invalid."},
	InvalidBucketName:                 {http.StatusBadRequest, "The bucket name is invalid."},
	InvalidDigest:                     {http.StatusBadRequest, "The Content-MD5 is not valid."},
	InvalidPart:                       {http.StatusBadRequest, "A part was not uploaded, or has another ETag."},
	InvalidPartNumber:                 {http.StatusRequestedRangeNotSatisfiable, "The object does not have this part."},
	InvalidPartOrder:                  {http.StatusBadRequest, "The parts are not in ascending order."},
	InvalidRange:                      {http.StatusRequestedRangeNotSatisfiable, "The range lies outside the object."},
	InvalidRequest:                    {http.StatusBadRequest, "The request is invalid."},
	InvalidURI:                        {http.StatusBadRequest, "The request target cannot be parsed."},
	KeyTooLongError:                   {http.StatusBadRequest, "The key is too long."},
	MalformedTrailerError:             {http.StatusBadRequest, "The trailer of the body is malformed."},
	MalformedXML:                      {http.StatusBadRequest, "The document is malformed."},
	MetadataTooLarge:                  {http.StatusBadRequest, "The metadata is too large."},
	MethodNotAllowed:                  {http.StatusMethodNotAllowed, "The method is not allowed against this resource."},
	MissingContentLength:              {http.StatusLengthRequired, "The Content-Length header is required."},
	MissingRequestBodyError:           {http.StatusBadRequest, "The body is empty."},
	MissingSecurityHeader:             {http.StatusBadRequest, "A header that signing needs is missing."},
	NoSuchBucket:                      {http.StatusNotFound, "The bucket does not exist."},
	NoSuchKey:                         {http.StatusNotFound, "The key does not exist."},
	NoSuchUpload:                      {http.StatusNotFound, "The multipart upload does not exist."},
	NotImplemented:                    {http.StatusNotImplemented, "This is not implemented."},
	OperationAborted:                  {http.StatusConflict, "A conflicting operation is in progress; try again."},
	PreconditionFailed:                {http.StatusPreconditionFailed, "A condition of the request does not hold."},
	RequestHeaderSectionTooLarge:      {http.StatusBadRequest, "The request's headers are too large."},
	RequestTimeout:                    {http.StatusBadRequest, "The request was not received in time."},
	RequestTimeTooSkewed:              {http.StatusForbidden, "The request's time is too far from the server's."},
	ServiceUnavailable:                {http.StatusServiceUnavailable, "The service is not available; try again."},
	SignatureDoesNotMatch:             {http.StatusForbidden, "The signature does not match."},
	SlowDown:                          {http.StatusServiceUnavailable, "Please reduce the request rate."},
	UserKeyMustBeSpecified:            {http.StatusBadRequest, "A key is empty."},
	XAmzContentSHA256Mismatch:         {http.StatusBadRequest, "The body does not have the signed SHA-256."},
}

// Status is the code's HTTP status; that of InternalError for a code that is
// not in the table.
func (c Code) Status() int { return c.row().status }

// Message is the code's default text.
func (c Code) Message() string { return c.row().message }

func (c Code) row() row {
	if r, ok := table[c]; ok {
		return r
	}
	return table[InternalError]
}
