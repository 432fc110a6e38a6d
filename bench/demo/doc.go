// Command demo shows the product at work on this machine, with real processes and real files.
//
//	demo demo [-dir DIR]   send a directory tree through the whole stack, compare every byte, show what the backend sees
//	demo run               leave the same stack running for your own clients
//
// `demo demo` starts a real S3 server, a key holder and the proxy over TLS on loopback. It snapshots a directory tree
// (-dir, or $DIR, or the Go installation's sources) as one archive, cuts it in 4 MiB chunks named by their SHA-256,
// uploads them with PBS's requests, 16 in flight, lists, reads back and compares, shows the stored bytes, flips one of
// them, and, if the tree is large enough, measures the same upload straight to the S3 server. It ends with "demo passed" and status 0, or says what
// was wrong and ends with status 1. It needs temporary space for about three times the tree; nothing is left behind.
//
// `demo run` prints the endpoint, credentials and fingerprint with lines to paste for PBS and curl, and writes them to
// .run/env (mode 0600), which a shell can source, once everything serves:
//
//	ENDPOINT ACCESS_KEY SECRET_KEY BUCKET REGION FINGERPRINT ADMIN_ENDPOINT ADMIN_TOKEN
//	BACKEND_ENDPOINT BACKEND_ACCESS_KEY BACKEND_SECRET_KEY BACKEND_BUCKET
//
// S3CP_* variables in its environment override the proxy's configuration: S3CP_TLS=off, S3CP_ALLOWED_BUCKETS=one,two,
// S3CP_LISTEN_ADDR=127.0.0.1:8443 and so on. All buckets of S3CP_ALLOWED_BUCKETS are made before the proxy starts.
// Ctrl-C, SIGTERM or SIGHUP stops everything; no process, port or file is left. A demo that is killed takes its
// processes with it, and the next one removes its files. The key is random and in memory only: what was stored cannot
// be read after it, and is deleted anyway.
//
// With S3CP_BACKEND_ENDPOINT (and S3CP_BACKEND_ACCESS_KEY, S3CP_BACKEND_SECRET_KEY) `demo run` uses that backend as it
// is: it starts no S3 server and makes no bucket. What is written there stays, sealed with a key that is gone after the
// run, and a bucket used once is bound to that key: name a bucket that is for trials.
//
// Both read well when stdout is not a terminal: no colours, no progress bar. NO_COLOR is respected.
package main
