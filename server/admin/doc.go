// Package admin is the operators' listener: is it alive, is it ready, how much,
// how fast. It has nothing that changes the proxy, and no endpoint accepts or
// returns a key.
//
//	path                  token    answer
//	/                     no       the dashboard; its files are below /assets/
//	/healthz              no       200 "ok": the process runs
//	/readyz               no       200 or 503, one line a dependency; JSON with ?format=json or Accept: application/json
//	/metrics              no       Prometheus text format
//	/api/v1/live          offered  server-sent events: "hello" with what was, then "sample" each second
//	/api/v1/key/status    yes      {"loaded", "key_id", "loaded_at"}
//	/api/v1/config        yes      {"settings": [{"key", "value", "origin", "next"}]}, secrets redacted
//	/debug/pprof/...      yes      Go's profiles; /debug/pprof redirects to their index. Waiting (mutex, block) is recorded for ?seconds=N
//
// All of them take GET and HEAD only (405), everything else is 404. It speaks
// plain HTTP, and belongs on loopback, where it is unless configured otherwise:
// whoever reaches the listener reads the paths without a token.
//
// # What is open, and why
//
// Probes and scrapers carry no secrets, so health, readiness and metrics are open, and
// the dashboard shows the same to whoever opens it: figures, names from the
// configuration, the last requests by operation, status, size and credential. Names
// that clients choose (buckets not in the configuration, objects) and their addresses
// are in the stream only with the token, and only if admin.show_names is on; without
// that they are not even kept. The page asks for the token when somebody wants more,
// and keeps it in the tab's sessionStorage.
//
// Every answer has a strict Content-Security-Policy (page.go): the page runs its own
// file and no other code, loads and calls nothing elsewhere, and is framed by nobody.
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
// goroutines at once. While Serve runs one goroutine samples the figures each second
// (live.go), whoever watches; an event is encoded once and its bytes are shared by all
// watchers, who do not change them.
//
// # Promises, each with the test that proves it
//
//   - Nothing protected is answered without the token: TestTokenGuards.
//   - The token appears in no answer and no log line: TestTokenIsNeverShown.
//   - Every path has the methods above and nothing more: TestEveryRoute.
//   - A client that is slow, large or one of too many does not hold the listener
//     up: TestSlowClientIsCut, TestConnectionsAreBounded, TestLargeHeaders.
//   - One sampler serves all watchers, at most maxWatchers; a slow one is cut and
//     holds nobody up, and all end with the listener: TestWatchersAreBounded,
//     TestSlowWatcherIsCut, TestStreamsEndWithTheListener.
//   - A sample says what the figures did, and nothing that is old: TestSampleTellsWhatHappened,
//     TestRequestsAreToldOnce, TestChecksDoNotGrowOld.
//   - Names are seen with the token alone, and only if they are kept: TestNamesNeedTheToken.
//   - The page loads nothing from elsewhere and has no code of its own in its markup,
//     and every answer has the headers that say so: TestPageIsSelfContained,
//     TestSecurityHeaders.
//   - An answer may take longer than a request may take to come: TestStreamOutlivesReadTimeout.
//   - A readiness check that hangs gives 503 in time: TestReadinessIsBounded.
package admin
