// S3-crypt-proxy is a stateless, transparent encryption proxy for S3: clients
// (Proxmox Backup Server first of all) talk S3 to it, and it seals every object
// on the way to a backend and opens it on the way back.
//
// # Usage
//
//	s3-crypt-proxy [-config FILE]               serve
//	s3-crypt-proxy check [-config FILE]         explain the configuration, and try the backend with it
//	s3-crypt-proxy check --keys                 explain every key there is
//	s3-crypt-proxy fingerprint [-config FILE]   print the certificate's fingerprint as PBS wants it
//	s3-crypt-proxy tune                         measure this host, and say what to set
//	s3-crypt-proxy -version, -v
//	s3-crypt-proxy help [COMMAND]
//
// Flags may have one dash or two: -config and --config are the same.
//
// # Configuration
//
// A strict YAML file, and S3CP_* variables on top of it; either alone will do.
// The shortest complete file:
//
//	backend:
//	  endpoint: https://s3.example.com
//	  access_key: …
//	  secret_key: …          # or secret_key_file, or a systemd credential
//	client:                  # what PBS signs with
//	  access_key: …
//	  secret_key: …
//	admin:
//	  token: …
//	tls:
//	  auto: true             # PBS speaks HTTPS only
//
// The list clients has further key pairs, each with what may be done with it
// (docs/clients.md); it stands in the file alone.
//
// Unknown keys, unknown S3CP_* variables and wrong values are errors that name
// the line or the variable; `check` shows all of them at once, and where each
// effective value comes from. `check --keys` is the reference. Nothing in a value
// is expanded.
//
// No flag, key or variable takes a master key. Keys come over the Unix socket of
// memkey.socket_path from the key holder, which pushes every change; until the
// first one is there, requests get 503. An explicit clear takes effect at once.
//
//	memkey.mode   the proxy holds                    without the key holder   a hijacked proxy has
//	export        what is derived of the masters     it goes on               all objects, for ever
//	agent         names; asks for each block's keys  requests get 503         what it asked for meanwhile
//
// Agent costs a call over the socket for each object that is written or read, and
// the key holder counts and bounds the calls. Objects are the same in both modes.
//
// Go's collector runs when garbage has reached twice what lives, or the process
// pipeline.budget and 256 MiB; the variables GOGC and GOMEMLIMIT override that.
//
// # Certificate
//
// With tls.auto the first start makes a pair and keeps it in tls.dir; every later
// one uses it again, so that the fingerprint stays. `fingerprint` prints it and
// never makes one: start the proxy once before.
//
// # Signals
//
//	SIGTERM, SIGINT   drain: let requests end, at most shutdown_timeout; new ones get
//	                  503 with Retry-After, and /readyz says 503 meanwhile
//	a second one      end at once
//	SIGHUP            take the configuration and the certificate's files again; if
//	                  anything is wrong, all of the old stays
//
// What takes effect on SIGHUP says so in `check --keys`: clients and their rights,
// allowed_buckets, cors, bucket_cors, post_forms, log_level, shutdown_timeout. The log names the
// other keys that changed: they wait for the next start. Requests that run go on under
// what was in force when they began. The certificate's files are looked at by
// themselves, too, every 15 seconds.
//
// # Under systemd
//
// With Type=notify the proxy says when it is ready, reloads and stops, and answers
// the watchdog (WatchdogSec=) as long as its locks do not hang; a drain gets its
// shutdown_timeout whatever TimeoutStopSec= says. Listening sockets that systemd
// opened are taken by their FileDescriptorName=, clients or admin, in place of
// listen_addr and admin_listen_addr, so that nobody is refused during a restart.
// Credentials of the unit (LoadCredential=) that are named like a secret's key, as
// backend.secret_key, are that secret.
//
// # Output
//
// Data goes to stdout, everything else to stderr. While serving, stderr is the
// log: one JSON object a line (log_format: json) or text for people (console).
// The line with the message "ready" carries listen_addr and admin_listen_addr as
// bound (also if the configuration says port 0), fingerprint, suite, workers,
// batch_bytes and key_mode. It says that the listeners accept; /readyz says whether requests
// can succeed. No line carries a secret.
//
// # Exit status
//
//	0   done; for serving: drained
//	1   internal error, or the system refused something that no setting is about
//	2   wrong usage: unknown flag or command
//	3   the configuration is wrong
//	4   the certificate is missing or unusable
//	5   cannot listen: address in use, not permitted, not of this machine
//	6   ended before all requests had: shutdown_timeout passed, or a second signal
//	7   check: the backend cannot be used as it is configured
//
// Any other status is a failure.
//
// # Promises, each with the test that proves it
//
//   - Commands, flags and exit codes as above: TestScripts, TestWrongUsage.
//   - A build that does not seal says so, loudly: TestPassthroughSaysSo.
//   - What doc.go says about exit codes is what the code does: TestExitCodesAreDocumented.
//   - A clear takes the keys away at once, a repeated ring changes nothing, a ring
//     that cannot be used leaves the old one: TestKeys*.
//   - tune measures, and prints what the configuration takes: TestTune*.
//   - check finds what is wrong with a backend and leaves nothing there:
//     TestBackendIsProbed in bench/integration, and package server/probe.
//   - In mode agent the proxy serves without a master, and refuses with 503 while
//     the key holder is away or has no key: TestAgentModeServesAndRefuses. A clear
//     reaches clients within 100 ms in both modes: TestClearReachesClients.
//   - While keys are loaded and cleared, every acknowledged object is under the key
//     that its header names, in both modes: TestStormOfKeys.
//   - SIGHUP changes what clients may do, at once and as a whole, or nothing:
//     TestReload*. The certificate follows its files, running connections stay:
//     TestCertificateFollowsItsFiles.
//   - Requests in flight end during a drain, new ones are told to come again; a
//     second signal ends it: TestDrainLetsRequestsEnd, TestSecondSignalEndsTheDrain. Clients without a
//     request do not hold it up: TestSilentClientsDoNotHoldTheDrain.
//   - The collector's settings follow pipeline.budget: TestMemoryFollowsTheBudget.
//   - Under systemd it takes the sockets, and says that it is ready, lives, reloads
//     and stops: TestUnderSystemd. A socket that nobody would accept from ends the
//     start: TestForeignSocketIsRefused.
package main
