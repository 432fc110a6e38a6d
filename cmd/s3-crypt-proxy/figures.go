package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
)

// figures is what /metrics shows: the server's figures, and those of what only
// this binary knows.
type figures struct {
	server *server.Metrics
	own    *metrics.Set

	adminRefused *metrics.Counter
}

// newFigures makes the set; store may be nil (no TLS).
func newFigures(store *certificate.Store) *figures {
	f := &figures{server: server.NewMetrics(), own: metrics.NewSet()}
	f.adminRefused = f.own.NewCounter("s3_crypt_proxy_admin_auth_failures_total")
	f.own.NewGauge(fmt.Sprintf(`s3_crypt_proxy_build_info{version=%q,go=%q}`, version, runtime.Version()), func() float64 { return 1 })
	if store != nil {
		f.own.NewGauge("s3_crypt_proxy_tls_certificate_expiry_timestamp_seconds", func() float64 {
			return float64(store.Leaf().NotAfter.Unix())
		})
	}
	return f
}

// blockKeys adds the figures of mode agent and returns what counts one request
// for the keys of a block or an upload.
func (f *figures) blockKeys() func(took time.Duration, err error) {
	const name = "s3_crypt_proxy_block_key_requests_total"
	good := f.own.NewCounter(name + `{result="ok"}`)
	unknown := f.own.NewCounter(name + `{result="unknown_key"}`)
	busy := f.own.NewCounter(name + `{result="busy"}`)
	failed := f.own.NewCounter(name + `{result="unavailable"}`)
	seconds := f.own.NewHistogram("s3_crypt_proxy_block_key_duration_seconds")
	return func(took time.Duration, err error) {
		seconds.Update(took.Seconds())
		switch {
		case err == nil:
			good.Inc()
		case errors.Is(err, keyagent.ErrUnknownKey):
			unknown.Inc()
		case errors.Is(err, keyagent.ErrBusy):
			busy.Inc()
		default:
			failed.Inc()
		}
	}
}

// WritePrometheus writes all of them.
func (f *figures) WritePrometheus(w io.Writer) {
	f.server.WritePrometheus(w)
	f.own.WritePrometheus(w)
}
