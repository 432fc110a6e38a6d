// Memkey-server is the key agent of s3-crypt-proxy: it holds the master keys, in memory only, and hands them to the
// proxies on its host. Administrators bring the keys over the network, sealed, with memkey-admin; after every start of
// the server somebody has to do that again.
//
// # Usage
//
//	memkey-server init                      make the server's identity, once; print its fingerprint
//	memkey-server admin add PUBLIC-KEY --roles ROLES --name NAME
//	memkey-server admin remove NAME|FINGERPRINT|PUBLIC-KEY
//	memkey-server admin list
//	memkey-server [serve]                   serve
//	memkey-server fingerprint               print the fingerprint
//	memkey-server pins                      print which keys are right for this server
//	memkey-server audit verify [FILE] [--witness SEQ:DIGEST]
//	memkey-server help [COMMAND]            help config explains memkey.yaml
//	memkey-server -version
//
// Every command takes -config FILE and -json (one JSON object on stdout). Flags may have one dash or two. The earlier
// system's -generate-identity is init, its -print-fingerprint is fingerprint.
//
// # First start
//
//	memkey-server init
//	memkey-server admin add 64-HEX-DIGITS --roles deliver,enroll,clear,status --name anna
//	memkey-server serve
//
// and on anna's machine: memkey-admin init with the fingerprint that init printed, key generate, key enroll.
//
// # Configuration
//
// A strict YAML file, /etc/s3-crypt-proxy/memkey.yaml if it is there; every key has a default. Unknown keys and wrong
// values are errors with their line. Nothing in a value is expanded, and no environment variable is read but systemd's.
//
//	server.listen_addr            127.0.0.1:7070           where administrators connect
//	server.tls_enabled            true                     TLS 1.3; the protocol inside does not rest on it
//	server.tls_cert, tls_key                               empty: made of the identity
//	server.unix_socket_path       /run/memkey/memkey.sock  where proxies get the keys; empty: none
//	server.unix_socket_uids       []                       users that may, numbers or names; empty: the own user
//	server.unix_socket_agent_uids []                       those that get no master: proxies with memkey.mode agent
//	identity.file                 STATE_DIR/identity       32 bytes or 64 hex digits, mode 0600
//	identity.private_key                                   the seed itself, as earlier; a warning
//	security.challenge_timeout    30s                      from challenge to package
//	security.max_clock_skew       120s
//	security.no_clock             false
//	security.max_failed_attempts  5                        per source address, then
//	security.lockout_duration     5m                       it has to wait, unless it proves to be an administrator
//	security.enroll_quorum        1                        2: a second administrator must send the same enrolment
//	state_dir                     /var/lib/memkey
//	admins_file                   memkey.admins beside memkey.yaml
//	pins_file                     STATE_DIR/pins
//	audit_file                    STATE_DIR/audit.log
//	log_level, log_format         info, json               debug, info, warn, error; json, console
//
// # Identity
//
// An Ed25519 key that signs and opens nothing: who steals it can pretend to be this server from then on, but reads no key
// that was delivered before. It is taken from the systemd credential "identity" ($CREDENTIALS_DIRECTORY/identity), else
// from identity.private_key, else from identity.file. No command prints it.
//
// # Files
//
//	identity        secret, 0600       the seed
//	memkey.admins   public, root's     a line each: public key, roles, name; changed by `admin` only, never by network
//	pins            public, 0600       which keys are right (package vault)
//	audit.log       public, 0600       every decision, hash-chained (package audit); audit.log.N are its older files of
//	                                   64 MiB, up to line N, one chain with it; 15 are kept
//
// No file has a master key. Pins and log are worth a backup; so is a receipt's audit head.
//
// # Signals
//
//	SIGTERM, SIGINT   the proxies' connections end first, so that they keep their keys; then the keys are wiped
//	SIGHUP            read the administrators again; a list that cannot be read lets nobody in
//
// # Output
//
// Data goes to stdout, everything else to stderr. While serving, stderr is the log: one JSON object a line (log_format:
// json) or text for people (console). The line that contains SERVER FINGERPRINT has the field fingerprint; the line with
// the message "ready" has listen_addr as bound. No line has a secret, at any level. Every failure is a line "memkey-server:
// cannot X: why" and a line "try: COMMAND". Under systemd the server says READY=1, STOPPING=1 and answers the watchdog.
//
// # Exit status
//
// The table is shared with memkey-admin; the numbers in between are that one's.
//
//	0   done
//	1   internal error, or the system refused something that no setting is about
//	2   wrong usage: unknown command, flag or value
//	3   the configuration or a file is wrong or cannot be read or written
//	4   the identity is missing or unusable
//	5   cannot listen: address or socket in use, not permitted, not of this machine
//	8   conflict: the pins file is damaged, the audit log's chain is broken or has not the line of a receipt
//
// # Memory
//
// The first thing that serve does is keyagent.Harden: no core file, no ptrace and no /proc/PID/mem for the same user. The
// keys are in memory of keyagent (memfd_secret or mlock); the rest of the process is locked too where the limits allow
// it, else the log says so.
//
// # Promises, each with the test that proves it
//
//   - Commands, flags and exit codes as above, every failure with the line that says what to type: TestScripts,
//     TestExitCodesAreDocumented. Every setting is in this manual: TestEverySettingIsInTheManual.
//   - A started server cannot be read or dumped, and has a key nowhere outside its region: TestRunningServerIsHardened,
//     TestNoKeyBytesOutsideTheRegion.
//   - No key, seed or share in any line of the log, at any level: TestLogHasNoSecrets.
//   - The end of the server is no clear for the proxies, and wipes: TestEndWipesAndIsNoClear.
//   - The list of administrators is strict, and no network request changes it: TestAdminList*, FuzzParseList.
package main
