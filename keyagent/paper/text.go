package paper

import (
	"fmt"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

const (
	textVersion = 1
	kindMaster  = 'M'
	kindShare   = 'S'

	masterBytes = 32
	checkBytes  = 4 // of the KVT
)

// A Text is what ParseText reads: exactly one of the two, the caller's to wipe.
type Text struct {
	Master *keyagent.Secret
	Share  *shares.Share
}

// MasterText returns the text form of a master (doc.go, "Text form"). It is the key in clear.
func MasterText(master *keyagent.Secret) (string, error) {
	lines, err := masterLines(master)
	if err != nil {
		return "", err
	}
	return join(kindMaster, lines), nil
}

// ShareText returns the text form of a share. It is the share in clear.
func ShareText(share *shares.Share) (string, error) {
	lines, err := shareLines(share)
	if err != nil {
		return "", err
	}
	return join(kindShare, lines), nil
}

func masterLines(master *keyagent.Secret) ([]string, error) {
	_, kvt, err := names(master)
	if err != nil {
		return nil, fmt.Errorf("cannot write a master as text: %w", err)
	}
	data := make([]byte, masterBytes, masterBytes+checkBytes)
	if err := master.Use(func(m []byte) { copy(data, m) }); err != nil {
		return nil, fmt.Errorf("cannot write a master as text: %w", err)
	}
	data = append(data, kvt[:checkBytes]...)
	defer clear(data)
	return cut(kindMaster, data), nil
}

func shareLines(share *shares.Share) ([]string, error) {
	data, err := share.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("cannot write a share as text: %w", err)
	}
	defer clear(data)
	return cut(kindShare, data), nil
}

// cut makes lines of data.
func cut(kind byte, data []byte) []string {
	n := (len(data) + lineBytes - 1) / lineBytes
	lines := make([]string, n)
	for i := range lines {
		lines[i] = encodeLine(kind, i+1, n, data[i*lineBytes:min((i+1)*lineBytes, len(data))])
	}
	return lines
}

// head is the first line of a text form, as it is printed too.
func head(kind byte, lines int) string { return fmt.Sprintf("MK%c%d-%d", kind, textVersion, lines) }

func join(kind byte, lines []string) string {
	return head(kind, len(lines)) + "/" + strings.Join(lines, "/")
}
