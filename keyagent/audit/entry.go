package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// An Entry is one decision. Op and Result are words of the program: 1 to 48 of a-z, 0-9, space, "-" and "_".
type Entry struct {
	Time       time.Time // zero = now
	Boot       [16]byte  // the run of the agent
	Op         string
	Admin      *[32]byte      // fingerprint; nil if nobody was identified
	Source     netip.Addr     // the zero Addr = none
	Generation uint64         // 0 = none
	Keys       []format.KeyID // at most 16
	Result     string
	Detail     string // for people; cut at 512 bytes, made valid UTF-8
}

// line is an Entry as it is written. The order of the fields is the order in the file.
type line struct {
	Seq        uint64   `json:"seq"`
	Time       string   `json:"time"`
	Boot       string   `json:"boot"`
	Op         string   `json:"op"`
	Admin      string   `json:"admin,omitempty"`
	Source     string   `json:"source,omitempty"`
	Generation uint64   `json:"generation,omitempty"`
	Keys       []string `json:"keys,omitempty"`
	Result     string   `json:"result"`
	Detail     string   `json:"detail,omitempty"`
	Prev       string   `json:"prev"`
}

// newLine checks an entry and gives it its place in the chain.
func newLine(e Entry, seq uint64, prev [32]byte) (line, error) {
	if len(e.Keys) > maxKeys {
		return line{}, fmt.Errorf("%d keys, at most %d", len(e.Keys), maxKeys)
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	l := line{
		Seq: seq, Time: e.Time.UTC().Format(timeLayout), Boot: hex.EncodeToString(e.Boot[:]), Op: e.Op,
		Generation: e.Generation, Result: e.Result, Detail: shorten(e.Detail), Prev: hex.EncodeToString(prev[:]),
	}
	if e.Admin != nil {
		l.Admin = hex.EncodeToString(e.Admin[:])
	}
	if e.Source.IsValid() {
		l.Source = e.Source.WithZone("").String()
	}
	for _, id := range e.Keys {
		l.Keys = append(l.Keys, id.String())
	}
	return l, l.check()
}

// shorten cuts a detail at maxDetail bytes and makes it UTF-8.
func shorten(s string) string {
	if len(s) > maxDetail {
		s = s[:maxDetail]
	}
	return strings.ToValidUTF8(s, "?")
}

// check holds for every line, written or read.
func (l line) check() error {
	switch {
	case l.Seq == 0:
		return errors.New("seq is 0")
	case !isTime(l.Time):
		return errors.New("time is not RFC 3339 with milliseconds, UTC")
	case !isHex(l.Boot, 16):
		return errors.New("boot is not 32 hex digits")
	case !isWord(l.Op):
		return errors.New("op is not a word")
	case l.Admin != "" && !isHex(l.Admin, 32):
		return errors.New("admin is not 64 hex digits")
	case l.Source != "" && !isAddr(l.Source):
		return errors.New("source is not an address")
	case len(l.Keys) > maxKeys:
		return fmt.Errorf("more than %d keys", maxKeys)
	case !isWord(l.Result):
		return errors.New("result is not a word")
	case len(l.Detail) > maxDetail:
		return errors.New("detail is too long")
	case !isHex(l.Prev, 32):
		return errors.New("prev is not 64 hex digits")
	}
	for _, k := range l.Keys {
		if !isHex(k, 8) {
			return errors.New("a key is not 16 hex digits")
		}
	}
	return nil
}

func isHex(s string, size int) bool {
	if len(s) != 2*size {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isTime(s string) bool {
	t, err := time.Parse(timeLayout, s)
	return err == nil && t.Format(timeLayout) == s
}

func isAddr(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Zone() == "" && a.String() == s
}

func isWord(s string) bool {
	if s == "" || len(s) > maxWord {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != ' ' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// encode returns the one spelling of a line, without newline.
func (l line) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		panic("BUG: cannot encode an audit line: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// decode is the inverse of encode: it takes nothing that encode would not give.
func decode(b []byte) (line, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return line{}, errors.New("it is not an audit line")
	}
	if err := l.check(); err != nil {
		return line{}, err
	}
	if !bytes.Equal(l.encode(), b) {
		return line{}, errors.New("it is not spelled as the agent writes it")
	}
	return l, nil
}

// digest is what the next line has as prev.
func digest(b []byte) (d [32]byte) {
	h := sha256.New()
	h.Write([]byte("memkey/2 audit\x00"))
	h.Write(b)
	h.Sum(d[:0])
	return d
}
