package s3err

import (
	"maps"
	"net/http"
	"slices"
)

// Code is the <Code> of an S3 error document.
type Code string

// The codes this proxy can answer; errors of a later surface are here already,
// so that a status is decided once.
const (
	AccessControlListNotSupported       Code = "AccessControlListNotSupported"
	AccessDenied                        Code = "AccessDenied"
	AccessForbidden                     Code = "AccessForbidden"
	AuthorizationHeaderMalformed        Code = "AuthorizationHeaderMalformed"
	AuthorizationQueryParametersError   Code = "AuthorizationQueryParametersError"
	BadDigest                           Code = "BadDigest"
	BadRequest                          Code = "BadRequest"
	BucketAlreadyExists                 Code = "BucketAlreadyExists"
	BucketAlreadyOwnedByYou             Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty                      Code = "BucketNotEmpty"
	ConditionalRequestConflict          Code = "ConditionalRequestConflict"
	EntityTooLarge                      Code = "EntityTooLarge"
	EntityTooSmall                      Code = "EntityTooSmall"
	IncompleteBody                      Code = "IncompleteBody"
	InternalError                       Code = "InternalError"
	InvalidAccessKeyId                  Code = "InvalidAccessKeyId"
	InvalidArgument                     Code = "InvalidArgument"
	InvalidBucketAclWithObjectOwnership Code = "InvalidBucketAclWithObjectOwnership"
	InvalidBucketName                   Code = "InvalidBucketName"
	InvalidChunkSizeError               Code = "InvalidChunkSizeError"
	InvalidDigest                       Code = "InvalidDigest"
	InvalidName                         Code = "400" // S3 says so of keys that climb out of their bucket
	InvalidLocationConstraint           Code = "InvalidLocationConstraint"
	InvalidObjectState                  Code = "InvalidObjectState"
	InvalidPart                         Code = "InvalidPart"
	InvalidPartNumber                   Code = "InvalidPartNumber"
	InvalidPartOrder                    Code = "InvalidPartOrder"
	InvalidPolicyDocument               Code = "InvalidPolicyDocument"
	InvalidRange                        Code = "InvalidRange"
	InvalidRedirectLocation             Code = "InvalidRedirectLocation"
	InvalidRequest                      Code = "InvalidRequest"
	InvalidTag                          Code = "InvalidTag"
	InvalidToken                        Code = "InvalidToken"
	InvalidURI                          Code = "InvalidURI"
	KeyTooLongError                     Code = "KeyTooLongError"
	MalformedPOSTRequest                Code = "MalformedPOSTRequest"
	MalformedTrailerError               Code = "MalformedTrailerError"
	MalformedXML                        Code = "MalformedXML"
	MetadataTooLarge                    Code = "MetadataTooLarge"
	MethodNotAllowed                    Code = "MethodNotAllowed"
	MissingContentLength                Code = "MissingContentLength"
	MissingRequestBodyError             Code = "MissingRequestBodyError"
	MissingSecurityHeader               Code = "MissingSecurityHeader"
	NoSuchBucket                        Code = "NoSuchBucket"
	NoSuchKey                           Code = "NoSuchKey"
	NoSuchUpload                        Code = "NoSuchUpload"
	NoSuchVersion                       Code = "NoSuchVersion"
	NotImplemented                      Code = "NotImplemented"
	OperationAborted                    Code = "OperationAborted"
	PreconditionFailed                  Code = "PreconditionFailed"
	RequestHeaderSectionTooLarge        Code = "RequestHeaderSectionTooLarge"
	RequestTimeTooSkewed                Code = "RequestTimeTooSkewed"
	RequestTimeout                      Code = "RequestTimeout"
	ServiceUnavailable                  Code = "ServiceUnavailable"
	SignatureDoesNotMatch               Code = "SignatureDoesNotMatch"
	SlowDown                            Code = "SlowDown"
	UnexpectedContent                   Code = "UnexpectedContent"
	UserKeyMustBeSpecified              Code = "UserKeyMustBeSpecified"
	XAmzContentSHA256Mismatch           Code = "XAmzContentSHA256Mismatch"
)

type row struct {
	status  int
	message string
	text    wording
}

// wording says whose words an answer's message are.
type wording uint8

const (
	// free: the code has several texts, the message that was given is shown.
	free wording = iota
	// fixed: S3 has one text for the code, which clients compare with. It is always
	// shown; the message that was given becomes the additionalMessage.
	fixed
)

// Codes are all codes, in no order.
func Codes() []Code { return slices.Collect(maps.Keys(table)) }

// table gives every code its HTTP status and default message; it is never
// changed.
var table = map[Code]row{
	AccessControlListNotSupported:       {http.StatusBadRequest, "The bucket does not allow ACLs.", fixed},
	AccessDenied:                        {http.StatusForbidden, "Access Denied.", free},
	AccessForbidden:                     {http.StatusForbidden, "CORSResponse: This CORS request is not allowed.", free},
	AuthorizationHeaderMalformed:        {http.StatusBadRequest, "The Authorization header is malformed.", free},
	AuthorizationQueryParametersError:   {http.StatusBadRequest, "The authorization in the query is malformed.", free},
	BadDigest:                           {http.StatusBadRequest, "The Content-MD5 you specified did not match what we received.", free},
	BadRequest:                          {http.StatusBadRequest, "Bad request.", free},
	BucketAlreadyExists:                 {http.StatusConflict, "The requested bucket name is not available. The bucket name can not be an existing collection, and the bucket namespace is shared by all users of the system. Please select a different name and try again.", fixed},
	BucketAlreadyOwnedByYou:             {http.StatusConflict, "Your previous request to create the named bucket succeeded and you already own it.", fixed},
	BucketNotEmpty:                      {http.StatusConflict, "The bucket you tried to delete is not empty.", free},
	ConditionalRequestConflict:          {http.StatusConflict, "A conflicting conditional write is in progress; try again.", free},
	EntityTooLarge:                      {http.StatusBadRequest, "Your proposed upload exceeds the maximum allowed object size.", fixed},
	EntityTooSmall:                      {http.StatusBadRequest, "Your proposed upload is smaller than the minimum allowed size", fixed},
	IncompleteBody:                      {http.StatusBadRequest, "You did not provide the number of bytes specified by the Content-Length HTTP header", free},
	InternalError:                       {http.StatusInternalServerError, "Internal error.", free},
	InvalidAccessKeyId:                  {http.StatusForbidden, "The AWS Access Key Id you provided does not exist in our records.", fixed},
	InvalidArgument:                     {http.StatusBadRequest, "An argument is invalid.", free},
	InvalidBucketAclWithObjectOwnership: {http.StatusBadRequest, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting", fixed},
	InvalidBucketName:                   {http.StatusBadRequest, "The specified bucket is not valid.", fixed},
	InvalidChunkSizeError:               {http.StatusBadRequest, "Only the last chunk is allowed to have a size less than 8192 bytes", fixed},
	InvalidDigest:                       {http.StatusBadRequest, "The Content-Md5 you specified is not valid.", fixed},
	InvalidLocationConstraint:           {http.StatusBadRequest, "The specified location-constraint is not valid", fixed},
	InvalidName:                         {http.StatusBadRequest, "Bad Request", fixed},
	InvalidObjectState:                  {http.StatusForbidden, "The operation is not valid for the object's storage class", fixed},
	InvalidPart:                         {http.StatusBadRequest, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.", fixed},
	InvalidPartNumber:                   {http.StatusRequestedRangeNotSatisfiable, "The requested partnumber is not satisfiable.", fixed},
	InvalidPartOrder:                    {http.StatusBadRequest, "The list of parts was not in ascending order. Parts must be ordered by part number.", fixed},
	InvalidPolicyDocument:               {http.StatusBadRequest, "The content of the form does not meet the conditions specified in the policy document.", free},
	InvalidRange:                        {http.StatusRequestedRangeNotSatisfiable, "The requested range is not satisfiable", fixed},
	InvalidRedirectLocation:             {http.StatusBadRequest, "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.", fixed},
	InvalidRequest:                      {http.StatusBadRequest, "The request is invalid.", free},
	InvalidTag:                          {http.StatusBadRequest, "The tag you have provided is invalid", free},
	InvalidToken:                        {http.StatusBadRequest, "The provided token is malformed or otherwise invalid.", fixed},
	InvalidURI:                          {http.StatusBadRequest, "The specified URI couldn't be parsed.", fixed},
	KeyTooLongError:                     {http.StatusBadRequest, "Your key is too long.", fixed},
	MalformedPOSTRequest:                {http.StatusBadRequest, "The body of your POST request is not well-formed multipart/form-data.", fixed},
	MalformedTrailerError:               {http.StatusBadRequest, "The request contained trailing data that was not well-formed or did not conform to our published schema.", fixed},
	MalformedXML:                        {http.StatusBadRequest, "The XML you provided was not well-formed or did not validate against our published schema.", fixed},
	MetadataTooLarge:                    {http.StatusBadRequest, "Your metadata headers exceed the maximum allowed metadata size", fixed},
	MethodNotAllowed:                    {http.StatusMethodNotAllowed, "The specified method is not allowed against this resource.", fixed},
	MissingContentLength:                {http.StatusLengthRequired, "You must provide the Content-Length HTTP header.", fixed},
	MissingRequestBodyError:             {http.StatusBadRequest, "Request Body is empty", fixed},
	MissingSecurityHeader:               {http.StatusBadRequest, "A header that signing needs is missing.", free},
	NoSuchBucket:                        {http.StatusNotFound, "The specified bucket does not exist.", fixed},
	NoSuchKey:                           {http.StatusNotFound, "The specified key does not exist.", fixed},
	NoSuchUpload:                        {http.StatusNotFound, "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", fixed},
	NoSuchVersion:                       {http.StatusNotFound, "The specified version does not exist.", fixed},
	NotImplemented:                      {http.StatusNotImplemented, "A header you provided implies functionality that is not implemented.", fixed},
	OperationAborted:                    {http.StatusConflict, "A conflicting operation is in progress; try again.", free},
	PreconditionFailed:                  {http.StatusPreconditionFailed, "At least one of the pre-conditions you specified did not hold.", fixed},
	RequestHeaderSectionTooLarge:        {http.StatusBadRequest, "Your request header section exceeds the maximum allowed size.", fixed},
	RequestTimeTooSkewed:                {http.StatusForbidden, "The difference between the request time and the current time is too large.", fixed},
	RequestTimeout:                      {http.StatusBadRequest, "The request was not received in time.", free},
	ServiceUnavailable:                  {http.StatusServiceUnavailable, "The service is not available; try again.", free},
	SignatureDoesNotMatch:               {http.StatusForbidden, "The request signature we calculated does not match the signature you provided. Check your key and signing method.", fixed},
	SlowDown:                            {http.StatusServiceUnavailable, "Please reduce the request rate.", free},
	UnexpectedContent:                   {http.StatusBadRequest, "This request does not support content.", fixed},
	UserKeyMustBeSpecified:              {http.StatusBadRequest, "A key is empty.", free},
	XAmzContentSHA256Mismatch:           {http.StatusBadRequest, "The provided 'x-amz-content-sha256' header does not match what was computed.", fixed},
}

// Status is the code's HTTP status; that of InternalError for a code that is
// not in the table.
func (c Code) Status() int { return c.row().status }

// Message is the code's default text; S3's own where S3 has one.
func (c Code) Message() string { return c.row().message }

func (c Code) row() row {
	if r, ok := table[c]; ok {
		return r
	}
	return table[InternalError]
}
