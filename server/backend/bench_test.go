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

	"github.com/aws/aws-sdk-go-v2/service/s3"
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

// BenchmarkHead is the smallest request, to the same sink; BenchmarkSDKHead is the SDK's own operation in its place, and
// BenchmarkBareHead net/http alone.
func BenchmarkHead(b *testing.B) {
	benchmarkHead(b, func(c *Client, _ string) error {
		_, err := c.Head(context.Background(), "bucket", "key")
		return err
	})
}

func BenchmarkSDKHead(b *testing.B) {
	bucket, key := "bucket", "key"
	benchmarkHead(b, func(c *Client, _ string) error {
		return c.do(context.Background(), &call{op: "HeadObject", answer: answerHead, status: [2]int{200}}, func(ctx context.Context, at *attempt) error {
			_, err := c.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
			return err
		})
	})
}

func BenchmarkBareHead(b *testing.B) {
	benchmarkHead(b, func(c *Client, url string) error {
		req, err := http.NewRequest(http.MethodHead, url+"/bucket/key", nil)
		if err != nil {
			return err
		}
		resp, err := c.transports[0].RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
}

func benchmarkHead(b *testing.B, head func(*Client, string) error) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Etag"] = []string{`"e"`}
		w.Header()["Content-Length"] = []string{"1000"}
	}))
	defer s.Close()
	c := newTestClient(b, s.URL)
	b.ReportAllocs()
	b.ResetTimer()
	began := cpu()
	for b.Loop() {
		if err := head(c, s.URL); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkList is a page of 1,000 names from the same sink; BenchmarkSDKList is the SDK's own operation in its place.
func BenchmarkList(b *testing.B) {
	benchmarkList(b, func(c *Client) (int, error) {
		p, err := c.List(context.Background(), "bucket", ListOptions{})
		if err != nil {
			return 0, err
		}
		return len(p.Objects), nil
	})
}

func BenchmarkSDKList(b *testing.B) {
	bucket := "bucket"
	benchmarkList(b, func(c *Client) (n int, err error) {
		err = c.do(context.Background(), &call{op: "List", answer: answerXML, root: objectsRoot, status: [2]int{200}}, func(ctx context.Context, at *attempt) error {
			out, err := c.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
			if err == nil {
				n = len(out.Contents)
			}
			return err
		})
		return n, err
	})
}

func benchmarkList(b *testing.B, list func(*Client) (int, error)) {
	doc := []byte(thousand())
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(doc))}
		w.Write(doc)
	}))
	defer s.Close()
	c := newTestClient(b, s.URL)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	b.ResetTimer()
	began := cpu()
	for b.Loop() {
		if n, err := list(c); n != 1000 || err != nil {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64((cpu()-began).Microseconds())/float64(b.N), "cpu-µs/op")
}
