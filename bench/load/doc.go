// Command load sends objects to an S3 endpoint and reads them back, in windows: a process of its own, so that its CPU
// time is told apart from that of the proxy and the backend. It speaks bench/load/protocol on stdin and stdout and ends
// when stdin does; bench/e2e drives it. The requests are PBS's (bench/pbs).
//
// Bodies are made and hashed before the first window: what is measured on the client's side is sending, not hashing.
// Bodies differ from each other, so that no cache or clever store makes them one; GET lands in a buffer that is used
// again, and is compared byte by byte by the command verify, off the clock.
package main
