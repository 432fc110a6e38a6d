package main

import (
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
)

// scenario is one table, or two: a workload, and the columns that are compared under it in one run.
type scenario struct {
	id      string // for targets and -only
	title   string
	note    string // below the title; may be empty
	backend store
	style   string // protocol.PBS, SHA256 or SDK
	size    int    // of each object, in bytes
	flight  int    // concurrent requests
	keys    int    // different objects
	ops     []string
	columns []column
	rounds  int
	window  time.Duration
}

// store is a backend.
type store string

const (
	versitygw store = "versitygw"
	sink      store = "sink"
	line      store = "sink behind a line of 5 ms and 2 Gbit/s"
	streams   store = "sink behind that line, where one connection carries 500 Mbit/s"
)

const (
	lineLatency   = 5 * time.Millisecond
	lineBandwidth = 2_000_000_000
	// streamBandwidth is less than S3 gives a connection, and more than one does over a 100 ms.
	streamBandwidth = 500_000_000
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

var (
	transfers = []string{protocol.Put, protocol.Get}
	suites    = []column{xchacha, aesgcm}
)

// headline is the workload of PBS: chunks of 4 MiB, 16 at a time.
func headline(id string, b store, rounds int) scenario {
	return scenario{id: id, title: "PBS: 4 MiB, 16 in flight, " + string(b), backend: b, style: protocol.PBS, size: 4 * mib, flight: 16, keys: 64,
		ops: transfers, columns: []column{direct, through, xchacha, aesgcm}, rounds: rounds, window: longWindow}
}

// quick is what shows in three minutes whether something has changed.
func quick() []scenario {
	small := beside(3)
	return []scenario{headline("sink", sink, 3), small}
}

// beside is the product beside rclone.
func beside(rounds int) scenario {
	return scenario{id: "rclone", title: "Beside rclone: 1 MiB, 8 in flight, versitygw", backend: versitygw, style: protocol.SDK, size: mib, flight: 8, keys: 128,
		note: "The requests are those of AWS's SDK for Go. rclone's names are left in clear, as ours are; both have TLS in front.",
		ops:  []string{protocol.Put, protocol.Get, protocol.Head}, columns: []column{direct, byClone, xchacha, aesgcm}, rounds: rounds, window: longWindow}
}

// full is everything.
func full() []scenario {
	list := []scenario{headline("versitygw", versitygw, 5), headline("sink", sink, 5), beside(5)}
	list = append(list, scenario{id: "sha256", title: "Without MD5: 4 MiB, 16 in flight, sink", backend: sink, style: protocol.SHA256, size: 4 * mib, flight: 16, keys: 64,
		note: "As PBS, but the client sends no Content-MD5.", ops: []string{protocol.Put}, columns: []column{through, xchacha, aesgcm}, rounds: 5, window: longWindow})
	list = append(list, scenario{id: "plain", title: "Plain HTTP in front: 4 MiB, 16 in flight, sink", backend: sink, style: protocol.PBS, size: 4 * mib, flight: 16, keys: 64, ops: transfers,
		columns: []column{plain(through), plain(xchacha), plain(aesgcm)}, rounds: 3, window: shortWindow})
	list = append(list, scenario{id: "line", title: "A store far away: 4 MiB, 16 in flight, " + string(line), backend: line, style: protocol.PBS, size: 4 * mib, flight: 16, keys: 64, ops: transfers,
		columns: []column{direct, xchacha, aesgcm}, rounds: 3, window: lineWindow})
	list = append(list, scenario{id: "far", title: "One object far away: 256 MiB, one connection, " + string(line), backend: line, style: protocol.SDK, size: 256 * mib, flight: 1, keys: 1, ops: transfers,
		note:    "`backend.multipart_threads`: several connections of the proxy's for one of the client's.",
		columns: []column{direct, xchacha.threaded(1), xchacha.threaded(4)}, rounds: 3, window: shortWindow})
	list = append(list, scenario{id: "streams", title: "One object far away: 64 MiB, one connection, " + string(streams), backend: streams, style: protocol.SDK, size: 64 * mib, flight: 1, keys: 1, ops: transfers,
		note:    "What one connection carries is bounded by its window and the distance, or by the store; `backend.multipart_threads` is for that.",
		columns: []column{direct, xchacha.threaded(1), xchacha.threaded(4)}, rounds: 3, window: shortWindow})
	for _, s := range []struct {
		id   string
		size int
		keys int
	}{{"0 B", 0, 256}, {"1 KiB", kib, 256}, {"256 KiB", 256 * kib, 128}, {"1.4 MiB", 1434 * kib, 64}, {"16 MiB", 16 * mib, 24}} {
		list = append(list, scenario{id: s.id, title: "Size " + s.id + ", 16 in flight, sink", backend: sink, style: protocol.PBS, size: s.size, flight: 16, keys: s.keys, ops: transfers,
			columns: append([]column{through}, suites...), rounds: 3, window: shortWindow})
	}
	for _, flight := range []int{1, 4, 64} {
		id := map[int]string{1: "one", 4: "four", 64: "many"}[flight]
		list = append(list, scenario{id: id, title: "4 MiB, " + inWords(flight) + " in flight, sink", backend: sink, style: protocol.PBS, size: 4 * mib, flight: flight, keys: 64, ops: transfers,
			columns: append([]column{through}, suites...), rounds: 3, window: shortWindow})
	}
	list = append(list, scenario{id: "memory", title: "Memory: 16 MiB, 64 in flight, sink", backend: sink, style: protocol.PBS, size: 16 * mib, flight: 64, keys: 64, ops: transfers,
		note: "`pipeline.budget` is 256 MiB.", columns: []column{xchacha}, rounds: 3, window: longWindow})
	list = append(list, scenario{id: "large", title: "One object of 1 GiB, one connection, versitygw", backend: versitygw, style: protocol.SDK, size: 1024 * mib, flight: 1, keys: 1, ops: transfers,
		note:    "The client sends no SHA-256 and no MD5, so that sealing is what there is to spread.",
		columns: []column{xchacha.changed("XChaCha20-Poly1305, one worker", "one-worker", "pipeline:\n  workers: 1\n"), xchacha.changed("XChaCha20-Poly1305, two workers", "two-workers", "pipeline:\n  workers: 2\n")},
		rounds:  3, window: shortWindow})
	list = append(list, scenario{id: "verbs", title: "Every verb: 64 KiB, 4 in flight, versitygw", backend: versitygw, style: protocol.SDK, size: 64 * kib, flight: 4, keys: 1000,
		ops:     []string{protocol.Head, protocol.Get, protocol.Range, protocol.Put, protocol.Copy, protocol.List, protocol.Delete, protocol.Mixed},
		columns: []column{direct, xchacha}, rounds: 3, window: shortWindow})
	list = append(list, scenario{id: "small", title: "Small requests: 1 KiB, 4 in flight, sink", backend: sink, style: protocol.SDK, size: kib, flight: 4, keys: 1000,
		ops: []string{protocol.Head, protocol.Get, protocol.List}, columns: []column{direct, through, xchacha}, rounds: 5, window: shortWindow})
	list = append(list, scenario{id: "parts", title: "Uploads in parts: 16 MiB in parts of 5 MiB, 4 in flight, versitygw", backend: versitygw, style: protocol.SDK, size: 16 * mib, flight: 4, keys: 16,
		ops: []string{protocol.Multipart}, columns: []column{direct, xchacha}, rounds: 3, window: longWindow})
	return list
}

// threaded is a column with so many connections for a large object.
func (c column) threaded(n int) column {
	word := "threads"
	if n == 1 {
		word = "thread"
	}
	c = c.changed(fmt.Sprintf("%s, %d %s", c.name, n, word), fmt.Sprintf("threads-%d", n), "")
	c.threads = n
	return c
}

func plain(c column) column {
	c = c.changed(c.name+", plain HTTP", "plain-"+c.bucket, "")
	c.plain = true
	return c
}

func inWords(n int) string {
	return map[int]string{1: "one", 4: "four", 64: "64"}[n]
}
