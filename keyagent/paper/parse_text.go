package paper

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// ParseText reads the text form of a master or a share, as a scanner gives it or as a person types it from the sheet
// (doc.go, "Text form"). text stays the caller's, who clears it. A share is read, not verified: Share.Verify.
//
// Errors wrap ErrText; *LineError when a line is to blame. No error text has a character of the text.
func ParseText(text []byte) (Text, error) {
	if len(text) > MaxText {
		return Text{}, fmt.Errorf("%w: %d bytes, at most %d", ErrText, len(text), MaxText)
	}
	kind, data, err := parseLines(text)
	defer clear(data)
	if err != nil {
		return Text{}, err
	}
	if kind == kindMaster {
		master, err := parseMaster(data)
		return Text{Master: master}, err
	}
	share, err := shares.Parse(data)
	if err != nil {
		return Text{}, fmt.Errorf("%w: every line fits its check: %w", ErrText, err)
	}
	return Text{Share: share}, nil
}

// parseMaster takes the 32 bytes if the verification tag is theirs.
func parseMaster(data []byte) (*keyagent.Secret, error) {
	if len(data) != masterBytes+checkBytes {
		return nil, fmt.Errorf("%w: a master has %d bytes, these are %d", ErrText, masterBytes+checkBytes, len(data))
	}
	master, err := keyagent.NewSecret(data[:masterBytes]) // clears them
	if err != nil {
		return nil, fmt.Errorf("%w: cannot keep the master: %w", ErrText, err)
	}
	_, kvt, err := names(master)
	if err == nil && subtle.ConstantTimeCompare(kvt[:checkBytes], data[masterBytes:]) != 1 {
		err = errors.New("every line fits its check, and the key is not the one that the sheet was made of")
	}
	if err != nil {
		master.Wipe()
		return nil, fmt.Errorf("%w: %w", ErrText, err)
	}
	return master, nil
}

// parseLines returns the bytes of all lines, which the caller clears, also with an error.
func parseLines(text []byte) (kind byte, data []byte, err error) {
	segments := bytes.FieldsFunc(text, func(r rune) bool { return r == '/' || r == '\n' || r == '\r' })
	var kept [][]byte
	for _, s := range segments {
		if s = bytes.TrimSpace(s); len(s) > 0 {
			kept = append(kept, s)
		}
	}
	if len(kept) == 0 {
		return 0, nil, fmt.Errorf("%w: it is empty", ErrText)
	}
	kind, lines, err := parseHead(kept[0])
	if err != nil {
		return 0, nil, err
	}
	placed, err := place(kept[1:], lines)
	if err != nil {
		return 0, nil, err
	}
	data = make([]byte, 0, lines*lineBytes)
	for i, line := range placed {
		chars, err := foldLine(line)
		if err == nil {
			var d []byte
			d, err = decodeLine(kind, i+1, lines, chars)
			data = append(data, d...)
			clear(d)
		}
		clear(chars)
		if err != nil {
			return 0, data, &LineError{Line: i + 1, Err: err}
		}
	}
	return kind, data, nil
}

// parseHead reads "MKS1-13".
func parseHead(b []byte) (kind byte, lines int, err error) {
	chars, err := foldLine(b)
	if err != nil || len(chars) < 5 || string(chars[:2]) != "MK" || chars[2] != kindMaster && chars[2] != kindShare {
		return 0, 0, fmt.Errorf("%w: it does not begin with MKM or MKS", ErrText)
	}
	if chars[3] != '0'+textVersion {
		return 0, 0, fmt.Errorf("%w: this release knows version %d only", ErrText, textVersion)
	}
	for _, c := range chars[4:] {
		if c < '0' || c > '9' {
			return 0, 0, fmt.Errorf("%w: the number of lines behind MK%c%d is missing", ErrText, chars[2], textVersion)
		}
		if lines = lines*10 + int(c-'0'); lines > maxLines {
			return 0, 0, fmt.Errorf("%w: it claims more than %d lines", ErrText, maxLines)
		}
	}
	if lines < 1 {
		return 0, 0, fmt.Errorf("%w: it claims no lines", ErrText)
	}
	return chars[2], lines, nil
}

// place puts lines at their numbers; one without a number follows the one before it.
func place(segments [][]byte, lines int) ([][]byte, error) {
	placed := make([][]byte, lines)
	next := 1
	for _, s := range segments {
		number, rest := cutNumber(s)
		if number == 0 {
			number = next
		}
		if number > lines {
			return nil, &LineError{Line: number, Err: fmt.Errorf("there are %d lines only", lines)}
		}
		if placed[number-1] != nil {
			return nil, &LineError{Line: number, Err: errLineTwice}
		}
		placed[number-1] = rest
		next = number + 1
	}
	for i, line := range placed {
		if line == nil {
			return nil, &LineError{Line: i + 1, Err: errLineMissing}
		}
	}
	return placed, nil
}

// cutNumber takes "7." or "7)" off the front; 0 if there is none.
func cutNumber(s []byte) (number int, rest []byte) {
	digits := 0
	for digits < len(s) && digits < 4 && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits == len(s) || s[digits] != '.' && s[digits] != ')' {
		return 0, s
	}
	return atoi(string(s[:digits])), s[digits+1:]
}

// foldLine returns the characters that count; the caller clears them.
func foldLine(line []byte) ([]byte, error) {
	chars := make([]byte, 0, len(line))
	for _, c := range line {
		if c == ' ' || c == '\t' || c == '-' {
			continue
		}
		folded, ok := fold(c)
		if !ok {
			return chars, errLineSymbol
		}
		chars = append(chars, folded)
	}
	return chars, nil
}
