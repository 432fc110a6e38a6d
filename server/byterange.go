package server

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// byteRange is a range of plain bytes, not empty.
type byteRange struct{ off, n int64 }

// contentRange is the value of a 206's Content-Range.
func (r byteRange) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.off, r.off+r.n-1, size)
}

// parseRange reads a Range header for an object of size bytes, in the forms S3
// has: first-last, first- and -suffix. ok is false for what S3 ignores: other
// units, several ranges, malformed ones; the whole object is then the answer. A
// range that begins behind the end is InvalidRange. All ends are clamped.
func parseRange(header string, size int64) (r byteRange, ok bool, err error) {
	unit, spec, found := strings.Cut(header, "=")
	if !found || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(spec, ",") {
		return r, false, nil
	}
	first, last, found := strings.Cut(spec, "-")
	if !found {
		return r, false, nil
	}
	outside := s3err.New(s3err.InvalidRange, "the range lies outside the object's %d bytes", size)
	if first == "" {
		n, ok := parseOffset(last)
		switch {
		case !ok:
			return r, false, nil
		case n == 0:
			return r, false, outside
		case size == 0:
			return r, false, nil // the last bytes of nothing are all of it
		}
		n = min(n, size)
		return byteRange{size - n, n}, true, nil
	}
	from, ok := parseOffset(first)
	if !ok {
		return r, false, nil
	}
	to := size - 1
	if last != "" {
		end, ok := parseOffset(last)
		if !ok || end < from {
			return r, false, nil
		}
		to = min(to, end)
	}
	if from >= size {
		return r, false, outside
	}
	return byteRange{from, to - from + 1}, true, nil
}

// parseOffset reads decimal digits; what does not fit 63 bits is as far as
// anything can be.
func parseOffset(s string) (int64, bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}
