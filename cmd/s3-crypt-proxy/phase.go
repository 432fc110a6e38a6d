package main

import (
	"context"
	"sync/atomic"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
)

// phase puts the end of the process into its readiness: balancers must stop
// sending before the listener is gone.
type phase struct {
	admin.Readiness
	draining atomic.Bool
}

// Ready asks no dependency any more once the drain has begun.
func (p *phase) Ready(ctx context.Context) []admin.Check {
	if p.draining.Load() {
		return []admin.Check{{Name: "shutdown", Detail: "the proxy is ending"}}
	}
	return p.Readiness.Ready(ctx)
}
