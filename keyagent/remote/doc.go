// Package remote is the key ring of a proxy that never holds a master (mode agent): a format.UploadRing that asks the key
// agent for the keys of each block and each upload, and the agent's side, which derives them.
//
//	server ── Ring.BlockKeys ── keyagent.Client.Derive ══ Unix socket ══ keyagent.Serve ── Deriver ── format
//
// # The request and its answer
//
// Inside DERIVE and DERIVED of LOCAL.md, which name the key:
//
//	request = u8 kind ‖ head (54 bytes, kind 1) or salt (24 bytes, kind 2) ‖ bucket id (16) ‖ u16 n ‖ object key (n bytes)
//	answer  = format.BlockKeys, its fields in order (144 bytes, kind 1), or format.UploadKeys (88 bytes, kind 2)
//
// An answer opens or seals one block, or serves one upload, and nothing else. The agent derives the keys of the master
// anew for each request and wipes them; nothing of a master stays outside its locked memory.
//
// # Ownership and concurrency
//
// A Ring is immutable and safe for concurrent use; it borrows its client. A Deriver is stateless.
//
// # Promises and the tests that hold them
//
//   - Both sides derive exactly what format.Keyring does: TestRemoteRingIsTheKeyring.
//   - An agent that is gone, busy or cleared gives format.ErrNoKey or format.ErrKeyUnknown, never a key:
//     TestRemoteRingFailsClosed.
//   - No request panics the agent: FuzzDerive.
package remote
