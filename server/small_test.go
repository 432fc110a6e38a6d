package server

import (
	"bufio"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// BenchmarkSmall is one request at a time on one connection, without TLS, to a store in
// this process's memory: what is measured is the front, and a client that costs little.
func BenchmarkSmall(b *testing.B) {
	for name, c := range map[string]call{
		"head": {method: "HEAD", target: "/bkt/key"},
		"get":  {method: "GET", target: "/bkt/key"},
		"list": {method: "GET", target: "/bkt?list-type=2"},
		"put":  {method: "PUT", target: "/bkt/other", body: pattern(1 << 10)},
	} {
		b.Run(name, func(b *testing.B) {
			g := newRig(b, func(c *Config) { c.Log = zerolog.New(io.Discard) })
			g.put("/bkt/key", pattern(1<<10))
			request := c.raw(g.addr)
			conn := g.dial()
			conn.SetDeadline(time.Now().Add(10 * time.Minute))
			answers := bufio.NewReaderSize(conn, 64<<10)
			asked := &http.Request{Method: c.method}
			b.ReportAllocs()
			b.ResetTimer()
			began := cpuTime()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				resp, err := http.ReadResponse(answers, asked)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(resp, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
			b.ReportMetric(float64((cpuTime()-began).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpuTime is the CPU time of the whole process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
