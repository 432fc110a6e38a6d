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
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// figures is what /metrics shows: the server's figures, and those of what only
// this binary knows.
type figures struct {
	server *server.Metrics
	own    *metrics.Set
	agent  *metric.Vec // mode agent; else nil
	table  []metric.Desc

	adminRefused *metrics.Counter
}

// ownTable describes the figures of own.
var ownTable = []metric.Desc{
	{Name: "s3_crypt_proxy_build_info", Kind: metric.Gauge, Labels: []string{"version", "go"}, Help: "Always 1; the labels tell what runs."},
	{Name: "s3_crypt_proxy_admin_auth_failures_total", Kind: metric.Counter, Help: "Requests to the admin listener with a wrong token, or without the one they need."},
	{Name: "s3_crypt_proxy_tls_certificate_expiry_timestamp_seconds", Kind: metric.Gauge, Help: "When the certificate of the S3 listener expires; absent without TLS."},
	{Name: "s3_crypt_proxy_key_loaded_timestamp_seconds", Kind: metric.Gauge, Help: "Since when the key ring in use is; 0 = there is none."},
	{Name: "s3_crypt_proxy_key_holder_supplies", Kind: metric.Gauge, Help: "1 = the key holder is connected and its keys were taken; 0 = it is away or has none, so that a proxy that starts now gets no key."},
	{Name: "s3_crypt_proxy_keyring_keys", Kind: metric.Gauge, Help: "Keys in the ring: the active one, and older ones that still open."},
	{Name: "s3_crypt_proxy_block_key_requests_total", Kind: metric.Counter, Labels: []string{"result"}, Help: "Questions to the key holder for the keys of an object; memkey.mode agent only."},
	{Name: "s3_crypt_proxy_block_key_duration_seconds", Kind: metric.HistogramKind, Help: "Time that the key holder took to answer them; memkey.mode agent only."},
}

// metricTable describes everything that /metrics shows of ours.
func metricTable() []metric.Desc { return append(server.MetricTable(), ownTable...) }

// newFigures makes the set; store may be nil (no TLS).
func newFigures(store *certificate.Store, k *keys) *figures {
	f := &figures{server: server.NewMetrics(), own: metrics.NewSet(), table: metricTable()}
	f.adminRefused = f.own.NewCounter("s3_crypt_proxy_admin_auth_failures_total")
	f.own.NewGauge(fmt.Sprintf(`s3_crypt_proxy_build_info{version=%q,go=%q}`, version, runtime.Version()), func() float64 { return 1 })
	f.own.NewGauge("s3_crypt_proxy_key_loaded_timestamp_seconds", func() float64 {
		if l := k.current.Load(); l != nil {
			return float64(l.at.UnixMilli()) / 1000
		}
		return 0
	})
	f.own.NewGauge("s3_crypt_proxy_key_holder_supplies", func() float64 {
		if k.supplied() {
			return 1
		}
		return 0
	})
	f.own.NewGauge("s3_crypt_proxy_keyring_keys", func() float64 {
		if l := k.current.Load(); l != nil {
			return float64(len(l.ring.IDs()))
		}
		return 0
	})
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
	f.agent = metric.NewVec("s3_crypt_proxy_block_key_duration_seconds", "", 100*time.Microsecond, 15)
	seconds := f.agent.With("")
	return func(took time.Duration, err error) {
		seconds.Observe(took)
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

// WritePrometheus writes all of them, with HELP and TYPE.
func (f *figures) WritePrometheus(w io.Writer) {
	sources := []metric.Source{f.server.WritePrometheus, f.own.WritePrometheus}
	if f.agent != nil {
		sources = append(sources, f.agent.WritePrometheus)
	}
	_ = metric.WriteText(w, f.table, sources...) // the listener sees that its client is gone
}
