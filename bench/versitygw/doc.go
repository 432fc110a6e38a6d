// Command versitygw is a real S3 server on a directory, for the integration tests, the benchmarks and
// the demo: versitygw's embedgw package with its posix store. It lives in a module of its own so that
// none of its dependencies reach the product's go.mod.
//
//	S3SERVER_ACCESS=id S3SERVER_SECRET=secret versitygw -dir /tmp/store -bucket backups
//
// When the server answers requests it prints one line on stdout, and nothing else ever:
//
//	ready endpoint=http://127.0.0.1:PORT
//
// Everything else goes to stderr. It ends with status 0 on SIGTERM, on SIGINT and, with -parent-death,
// as soon as its stdin reaches EOF: a parent keeps the write end of that pipe and cannot leave an orphan
// behind, however it dies.
//
// An object of bucket B and key K is the file DIR/B/K. Beside DIR lie DIR.iam (accounts; without it an
// unknown access key would be answered 404 instead of 403) and, only where DIR's file system has no user
// extended attributes or -sidecar asks for it, sidecar.DIR (ETags and content types). Removing the three
// removes everything.
//
// The store is a POSIX tree: keys x and x/y exclude each other, a//b is the same object as a/b, and no
// path segment may be longer than 255 bytes.
package main
