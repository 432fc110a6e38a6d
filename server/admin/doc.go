// Package admin is the operators' listener: is it alive, is it ready, how much,
// how fast. It has nothing that changes the proxy, and no endpoint accepts or
// returns a key.
//
//	path                  token   answer
//	/healthz              no      200 "ok": the process runs
//	/readyz               no      200 or 503, one line a dependency; JSON with ?format=json or Accept: application/json
//	/metrics              no      Prometheus text format
//	/api/v1/key/status    yes     {"loaded", "key_id", "loaded_at"}
//	/debug/pprof/...      yes     Go's profiles; /debug/pprof redirects to their index
//
// All of them take GET and HEAD only (405), everything else is 404. It speaks
// plain HTTP, and belongs on loopback, where it is unless configured otherwise:
// whoever reaches the listener reads the paths without a token.
//
// # The token
//
// `Authorization: Bearer TOKEN`. Both sides are hashed with SHA-256 and the
// hashes compared in constant time, so that neither the content nor the length
// of the token shows in the time an answer takes. A protected path is asked for
// the token before anything else, its existence included.
//
// # Concurrency
//
// A Server is safe for concurrent use. What Config names is called from many
// goroutines at once.
//
// # Promises, each with the test that proves it
//
//   - Nothing protected is answered without the token: TestTokenGuards.
//   - The token appears in no answer and no log line: TestTokenIsNeverShown.
//   - Every path has the methods above and nothing more: TestEveryRoute.
//   - A client that is slow, large or one of too many does not hold the listener
//     up: TestSlowClientIsCut, TestConnectionsAreBounded, TestLargeHeaders.
//   - A readiness check that hangs gives 503 in time: TestReadinessIsBounded.
package admin
