package admin

import (
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// Live tells what the dashboard shows. It is asked once a second, whoever watches.
type Live interface{ Figures() Figures }

// Figures is the state of the proxy at one time. What is called a total only grows.
type Figures struct {
	Sealed, Opened      uint64 // totals, bytes of plain content, counted while they move
	Active, Connections int64  // requests, and client connections
	Operations          []Operation
	Faults              []Fault
	Pipeline            Pipeline
	Backend             Backend
	Recent              []Request // the last ones, oldest first
}

// Operation is what was done of one S3 operation.
type Operation struct {
	Name    string
	Status  [6]uint64     // totals by the first digit of the status
	Latency metric.Counts // totals
}

// Fault is a class of things that went wrong.
type Fault struct {
	Class string
	Total uint64
}

// Pipeline is what seals and opens, and its memory.
type Pipeline struct {
	Workers    int64 `json:"workers"`
	Busy       int64 `json:"busy"`
	Waiting    int64 `json:"waiting"`     // requests
	Budget     int64 `json:"budget"`      // bytes
	BudgetUsed int64 `json:"budget_used"` // bytes
}

// Backend is the way to the store.
type Backend struct {
	Connections                 int64
	Requests, Failures, Retries uint64 // totals of attempts
	Latency                     metric.Counts
	ClockAhead                  time.Duration // the store's clock before ours
}

// Request is a request that has ended.
type Request struct {
	Number     uint64    `json:"number"` // counts up by one
	ID         string    `json:"id"`     // as in the log and in x-amz-request-id
	Time       time.Time `json:"time"`   // of its end
	Operation  string    `json:"operation"`
	Status     int       `json:"status"`
	Milli      float64   `json:"ms"`
	In         int64     `json:"in"`  // bytes of the client's body
	Out        int64     `json:"out"` // bytes of the answer's
	Credential string    `json:"credential"`
	Fault      string    `json:"fault,omitempty"`

	// Names, for those who may see them; empty unless they are kept.
	Bucket string `json:"bucket,omitempty"`
	Key    string `json:"key,omitempty"`
	Client string `json:"client,omitempty"`
}

// withoutNames is the request for everybody else.
func (r Request) withoutNames() Request {
	r.Bucket, r.Key, r.Client = "", "", ""
	return r
}
