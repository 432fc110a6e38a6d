package admin

import "context"

// Check is the state of one dependency.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"` // why not; no secret and no object name
}

// Readiness tells whether requests can be served: if there are Checks and every
// one is OK. It should end with ctx.
type Readiness interface {
	Ready(ctx context.Context) []Check
}
