// S3-crypt works on the stored objects of an s3-crypt-proxy: it tells which key
// they are under, and brings them under the active one after a rotation. It runs
// beside the proxy, on its host; clients go on meanwhile.
//
// # Usage
//
//	s3-crypt keys BUCKET [--objects]     which key is used by how many objects, or by which
//	s3-crypt explain BUCKET OBJECT       what an object is, and why it cannot be read
//	s3-crypt rewrap BUCKET               bring every object under the bucket's active key
//	s3-crypt retire BUCKET KEYID         take a key that nothing uses out of the bucket's state
//	s3-crypt --version
//	s3-crypt help [COMMAND]
//
// Flags of all:
//
//	--config FILE        the proxy's configuration file; without it, S3CP_* variables
//	--parallel N         objects in work at once (4)
//	--rate N/s           objects looked at a second, on the average (no limit)
//	--json               the report as one JSON object on stdout
//
// of rewrap:
//
//	--bandwidth SIZE     bytes a second that the backend is made to write, such as
//	                     20MiB, what it copies itself included (no limit)
//	--checkpoint FILE    where to note how far it came, and to go on from; removed at
//	                     the end
//	--dry-run            only tell what would be done
//
// and of keys:
//
//	--objects            one line an object: key id, stored bytes, outcome, name; with
//	                     --json one JSON object a line, the report last
//
// of explain:
//
//	--block              look at its block alone, which tells which key it is under, and
//	                     whether it is whole by its size; else every byte is read
//
// # What explain says
//
// One line: the bucket and the name, one of the words below, and what was found.
//
//	readable     it opens; size, cipher, key, and when it was written
//	absent       the backend has no such object
//	wrong-key    it is under a key that is not loaded
//	not-sealed   something else than a proxy stored it
//	swapped      it is sealed, but not for this name and bucket: moved, renamed, swapped
//	truncated    bytes are missing
//	extended     there are more bytes than were sealed
//	changed      its block or its content is not what was sealed
//	foreign      another format version, or a form that this one does not have
//
// A backend that fails is none of them, but exit status 5: nothing is said of an object
// that could not be looked at.
//
// # Where settings and keys come from
//
// The backend's address and credentials come from the proxy's own configuration,
// the keys from the key agent's socket that is named there (memkey.socket_path).
// There is no other way to give a key, and none is ever written. If the keys are
// cleared at the agent, the work ends.
//
// # Rotation, step by step
//
//	memkey-admin key rotate              a new active key, the old one still opens
//	                                     the proxies record it in each bucket's state
//	s3-crypt rewrap BUCKET               objects get a new block; bodies stay
//	s3-crypt keys BUCKET                 what still uses which key
//	s3-crypt retire BUCKET OLDKEY        only if the old key shall leave the ring:
//	                                     proxies refuse a bucket of whose recorded keys
//	                                     they lack one
//
// Retire only when every proxy has the new ring, and no upload is running that
// began before; what ends later is still under the old key. Keep the old master on
// paper. Rewrapping does not help against a thief of the old key for what he has
// copied already.
//
// # What rewrap does, and does not
//
// It reads the block of each object (512 to 4096 bytes). If that is under an older
// key it makes a new block and has the backend put the same body behind it, on the
// condition that the object is still the one that was read; otherwise what was
// written meanwhile stays. Of an object that was uploaded in parts that is its tail,
// at its end. Tags, grants, storage class, retention and legal hold are given to what
// is written; the backend must let the proxy's credentials read them. Change none of
// them while rewrap runs: S3 has no condition for them. An object that would lose any
// of it, or that an object lock does not let be written, is named in the report and
// left ("held"). So is a folder marker (an empty object, dir/, on a backend that keeps no
// content there), which its ETag does not tell from another: write it again through the
// proxy, by a copy onto itself with x-amz-storage-class: STANDARD. Before the first write it proves on an object of its own
// that the backend refuses a condition that does not hold. It may be stopped,
// killed and started again at any time, also twice at once: each object is the old
// or the whole new one. Objects that do not open are named in the report and left.
// It needs 16 MiB for each object in work, and as much room at the backend.
//
// In a bucket with versions, writing an object leaves its old version, under the old
// key; versions cannot be rewrapped. The report counts them by key, and no key is
// retired while noncurrent versions are under it, or may be: remove them at the
// backend first, or keep the key in the ring as long as they shall be readable.
//
// # Output
//
// The report goes to stdout, everything else to stderr: a progress bar on a
// terminal, else a line every 10 seconds. A failure is one line, and a second one
// that begins with "try:" and says what to do. No line has a byte of a key.
//
// # Signals
//
// SIGINT and SIGTERM end the work: what is in flight is given up, the checkpoint is
// written, the report is of what was done. A second one ends the process at once,
// which loses a few seconds of the checkpoint and nothing else.
//
// # Exit status
//
//	0   done; for rewrap: every object is under the active key
//	1   internal error
//	2   wrong usage: unknown flag, command or value
//	3   the configuration or the checkpoint file is wrong
//	4   no key: the agent cannot be reached, has none, or was cleared meanwhile
//	5   the backend cannot be reached, refuses, or does not know the bucket
//	6   done, but not for every object, or the key is in use; the report names them;
//	    for explain: the object cannot be read
//	7   ended by a signal
//	8   the bucket refuses: no usable state, other keys than its own, or a backend
//	    without conditional writes
//
// # Promises, each with the test that proves it
//
//   - Commands, flags, output and exit codes as above: TestScripts,
//     TestExitCodesAreDocumented, TestEveryFailureHasItsCode.
//   - Every failure says what to try: TestEveryFailureHasItsCode.
//   - Explain names each thing that can be wrong, and blames no object for the backend:
//     TestScripts (explain.txtar), and server/rewrap's TestExplain.
//   - A signal ends the work with a checkpoint: TestScripts (stop.txtar).
//   - A clear at the agent ends the work: TestClearEndsTheWork.
//   - Nothing printed has a byte of a key: TestNothingPrintedHasKeyBytes.
package main
