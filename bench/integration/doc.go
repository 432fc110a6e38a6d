// Package integration holds the acceptance tests (build tag integration): a strict PBS client (bench/pbs) against real
// processes over TLS, with versitygw as the backend. `make integration` builds the binaries and runs them.
//
//   - TestA… to TestM… are the cases of PBS's contract, one letter each.
//   - TestBackup… are whole PBS days: backup, restore, verify, garbage collection, forget, refresh.
//   - TestMemory… measures the proxy's resident memory under stalled and active uploads.
//   - TestNothingLost… kills the proxy, the client or the backend's connections at random points, and opens what is
//     stored without the proxy.
//   - TestBadInput… is the table of requests and objects that must be refused, with S3's code, without a request to the
//     backend, and in bounded memory.
//
// Every random test prints its seed; INTEGRATION_SEED repeats it. INTEGRATION_KILLS sets the number of kills.
package integration
