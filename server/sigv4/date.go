package sigv4

import "time"

// amzDate is the form of x-amz-date and of the time in a string to sign.
const amzDate = "20060102T150405Z"

// requestTime gives the time a request was signed at, in the form it was signed
// in. x-amz-date is preferred; without it Date counts, as AWS has it. header
// names the one that was used.
func requestTime(h *headerIndex) (at time.Time, stamp, header string, err error) {
	if value, n := h.get("x-amz-date"); n > 0 {
		at, err = parseStamp(value)
		return at, value, "x-amz-date", err
	}
	value, n := h.get("date")
	if n == 0 {
		return at, "", "", ErrDate
	}
	if at, err = parseStamp(value); err == nil {
		return at, value, "date", nil
	}
	// RFC 9110 section 5.6.7: the one form a sender may generate.
	at, err = time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", value)
	if err != nil {
		return at, "", "", ErrDate
	}
	return at, at.Format(amzDate), "date", nil
}

// parseStamp reads YYYYMMDDTHHMMSSZ.
func parseStamp(s string) (time.Time, error) {
	if len(s) != len(amzDate) || s[8] != 'T' || s[15] != 'Z' || !isDigits(s[:8]) || !isDigits(s[9:15]) {
		return time.Time{}, ErrDate
	}
	number := func(from, to int) int {
		n := 0
		for _, c := range []byte(s[from:to]) {
			n = 10*n + int(c-'0')
		}
		return n
	}
	month, day := number(4, 6), number(6, 8)
	hour, minute, second := number(9, 11), number(11, 13), number(13, 15)
	at := time.Date(number(0, 4), time.Month(month), day, hour, minute, second, 0, time.UTC)
	// time.Date carries over what is out of range: 31 June is in July.
	if at.Month() != time.Month(month) || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, ErrDate
	}
	return at, nil
}
