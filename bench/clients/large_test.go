//go:build integration

package clients

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/report"
)

var write = flag.String("write", "", "file into which TestLargeUpload writes its figures")

// largeSize is the size of the upload in parts of 5 MiB, in MiB, if CLIENTS_LARGE_MIB does not say another.
const largeSize = 200

// TestLargeUpload: a file in as many small parts as clients make of it comes back whole.
func TestLargeUpload(t *testing.T) {
	mib := largeSize
	if v := os.Getenv("CLIENTS_LARGE_MIB"); v != "" {
		var err error
		mib, err = strconv.Atoi(v)
		must(t, err)
	}
	c := newSession(t, startStack(t, setting{name: plain.name, manyParts: true}), "large", "https")
	c.rcloneRemote()
	c.more = time.Duration(mib) * time.Second / 4 // 4 MiB a second, on the slowest machine
	const last = "and a last part of another size"
	large := c.path("large")
	f, err := os.Create(large)
	must(t, err)
	for n := mib; n > 0; n -= 8 {
		_, err := f.Write(body(c.marker, min(n, 8)<<20))
		must(t, err)
	}
	_, err = f.WriteString(last)
	must(t, err)
	must(t, f.Close())
	size := int64(mib)<<20 + int64(len(last))
	parts := (size + 5<<20 - 1) / (5 << 20)

	p := "p:" + c.bucket
	c.run("rclone", "mkdir", p)
	var table strings.Builder
	step := func(name string, do func()) {
		before, err := c.proxy.Usage()
		must(t, err)
		begin := time.Now()
		do()
		seconds := time.Since(begin).Seconds()
		after, err := c.proxy.Usage()
		must(t, err)
		cpu := (after.CPU - before.CPU).Seconds() / (float64(size) / (1 << 30))
		fmt.Fprintf(&table, "| %s | %.1f | %.0f | %.2f | %d |\n", name, seconds, float64(mib)/seconds, cpu, after.Peak>>20)
	}
	step("`copyto`: upload", func() { c.run("rclone", "copyto", large, p+"/large") })
	step("`check --download`: every byte compared", func() { c.rcloneCheck(1, "--download", c.home, p, "--include", "/large") })
	var listed []struct{ Size int64 }
	must(t, json.Unmarshal(c.run("rclone", "lsjson", p).stdout, &listed))
	if len(listed) != 1 || listed[0].Size != size {
		t.Errorf("lsjson says %v of an object of %d bytes", listed, size)
	}
	c.run("rclone", "delete", p)
	must(t, os.Remove(large))
	c.store.empty()
	section := fmt.Sprintf(`## A large upload in small parts

rclone sends a file of %d MiB in %d parts of 5 MiB, 4 at once, over TLS, and reads it back. MD5, which rclone computes before it sends, file, backend
(%s) and rclone's own work share the machine with the proxy. One run.

Machine: %s

    make rig clients && CLIENTS_LARGE_MIB=%d go test -tags integration -count=1 -run TestLargeUpload ./bench/clients

| rclone | seconds | MiB/s | proxy: CPU s/GiB | proxy: peak MiB |
|---|---|---|---|---|
%s`, mib, parts, c.backend.Name, report.Machine(context.Background()), mib, table.String())
	t.Logf("\n%s", section)
	if *write != "" && !t.Failed() {
		must(t, report.Replace(*write, "large", section))
	}
}
