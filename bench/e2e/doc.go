// Command e2e measures the product end to end, by a table of scenarios (scenario.go): a workload of PBS or of AWS's SDK, a
// backend (versitygw, a real S3 server; the sink, which costs next to nothing, or the same behind a slow line), and columns
// that are compared under it:
//
//	direct        client straight to the backend, over plain HTTP (a proxy's backend leg has no TLS here either)
//	pass-through  client over TLS to a proxy built with the tag passthrough: the same code, sealing and hashing off
//	sealed        client over TLS to the proxy, once per cipher
//	rclone        client over TLS to `rclone serve s3` over a crypt remote
//
// What the product is held to (targets.go) is a table of its own, above the others.
//
//	e2e                        print the tables of every scenario
//	e2e -only sink,line        of these alone
//	e2e -only sink -profile d  and take profiles of the proxies (CPU, waiting for locks), into directory d
//	e2e -quick                 the few that tell most, in three minutes
//	e2e -write BENCHMARKS.md   replace the section between the markers in that file
//
// # Method
//
// Every process (client, proxy, backend) is separate; its CPU time is read from /proc before and after a window. All
// columns run at the same time as idle twins, and their windows alternate, round after round, in an order that turns,
// so that a slow minute of the machine hits all of them. The figure is the median over the rounds, the spread is the
// lowest and the highest. CPU seconds per GiB are what to compare between commits; MiB/s depends on who else uses the
// machine, and here client, proxy and backend share it. After each round every object is read again and compared byte
// by byte, off the clock.
package main
