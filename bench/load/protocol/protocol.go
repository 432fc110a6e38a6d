// Package protocol is what the load generator and its driver say to each other: one line of JSON each way, the job
// first, over the generator's stdin, so that no secret is in argv; then a command for each measured window. An empty
// answer's Error means that every request of the window ended as it should.
package protocol

import "time"

// Job is the first line: where to send what.
type Job struct {
	Address     string
	Bucket      string
	Region      string
	AccessKey   string
	SecretKey   string
	Fingerprint string
	PlainHTTP   bool

	Size     int // of each object, in bytes
	Keys     int // number of different keys
	Bodies   int // number of different bodies
	InFlight int // concurrent requests
}

// String leaves the secret out.
func (j Job) String() string { return j.Address + "/" + j.Bucket }

// GoString leaves the secret out.
func (j Job) GoString() string { return j.String() }

// The commands.
const (
	Put    = "put"    // upload Requests objects
	Get    = "get"    // download Requests objects; lengths are checked, bytes are not
	Verify = "verify" // download every key once and compare every byte; not measured
)

// Command asks for one window.
type Command struct {
	Op       string
	Requests int
}

// Result is the answer to a Job (all zero) and to each Command.
type Result struct {
	Op       string
	Requests int
	Bytes    int64
	Wall     time.Duration
	CPU      time.Duration // of the generator itself, within the window
	P50, P99 time.Duration // of one request
	Error    string
}
