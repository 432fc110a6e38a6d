// Command keyholder makes a random master key and serves it to proxies of the same user over a Unix socket (package
// keyagent), until its stdin reaches EOF or a signal ends it. The key is in locked memory only: it is read from
// nowhere, written nowhere, and gone when the process ends. Demo, `make run` and the benchmarks use it; data sealed
// under its key cannot be read after it.
//
//	keyholder -socket /tmp/dir/keys.sock
//
// It prints one line, "ready", when the socket serves.
package main
