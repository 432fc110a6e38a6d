package rewrap

import (
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Kind is what became of an object.
type Kind string

const (
	// Current: it was under the active key already.
	Current Kind = "current"
	// Rewrapped: it is under the active key now.
	Rewrapped Kind = "rewrapped"
	// Older: it is under an older key that the ring holds; of a survey only.
	Older Kind = "older"
	// Unreadable: its block does not open with this ring. It was not touched.
	Unreadable Kind = "unreadable"
	// Changed: it kept changing under our hands. It was not touched.
	Changed Kind = "changed"
	// Failed: the store failed. It is the old or the whole new object.
	Failed Kind = "failed"
	// Held: it may not be written anew: by a lock, because the store would lose what it
	// keeps beside it, or because no write of it would be safe. It was not touched.
	Held Kind = "held"
	// Gone: it was deleted after it had been listed.
	Gone Kind = "gone"
)

// Outcome tells about one object.
type Outcome struct {
	Key  string // the client's; of what has no name there, the stored one
	Size int64  // stored bytes
	Kind Kind
	// KeyID is the key that its block names. Of an Unreadable one that is a claim.
	KeyID format.KeyID
	// Named: KeyID is set.
	Named bool
	Err   error // of Unreadable, Changed, Held and Failed
}

// reason is a short text without names of objects.
func (o Outcome) reason() string {
	for _, r := range []struct {
		is   error
		text string
	}{
		{format.ErrKeyUnknown, "sealed under a key that is not in the ring"},
		{format.ErrNotSealed, "not sealed"},
		{format.ErrForeign, "has a size that no sealed object has"},
		{format.ErrVersion, "has another format version"},
		{format.ErrUnsupported, "uses a feature that cannot be rewrapped"},
		{format.ErrCommit, "is not what was sealed under this name"},
		{format.ErrIntegrity, "was changed"},
		{format.ErrName, "has a stored name that was not sealed in this bucket"},
		{errLocked, "is under an object lock, and the store refuses to write it"},
		{errFolder, "is a folder marker, which the store cannot replace safely: write it again through the proxy"},
	} {
		if errors.Is(o.Err, r.is) {
			return r.text
		}
	}
	if o.Err == nil {
		return ""
	}
	if o.Kind == Changed {
		return "kept changing"
	}
	text := o.Err.Error()
	return text[:min(len(text), maxReason)]
}

// lost says that a write was refused because the object is no longer the one
// that was read.
func lost(err error) bool {
	switch backend.KindOf(err) {
	case backend.Precondition, backend.Conflict, backend.NotFound:
		return true
	}
	var e *backend.Error
	return errors.As(err, &e) && e.Code == "NoSuchKey" // the object that If-Match is about
}

// withKey fills in what the header of a block names.
func (o *Outcome) withKey(block []byte) {
	if h, err := format.ParseHeader(block); err == nil && h.Class != format.ClassPart {
		o.KeyID, o.Named = h.KeyID, true
	}
}

// String is for logs and tests.
func (o Outcome) String() string {
	return fmt.Sprintf("%s %s %d bytes under %s", o.Kind, o.Key, o.Size, o.KeyID)
}
