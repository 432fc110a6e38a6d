// Command e2e measures the product end to end: objects of 4 MiB, 16 in flight, as PBS sends them, in four columns:
//
//	direct        client straight to the backend, over plain HTTP (a proxy's backend leg has no TLS here either)
//	pass-through  client over TLS to a proxy built with the tag passthrough: the same code, sealing and hashing off
//	sealed        client over TLS to the proxy, once per cipher
//
// against two backends: versitygw, a real S3 server, and the sink, which costs next to nothing.
//
//	e2e                        print the tables
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
