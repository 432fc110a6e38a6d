package server

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// TestCountersAreTheSets: what is found by its labels is what the set writes, also when
// many count at once.
func TestCountersAreTheSets(t *testing.T) {
	m := NewMetrics()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				m.request("PUT", "PutObject", 200, time.Millisecond)
				m.request("BREW", noOperation, 400, time.Millisecond)
				m.traffic(`a"b`, "bkt", 200, 3, 5)
				m.traffic(`a"b`, "bkt", 404, 0, 1)
				m.ObserveBackend("GetObject", 206, "", time.Millisecond, 2)
			}
		})
	}
	wg.Wait()
	var out bytes.Buffer
	m.WritePrometheus(&out)
	for _, want := range []string{
		`requests_total{method="PUT",operation="PutObject",status="2xx"} 800`,
		`requests_total{method="other",operation="none",status="4xx"} 800`,
		`client_requests_total{credential="a\"b",status="2xx"} 800`, `client_requests_total{credential="a\"b",status="4xx"} 800`,
		`client_received_bytes_total{credential="a\"b"} 2400`, `client_sent_bytes_total{credential="a\"b"} 4800`,
		`bucket_requests_total{bucket="bkt",status="2xx"} 800`, `bucket_received_bytes_total{bucket="bkt"} 2400`, `bucket_sent_bytes_total{bucket="bkt"} 4800`,
		`backend_requests_total{operation="GetObject",status="206"} 800`, `backend_retries_total{operation="GetObject"} 800`,
	} {
		if !strings.Contains("\n"+out.String(), "\n"+metricPrefix+want+"\n") {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
}

// TestHeaderNamesAreLowered: known or not, short or long, with their values as they are.
func TestHeaderNamesAreLowered(t *testing.T) {
	long := strings.Repeat("X-", 40)
	got := signedHeaders([]byte("Host: H\r\nX-AMZ-Date:\tD \r\nHosts: x\r\n" + long + ": y\r\nx-Amz-Meta-A_1: Z\r\n"))
	want := []sigv4.Header{{Name: "host", Value: "H"}, {Name: "x-amz-date", Value: "D"}, {Name: "hosts", Value: "x"}, {Name: strings.ToLower(long), Value: "y"}, {Name: "x-amz-meta-a_1", Value: "Z"}}
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, not %+v", got[i], want[i])
		}
	}
}
