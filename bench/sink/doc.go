// Command sink is a backend that costs next to nothing: an S3 server, path style, that keeps the last object of each
// key in memory and serves it again. The benchmarks put it behind the proxy where a real server's own work would hide
// the proxy's.
//
//	sink -listen 127.0.0.1:0 [-max 2147483648] [-latency 5ms] [-bandwidth 2000000000] [-stream 500000000]
//
// It prints "ready endpoint=http://ADDRESS" when it serves, and ends when its stdin reaches EOF or on a signal. It
// checks no signature and no digest, and every bucket exists. PUT (with If-None-Match: *), GET, HEAD, DELETE of objects,
// uploads in parts, HEAD of a bucket and ListObjectsV2 (prefix, max-keys, start-after and tokens) are there; anything else is 501. Bodies
// are read and written by hand, straight into and out of the object's own memory. Past -max bytes a PUT is answered
// 507, so that a benchmark fails instead of measuring a machine that swaps.
//
// With -latency and -bandwidth it is a store at the end of a line (link.go): answers begin later, and bytes pass no faster than
// the line carries, all connections together, each direction for itself; -stream bounds one connection, as its window and the
// distance do, or a store's own limit.
//
// One goroutine serves a connection. An object's bytes are immutable once stored; a replaced object's memory is left to
// the garbage collector, because a GET may still send it.
package main
