package paper

import (
	"errors"
	"fmt"
)

var (
	// ErrWords says that words are not those of a sheet.
	ErrWords = errors.New("not the words of a sheet")

	// ErrText says that a text is not the text form of a master or a share.
	ErrText = errors.New("not the text of a sheet")

	// ErrTooLong says that a share does not fit a page (MaxShareSheet).
	ErrTooLong = errors.New("too long for a sheet")

	// ErrSheet says that a Sheet breaks its rules.
	ErrSheet = errors.New("not a usable sheet")
)

// A WordError says which word is not one of the list. Its text names the position only; the words themselves are the
// key.
type WordError struct {
	Position int // 1 to 25

	// Suggestion is the nearest word of the list. It may be a word of the key: show it to the person who types and
	// nowhere else, never in a log.
	Suggestion string
}

// Error names the position.
func (e *WordError) Error() string {
	return fmt.Sprintf("%v: word %d is not in the list", ErrWords, e.Position)
}

// Unwrap returns ErrWords.
func (*WordError) Unwrap() error { return ErrWords }

// A CheckError says that all words are in the list and do not belong together: at least one is wrong, or two are
// swapped.
type CheckError struct {
	// Positions are those where one other word, and no other change, makes everything fit: nearly always the one that is
	// wrong. Empty if more than one word is wrong.
	Positions []int
}

// Error names the positions.
func (e *CheckError) Error() string {
	switch len(e.Positions) {
	case 0:
		return fmt.Sprintf("%v: the check does not match: two or more words are wrong or swapped", ErrWords)
	case 1:
		return fmt.Sprintf("%v: the check does not match: look at word %d", ErrWords, e.Positions[0])
	}
	return fmt.Sprintf("%v: the check does not match: look at words %v", ErrWords, e.Positions)
}

// Unwrap returns ErrWords.
func (*CheckError) Unwrap() error { return ErrWords }

// A LineError says which line of a text form is wrong. Its text has nothing of the line.
type LineError struct {
	Line int // from 1, as printed in front of the line
	Err  error
}

// Error names the line and what is wrong with it.
func (e *LineError) Error() string { return fmt.Sprintf("%v: line %d: %v", ErrText, e.Line, e.Err) }

// Unwrap returns ErrText.
func (*LineError) Unwrap() error { return ErrText }
