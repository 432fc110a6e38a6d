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
	Style       string // of the requests: PBS, SHA256 or SDK

	Size     int // of each object, in bytes
	Keys     int // number of different keys
	Bodies   int // number of different bodies
	InFlight int // concurrent requests
}

// String leaves the secret out.
func (j Job) String() string { return j.Address + "/" + j.Bucket }

// GoString leaves the secret out.
func (j Job) GoString() string { return j.String() }

// The styles.
const (
	PBS    = "pbs"    // Proxmox Backup Server: SHA-256 and MD5 of every body
	SHA256 = "sha256" // the same without MD5
	SDK    = "sdk"    // AWS's SDK for Go as it comes: over TLS a CRC32 behind the body, over plain HTTP its SHA-256
)

// The commands. Windows of one command run over the job's keys in turn.
const (
	Put       = "put"       // upload Requests objects
	Get       = "get"       // download Requests objects; lengths are checked, bytes are not
	Verify    = "verify"    // download every key once and compare every byte; not measured
	Head      = "head"      // ask for objects' metadata
	Range     = "range"     // download 64 KiB from the middle of each object
	List      = "list"      // one page of at most 1,000 names
	Copy      = "copy"      // copy objects to other names
	Multipart = "multipart" // upload each object in parts of 5 MiB; SDK alone
	Fill      = "fill"      // upload what Delete removes; not measured
	Delete    = "delete"    // remove what Fill uploaded, as many
	Mixed     = "mixed"     // of 20 requests 10 GETs, 6 PUTs, 3 HEADs and a listing
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
