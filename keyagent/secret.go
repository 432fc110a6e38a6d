package keyagent

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
)

// redacted is what every printer of a Secret shows.
const redacted = "redacted"

// noCopy makes go vet (copylocks) report a Secret that is copied by value.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// A Secret is one handle on KeySize key bytes that live outside the Go heap, in memory that is locked, kept out of core
// dumps and forked children, read-only and enclosed by guard pages (doc.go, "Memory"). Every printer shows "redacted".
//
// Whoever got a Secret from NewSecret, GenerateSecret or Clone owns it and must Wipe it. All methods are safe for
// concurrent use. A Secret must not be copied; pass the pointer.
type Secret struct {
	_ noCopy

	mu    sync.Mutex
	users int           // running calls of Use
	wiped bool          // no new calls
	idle  chan struct{} // closed by the last user once wiped; nil if nobody waits
	once  sync.Once
	mem   *keyMemory // no []byte here: a reflecting printer would show it
}

// keyMemory is the memory behind one or more handles. The last handle zeroes and unmaps it.
type keyMemory struct {
	handles atomic.Int64
	page    lockedPage
}

// NewSecret copies from, which must be KeySize bytes and not all zero (ErrBadSecret), into a new Secret and clears from
// in every case, also when it fails.
func NewSecret(from []byte) (*Secret, error) {
	defer clear(from)
	return copySecret(from)
}

// GenerateSecret makes a Secret from crypto/rand, straight into its locked memory.
func GenerateSecret() (*Secret, error) {
	return makeSecret(func(key []byte) {
		_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	})
}

// copySecret is NewSecret that leaves from alone (it may be mapped read-only).
func copySecret(from []byte) (*Secret, error) {
	if len(from) != KeySize {
		return nil, fmt.Errorf("cannot take a key of %d bytes: want %d: %w", len(from), KeySize, ErrBadSecret)
	}
	return makeSecret(func(key []byte) { moveKey(key, from) })
}

func makeSecret(fill func(key []byte)) (*Secret, error) {
	page, err := newLockedPage()
	if err != nil {
		return nil, fmt.Errorf("cannot get locked memory for a key: %w", err)
	}
	fill(page.key())
	var or byte
	for _, b := range page.key() {
		or |= b
	}
	if or == 0 {
		page.free()
		return nil, fmt.Errorf("cannot take a key of zeros: %w", ErrBadSecret)
	}
	if err := page.freeze(); err != nil {
		clear(page.key())
		page.free()
		return nil, fmt.Errorf("cannot write-protect a key: %w", err)
	}
	s := &Secret{mem: &keyMemory{page: page}}
	s.mem.handles.Store(1)
	return s, nil
}

// moveKey copies byte by byte. The built-in copy of 32 bytes leaves the whole key in two vector registers, from where
// the next signal (the Go scheduler sends them) would write it to a signal stack on the heap side of the process.
func moveKey(dst, src []byte) {
	_ = dst[len(src)-1]
	//lint:ignore S1001 the built-in copy is what this function exists to avoid
	for i := range src {
		dst[i] = src[i]
	}
}

// Use calls f with the KeySize key bytes. They are valid only during the call, must not be kept, and are read-only: a
// write to them is a fault. It returns ErrWiped, without calling f, after Wipe. f may use other Secrets and the same one
// again, but must not Wipe this one: Wipe waits for f.
func (s *Secret) Use(f func(key []byte)) error {
	if !s.acquire() {
		return ErrWiped
	}
	defer s.release()
	f(s.mem.page.key())
	return nil
}

func (s *Secret) acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wiped || s.mem == nil {
		return false
	}
	s.users++
	return true
}

func (s *Secret) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	if s.users == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}

// Wipe ends this handle: later calls of Use fail, running ones are waited for. The last handle on the memory zeroes it
// and gives it back. Wipe is idempotent, every call returns only when the wipe is done; a nil Secret has nothing to wipe.
func (s *Secret) Wipe() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		s.mu.Lock()
		s.wiped = true
		var idle chan struct{}
		if s.users > 0 {
			idle = make(chan struct{})
			s.idle = idle
		}
		mem := s.mem
		s.mu.Unlock()
		if idle != nil {
			<-idle
		}
		if mem != nil && mem.handles.Add(-1) == 0 {
			mem.page.thaw()
			clear(mem.page.key())
			mem.page.free()
		}
	})
}

// Clone returns another handle on the same key for another owner (ErrWiped after Wipe). The bytes are shared, so that
// there is one copy of a key in the process however many hold it; they are zeroed when the last handle is wiped.
func (s *Secret) Clone() (*Secret, error) {
	if !s.acquire() {
		return nil, ErrWiped
	}
	defer s.release()
	s.mem.handles.Add(1) // s is in use, so at least its own handle exists
	return &Secret{mem: s.mem}, nil
}

// Equal tells in constant time whether both hold the same key. A wiped Secret equals nothing, not even itself.
func (s *Secret) Equal(other *Secret) bool {
	if s == nil || other == nil {
		return false
	}
	equal := false
	_ = s.Use(func(a []byte) { // a wiped side leaves equal false
		_ = other.Use(func(b []byte) { equal = subtle.ConstantTimeCompare(a, b) == 1 })
	})
	return equal
}

// Memory names what protects the key, for start-up logs: "memfd_secret", "mlock" or "heap" (doc.go, "Memory").
func (s *Secret) Memory() string {
	if s.mem == nil {
		return "none"
	}
	return s.mem.page.kind
}

// String returns "redacted".
func (s *Secret) String() string { return redacted }

// GoString returns "redacted".
func (s *Secret) GoString() string { return redacted }

// Format writes "redacted" for every verb and flag.
func (s *Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalJSON returns "redacted" as a JSON string.
func (s *Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns "redacted".
func (s *Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "redacted" for log/slog.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
