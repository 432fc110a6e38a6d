// Memkey-admin makes master keys on the administrator's machine, keeps them in a
// file sealed under a passphrase, puts them on paper, and delivers them to
// memkey-server, which holds them in memory only.
//
// # Usage
//
//	memkey-admin init --server URL --fingerprint HEX64 [--name N] [--ssh-agent KEY]
//	memkey-admin key generate [--label TEXT]
//	memkey-admin key import {--file F | --words | --text F | --share F --share F …} [--add] [--generation N]
//	memkey-admin key enroll [--generation N]      let the server pin the ring, and deliver it
//	memkey-admin key send [--generation N]        deliver it again, after a restart
//	memkey-admin key rotate [--label TEXT]        a new active key; the old ones only open
//	memkey-admin key clear [--yes]                take the keys away from the server
//	memkey-admin key show
//	memkey-admin key export --paper FILE.pdf [--size a4|letter]
//	memkey-admin key drill [--words | --text F] [--keyring | --pins F]
//	memkey-admin key split -n N -k K [--out DIR] [--paper]
//	memkey-admin key share --file F               deliver one share
//	memkey-admin status
//	memkey-admin help [COMMAND]
//
// Everywhere: --config FILE, --json, --verbose, and --passphrase-file FILE or
// --passphrase-fd N. Each command's help is its reference.
//
// # Files
//
// The configuration is ~/.memkey-admin.json, or what --config says; paths in it are
// relative to its directory:
//
//	server_url            https://host:7070; http to a loopback address only
//	expected_fingerprint  of the server, 64 hex digits
//	key_file              the key ring, .memkey-keyring if it is not there
//	identity_file         the identity, .memkey-identity
//	ssh_agent_key         instead: an ssh-ed25519 key that the ssh-agent has
//	skip_tls_verify       of the earlier system; means nothing
//
// Unknown keys are errors. Beside it are:
//
//	.memkey-keyring       the master keys, sealed; .memkey-keyring.1 is the previous one
//	.memkey-identity      the key that signs, sealed
//	.memkey-receipts      what servers confirmed, a JSON object a line; nothing secret
//	*.lock                empty; one memkey-admin at a time changes a ring
//
// Package keyfile has the layout of the sealed files. A configuration of the earlier
// system is taken over by init, its plain .memkey-master.key by key import --file.
//
// # Passphrases
//
// A passphrase is asked for on the terminal (not stdin), without showing, twice if it
// is new. --passphrase-file and --passphrase-fd give one line instead, for all files
// of the command; a file must belong to its owner alone (mode 0600), a pipe is nobody
// else's. There is no argument and no variable for it. A passphrase that was
// typed for one file is tried on the next before that is asked for.
//
// Ctrl-C at a question ends the command with nothing written or sent since.
//
// # The ring and the server
//
// A server takes only keys that were enrolled, at the generation that was enrolled.
// The ring knows whether a server has confirmed its generation:
//
//	generate, import   generation 1 (or --generation), pending
//	enroll             the server pins it; confirmed
//	send               the same keys again, as often as wanted
//	rotate             next generation with a new active key, pending; enrolled; confirmed
//
// A pending ring is written before anything is sent. Whatever breaks off between,
// rotate again goes on with the same key: no second one is made while one is pending.
// The receipt must name exactly the keys that were sent.
//
// Receipts are kept: they are the witness of the server's audit log (a log that got
// shorter is reported), and what key drill compares paper with.
//
// # Output
//
// Results go to stdout, everything else to stderr. With --json, stdout has exactly
// one object: {"ok":true,"command":…,"result":{…}}, or
// {"ok":false,"command":…,"exit":N,"error":…,"try":…}. A failure is one line on
// stderr, and a second one with what to type next:
//
//	memkey-admin: cannot X: why
//	try: …
//
// No output has a key, a word of a sheet or a passphrase, with or without --verbose.
// Keys in clear are in what export and split write, and nowhere else.
//
// # Exit status
//
//	0   done
//	1   internal error
//	2   wrong usage, or a question was answered with no
//	3   the configuration, a key file or a sheet is missing, unusable or in the way
//	4   the passphrase or the identity is wrong, or there is no terminal to ask on
//	5   the server is not reachable, or did not confirm
//	6   the server refused; the text says which refusal
//	7   what answers is not the server with the expected fingerprint: do not go on
//	8   the keys are not those that are pinned: pins, generation or KVT; or the server
//	    did it, and its audit log has lost entries since the last receipt
//	130 interrupted at a question
//
// # Promises, each with the test that proves it
//
//   - Commands, flags, files and exit codes as above: TestScripts. What this text says
//     about exit codes is what the code does: TestExitCodesAreDocumented.
//   - No output has key bytes (raw, hex, base64), words or a passphrase, and no file but
//     those of export, split and the user: every script ends with the command
//     no-secrets, which itself is tested: TestSearchFindsSecrets.
//   - A rotation that breaks off anywhere is gone on with, by the same key:
//     TestRotationBrokenOffAnywhere, rotate.txtar.
//   - The terminal is as it was after a question, also after ctrl-C:
//     TestTerminalIsRestored.
//   - Only random keys are imported, and all of those: TestRandomKeysPass,
//     TestWeakKeysAreRefused, FuzzParseKey.
//   - A damaged receipts file costs a line, not the receipts: TestReceipts.
package main
