package paper

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// A Size is the paper's.
type Size uint8

const (
	A4     Size = iota // 210 × 297 mm
	Letter             // 8.5 × 11 in
)

// String returns "A4" or "Letter".
func (s Size) String() string {
	switch s {
	case A4:
		return "A4"
	case Letter:
		return "Letter"
	}
	return fmt.Sprintf("size %d", uint8(s))
}

// ParseSize reads "a4" or "letter", in any case.
func ParseSize(s string) (Size, error) {
	switch strings.ToLower(s) {
	case "a4":
		return A4, nil
	case "letter":
		return Letter, nil
	}
	return 0, fmt.Errorf("cannot use the paper size %q: want a4 or letter", s)
}

// A Master is one master key on a page of its own.
type Master struct {
	Master *keyagent.Secret // stays the caller's
	Label  string           // at most MaxLabel bytes of printable UTF-8; what is not Latin-1 prints as "?"
	Active bool             // as of Sheet.Generation
}

// A Sheet is a document: one page per master, then one per share. It needs at least one of them.
type Sheet struct {
	Size       Size
	Date       time.Time // printed as the day in its own time zone; the only thing that two runs differ in
	Generation uint64    // of the keyring with the masters; a share has its own
	Masters    []Master
	Shares     []*shares.Share // stay the caller's
}

func (s *Sheet) check() error {
	if s.Size != A4 && s.Size != Letter {
		return fmt.Errorf("%w: Size is %v", ErrSheet, s.Size)
	}
	if s.Date.IsZero() {
		return fmt.Errorf("%w: Date is missing", ErrSheet)
	}
	if pages := len(s.Masters) + len(s.Shares); pages < 1 || pages > MaxPages {
		return fmt.Errorf("%w: %d pages, want 1 to %d", ErrSheet, pages, MaxPages)
	}
	for i, m := range s.Masters {
		if m.Master == nil {
			return fmt.Errorf("%w: Masters[%d] has no master", ErrSheet, i)
		}
		if !printable(m.Label) {
			return fmt.Errorf("%w: Masters[%d].Label is not printable UTF-8 of at most %d bytes", ErrSheet, i, MaxLabel)
		}
	}
	for i, share := range s.Shares {
		if share == nil {
			return fmt.Errorf("%w: Shares[%d] is missing", ErrSheet, i)
		}
	}
	return nil
}

func printable(label string) bool {
	if len(label) > MaxLabel || !utf8.ValidString(label) {
		return false
	}
	for _, r := range label {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// names derives a master's public names.
func names(master *keyagent.Secret) (id format.KeyID, kvt [32]byte, err error) {
	var derived *format.Keys
	if useErr := master.Use(func(m []byte) { derived, err = format.DeriveKeys(m) }); useErr != nil {
		err = useErr
	}
	if err != nil {
		return id, kvt, err
	}
	defer derived.Wipe()
	return derived.ID(), derived.KVT(), nil
}
