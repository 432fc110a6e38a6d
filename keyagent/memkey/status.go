package memkey

import (
	"fmt"
	"time"
)

// A Status is the outcome of a request as it stands in M4 and M4e (PROTOCOL.md section 7).
type Status uint16

const (
	StatusOK          Status = 0
	StatusDenied      Status = 1  // everything that is refused before the admin is known; one text for all
	StatusSession     Status = 2  // no such session: expired, used, evicted, or of another life of the agent
	StatusMalformed   Status = 3  // a message or package against the protocol
	StatusDecrypt     Status = 4  // the package does not open
	StatusKeyMismatch Status = 5  // a KID or KVT is not that of the master sent with it
	StatusPins        Status = 6  // the pinned keys or buckets say otherwise
	StatusGeneration  Status = 7  // older than what the agent has
	StatusDuplicate   Status = 8  // a key twice, or not exactly one active
	StatusShare       Status = 9  // the share does not verify
	StatusRoles       Status = 10 // another role, or another admin, has to take part
	StatusBusy        Status = 11 // later: see RetryAfter
	StatusBucket      Status = 12 // a bucket's own check failed
	StatusFailed      Status = 13 // the agent could not carry it out
)

// statusTable has each outcome's name, what it means, and what to do next; both texts are for an admin's terminal.
var statusTable = [...]struct{ name, text, next string }{
	StatusOK:          {"ok", "done", ""},
	StatusDenied:      {"denied", "the server refuses this request and does not say why", "check on the server: memkey-server admin list, its clock, and its audit log"},
	StatusSession:     {"session", "the session expired, was used before, or the server restarted", "memkey-admin status, then send again"},
	StatusMalformed:   {"malformed", "the server does not accept the message", "use the same version of memkey-admin and memkey-server"},
	StatusDecrypt:     {"decrypt", "the package does not open at the server", "memkey-admin key send again; if it fails again, something on the way changes the data"},
	StatusKeyMismatch: {"key-mismatch", "a key's id or verification tag does not belong to the key sent", "memkey-admin key drill to check the keyring against its paper copy"},
	StatusPins:        {"pins", "the keyring does not contain the keys and buckets that are pinned on the server", "memkey-admin key show, compare with memkey-admin status; a wanted change needs: memkey-admin key enroll"},
	StatusGeneration:  {"generation", "the server has a newer generation of the keyring", "memkey-admin status, then use the newest copy of the keyring"},
	StatusDuplicate:   {"duplicate", "a key is there twice, or not exactly one key is active", "memkey-admin key show"},
	StatusShare:       {"share", "the share is damaged or belongs to another set", "memkey-admin key show on the share; have another holder send theirs"},
	StatusRoles:       {"roles", "this needs another role, or a second admin", "have a second admin send the same; on the server: memkey-server admin list"},
	StatusBusy:        {"busy", "the server is busy or slows this address down", "wait, then send again"},
	StatusBucket:      {"bucket", "a bucket does not belong to these keys", "look into the server's audit log for the bucket's name"},
	StatusFailed:      {"failed", "the server could not carry it out", "look into the server's log, then memkey-admin status"},
}

func (s Status) known() bool { return int(s) < len(statusTable) }

// String returns the status' short name, one word.
func (s Status) String() string {
	if !s.known() {
		return fmt.Sprintf("status %d", uint16(s))
	}
	return statusTable[s].name
}

// Text says in one line what the status means.
func (s Status) Text() string {
	if !s.known() {
		return "the server answers with an unknown status"
	}
	return statusTable[s].text
}

// Next says in one line what to type next; empty for StatusOK.
func (s Status) Next() string {
	if !s.known() {
		return "use the same version of memkey-admin and memkey-server"
	}
	return statusTable[s].next
}

// A Refusal is a request that was not carried out. Apply returns one to choose the status; the client returns one when
// the agent refused, with Signed telling whether the expected server said so.
type Refusal struct {
	Status     Status
	Detail     string        // for the audit log only: never on the wire, not in Error
	RetryAfter time.Duration // with StatusBusy; on the wire in whole seconds, rounded up, at most 65,535
	Signed     bool          // set by the client
}

// Error returns the status' text.
func (r *Refusal) Error() string { return r.Status.Text() }

// Is makes StatusSession match ErrExpired.
func (r *Refusal) Is(target error) bool { return target == ErrExpired && r.Status == StatusSession }

func refuse(status Status, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Detail: fmt.Sprintf(format, args...)}
}
