package backend

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// Client talks to one S3 store. It is safe for concurrent use.
type Client struct {
	config     Config
	s3         *s3.Client
	transports [2]*http.Transport // for ordinary and for slow answers
	reads      *readTransport     // for the requests it carries
	slow       func(*s3.Options)
	requests   *requests // that are made without the SDK's operations
	budget     *budget
	backoff    backoff
	open       atomic.Int64 // connections
	away       atomic.Bool  // the last that was tried of the store: no connection
}

// New checks the configuration and returns a client; it sends nothing. An error names the field.
func New(config Config) (*Client, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Client{config: config, budget: newBudget(config.RetryBudget), backoff: newBackoff()}
	if c.requests, err = newRequests(config); err != nil {
		return nil, err
	}
	if c.transports[0], err = newTransport(config, config.AnswerTimeout, &c.open); err != nil {
		return nil, err
	}
	if c.transports[1], err = newTransport(config, config.SlowTimeout, &c.open); err != nil {
		return nil, err
	}
	c.reads = newReadTransport(config, c.transports[0])
	slow := sender{c.transports[1]}
	c.slow = func(o *s3.Options) { o.HTTPClient = slow }
	// s3.New instead of LoadDefaultConfig: nothing is taken from environment, files or metadata services.
	c.s3 = s3.New(s3.Options{
		Region:       config.Region,
		BaseEndpoint: aws.String(config.Endpoint),
		UsePathStyle: config.PathStyle,
		Credentials:  credentials.NewStaticCredentialsProvider(config.AccessKey, config.SecretKey, ""),
		HTTPClient:   sender{c.transports[0]},
		APIOptions:   []func(*middleware.Stack) error{trim},

		// The retry loop is ours; see attempt.go.
		Retryer: aws.NopRetryer{},
		// Checksums by default cost 16 % of an upload and are refused by several stores.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		// Expect is set by the sender, for conditional uploads only.
		ContinueHeaderThresholdBytes: -1,
		// A wrong clock is to be repaired, not to be followed.
		DisableClockSkewCorrection:     true,
		DisableMultiRegionAccessPoints: true,
		DisableS3ExpressSessionAuth:    aws.Bool(true),
	})
	return c, nil
}

// Close closes the idle connections; connections in use are closed as soon as they are idle.
func (c *Client) Close() {
	for _, t := range c.transports {
		t.CloseIdleConnections()
	}
	c.reads.idle.close()
}

// Connections is the number of connections to the store that are open now, in use or idle.
func (c *Client) Connections() int64 { return c.open.Load() }

// Unreachable says that the last attempt of all calls found no way to the store, and that no
// answer has come since.
func (c *Client) Unreachable() bool { return c.away.Load() }

func (c *Client) reached(yes bool) {
	if c.away.Load() == yes { // every request comes here, and few change it
		c.away.Store(!yes)
	}
}

// String leaves the credentials out.
func (c *Client) String() string { return c.config.String() }

// GoString leaves the credentials out.
func (c *Client) GoString() string { return c.config.String() }

// trim fits the SDK's middleware stack of every operation to a transparent proxy: it adds the check of
// the answers and removes what costs time, reads the environment or signs headers that are of no use
// (an intermediary that changes Accept-Encoding would break the signature).
func trim(stack *middleware.Stack) error {
	_, _ = stack.Build.Remove("ClientRequestID")
	_, _ = stack.Build.Remove("UserAgent")
	_, _ = stack.Build.Remove("RecursionDetection")
	_, _ = stack.Finalize.Remove("DisableAcceptEncodingGzip")
	_, _ = stack.Finalize.Remove("Retry")
	_, _ = stack.Deserialize.Remove("S3:ProcessResponseFor200Error")
	return stack.Deserialize.Add(check{}, middleware.After)
}

// object checks the arguments that most operations share.
func object(op, bucket, key string) error {
	if err := checkBucket(bucket); err != nil {
		return invalid(op, err)
	}
	if err := checkKey(key); err != nil {
		return invalid(op, err)
	}
	return nil
}

// malformed is a successful answer that lacks something essential.
func malformed(at *attempt, problem string) error {
	return &replyError{status: at.status, problem: problem}
}

// checkETag demands an entity tag: a store that has stored something says so.
func checkETag(at *attempt, etag *string) (string, error) {
	if etag == nil || *etag == "" || *etag == `""` {
		return "", malformed(at, "answer without an ETag")
	}
	return *etag, nil
}

var errTwoConditions = errors.New("IfNoneMatch and IfMatch exclude each other")

// Conditions of a write. At most one may be set; IfMatch is an ETag with its quotes.
type Conditions struct {
	// IfNoneMatch: only if no object has the key.
	IfNoneMatch bool
	// IfMatch: only if the object with the key has this ETag.
	IfMatch string
	// Attributes go with a Put. An upload takes them when it begins: CreateUploadWith.
	Attributes
}

func (c Conditions) any() bool { return c.IfNoneMatch || c.IfMatch != "" }

func (c Conditions) check() error {
	if c.IfNoneMatch && c.IfMatch != "" {
		return errTwoConditions
	}
	return nil
}

// headers returns the values for If-None-Match and If-Match, nil for none.
func (c Conditions) headers() (noneMatch, match *string) {
	if c.IfNoneMatch {
		noneMatch = aws.String("*")
	}
	if c.IfMatch != "" {
		match = aws.String(c.IfMatch)
	}
	return noneMatch, match
}

// set adds the headers of the conditions and of the attributes, which are signed with the rest.
func (c Conditions) set(header http.Header) {
	if c.IfNoneMatch {
		header["If-None-Match"] = []string{"*"}
	}
	if c.IfMatch != "" {
		header["If-Match"] = []string{c.IfMatch}
	}
	c.Attributes.set(header)
}
