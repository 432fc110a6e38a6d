package backend

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// cpu is the CPU time of the whole process; the sink below is a part of it.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPut uploads to a sink on loopback that discards the body. The sink's share of allocations and
// CPU is included; BenchmarkBarePut shows net/http alone with the same sink.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 20} {
		b.Run(strconv.Itoa(size>>10)+"KiB", func(b *testing.B) {
			s := httptest.NewServer(http.HandlerFunc(stored))
			defer s.Close()
			c := newTestClient(b, s.URL)
			r := bytes.NewReader(pattern(size))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			began := cpu()
			for b.Loop() {
				r.Seek(0, io.SeekStart)
				if _, err := c.Put(context.Background(), "bucket", "key", r, int64(size), Conditions{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func BenchmarkBarePut(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 20} {
		b.Run(strconv.Itoa(size>>10)+"KiB", func(b *testing.B) {
			s := httptest.NewServer(http.HandlerFunc(stored))
			defer s.Close()
			tr := newTestClient(b, s.URL).transports[0]
			body := pattern(size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			began := cpu()
			for b.Loop() {
				req, _ := http.NewRequest(http.MethodPut, s.URL+"/bucket/key", bytes.NewReader(body))
				resp, err := tr.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
			b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 20} {
		b.Run(strconv.Itoa(size>>10)+"KiB", func(b *testing.B) {
			body := pattern(size)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Etag"] = []string{`"e"`}
				w.Header().Set("Content-Length", strconv.Itoa(size))
				w.Write(body)
			}))
			defer s.Close()
			c := newTestClient(b, s.URL)
			buf := make([]byte, 1<<20)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			began := cpu()
			for b.Loop() {
				o, err := c.Get(context.Background(), "bucket", "key", GetOptions{})
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, o.Body, buf)
				if err != nil || n != int64(size) {
					b.Fatal(n, err)
				}
				o.Body.Close()
			}
			b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}
