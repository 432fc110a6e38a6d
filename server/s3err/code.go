package s3err

// Code is the <Code> of an S3 error document.
type Code string

// The codes this proxy answers.
const (
	AccessDenied                 Code = "AccessDenied"
	AuthorizationHeaderMalformed Code = "AuthorizationHeaderMalformed"
	BadDigest                    Code = "BadDigest"
	ConditionalRequestConflict   Code = "ConditionalRequestConflict"
	EntityTooLarge               Code = "EntityTooLarge"
	IncompleteBody               Code = "IncompleteBody"
	InternalError                Code = "InternalError"
	InvalidAccessKeyId           Code = "InvalidAccessKeyId"
	InvalidArgument              Code = "InvalidArgument"
	InvalidBucketName            Code = "InvalidBucketName"
	InvalidDigest                Code = "InvalidDigest"
	InvalidRequest               Code = "InvalidRequest"
	InvalidURI                   Code = "InvalidURI"
	KeyTooLongError              Code = "KeyTooLongError"
	MalformedXML                 Code = "MalformedXML"
	MetadataTooLarge             Code = "MetadataTooLarge"
	MethodNotAllowed             Code = "MethodNotAllowed"
	MissingContentLength         Code = "MissingContentLength"
	MissingSecurityHeader        Code = "MissingSecurityHeader"
	NoSuchBucket                 Code = "NoSuchBucket"
	NoSuchKey                    Code = "NoSuchKey"
	NotImplemented               Code = "NotImplemented"
	PreconditionFailed           Code = "PreconditionFailed"
	RequestTimeout               Code = "RequestTimeout"
	RequestTimeTooSkewed         Code = "RequestTimeTooSkewed"
	ServiceUnavailable           Code = "ServiceUnavailable"
	SignatureDoesNotMatch        Code = "SignatureDoesNotMatch"
	SlowDown                     Code = "SlowDown"
	UserKeyMustBeSpecified       Code = "UserKeyMustBeSpecified"
	XAmzContentSHA256Mismatch    Code = "XAmzContentSHA256Mismatch"
)

type row struct {
	status  int
	message string
}

// table gives every code its HTTP status and default message.
var table = map[Code]row{
	AccessDenied:                 {403, "Access denied."},
	AuthorizationHeaderMalformed: {400, "The Authorization header is malformed."},
	BadDigest:                    {400, "The body does not have the given Content-MD5 or checksum."},
	ConditionalRequestConflict:   {409, "A conflicting conditional write is in progress; try again."},
	EntityTooLarge:               {400, "The object is larger than allowed."},
	IncompleteBody:               {400, "The body ended before its Content-Length."},
	InternalError:                {500, "Internal error."},
	InvalidAccessKeyId:           {403, "The access key is not known here."},
	InvalidArgument:              {400, "An argument is invalid."},
	InvalidBucketName:            {400, "The bucket name is invalid."},
	InvalidDigest:                {400, "The Content-MD5 is not valid."},
	InvalidRequest:               {400, "The request is invalid."},
	InvalidURI:                   {400, "The request target cannot be parsed."},
	KeyTooLongError:              {400, "The key is too long."},
	MalformedXML:                 {400, "The document is malformed."},
	MetadataTooLarge:             {400, "The metadata is too large."},
	MethodNotAllowed:             {405, "The method is not allowed against this resource."},
	MissingContentLength:         {411, "The Content-Length header is required."},
	MissingSecurityHeader:        {400, "A header that signing needs is missing."},
	NoSuchBucket:                 {404, "The bucket does not exist."},
	NoSuchKey:                    {404, "The key does not exist."},
	NotImplemented:               {501, "This is not implemented."},
	PreconditionFailed:           {412, "A condition of the request does not hold."},
	RequestTimeout:               {400, "The request was not received in time."},
	RequestTimeTooSkewed:         {403, "The request's time is too far from the server's."},
	ServiceUnavailable:           {503, "The service is not available; try again."},
	SignatureDoesNotMatch:        {403, "The signature does not match."},
	SlowDown:                     {503, "Please reduce the request rate."},
	UserKeyMustBeSpecified:       {400, "A key is empty."},
	XAmzContentSHA256Mismatch:    {400, "The body does not have the signed SHA-256."},
}

// Status is the code's HTTP status; 500 for one that is not in the table.
func (c Code) Status() int {
	if r, ok := table[c]; ok {
		return r.status
	}
	return 500
}

// Message is the code's default text.
func (c Code) Message() string { return table[c].message }
