package pbs

import (
	"fmt"
	"strings"
	"time"
)

const (
	dayNames   = "MonTueWedThuFriSatSun"
	monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"
)

// ParseDate reads an HTTP date as PBS does: exactly 29 bytes, "Wed, 12 Oct 2009 17:50:00 GMT", English names, literal
// GMT. The weekday need not fit the date.
func ParseDate(s string) (time.Time, error) {
	bad := func(what string) (time.Time, error) { return time.Time{}, fmt.Errorf("%q: %s", s, what) }
	if len(s) != 29 {
		return bad("not 29 bytes")
	}
	for i, want := range map[int]byte{3: ',', 4: ' ', 7: ' ', 11: ' ', 16: ' ', 19: ':', 22: ':', 25: ' '} {
		if s[i] != want {
			return bad(fmt.Sprintf("no %q at position %d", want, i))
		}
	}
	if i := strings.Index(dayNames, s[:3]); i < 0 || i%3 != 0 {
		return bad("no such weekday")
	}
	month := strings.Index(monthNames, s[8:11])
	if month < 0 || month%3 != 0 {
		return bad("no such month")
	}
	if s[26:] != "GMT" {
		return bad("not GMT")
	}
	var n [5]int
	for i, f := range []string{s[5:7], s[12:16], s[17:19], s[20:22], s[23:25]} {
		for _, c := range []byte(f) {
			if c < '0' || c > '9' {
				return bad("not a number")
			}
			n[i] = n[i]*10 + int(c-'0')
		}
	}
	t := time.Date(n[1], time.Month(month/3+1), n[0], n[2], n[3], n[4], 0, time.UTC)
	if t.Day() != n[0] || t.Hour() != n[2] || t.Minute() != n[3] || t.Second() != n[4] {
		return bad("no such time")
	}
	return t, nil
}

// parseISO reads a date of a document: ISO 8601 with a T; fraction and zone are optional.
func parseISO(s string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not an ISO 8601 date", s)
}
