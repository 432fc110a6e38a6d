package sigv4

import (
	"fmt"
	"slices"
	"strings"
)

// headerIndex gives the header lines in the order of their names; lines of one
// name keep their order of arrival. It refers to the caller's slice.
type headerIndex struct {
	headers []Header
	space   [maxHeaders]uint16
	order   []uint16
}

// build checks and sorts the lines.
func (x *headerIndex) build(headers []Header) error {
	if len(headers) > maxHeaders {
		return ErrHeader
	}
	x.headers, x.order = headers, x.space[:len(headers)]
	total := 0
	for i, h := range headers {
		total += len(h.Name) + len(h.Value)
		if total > maxHeaderBytes || !isHeaderName(h.Name) || !isFieldValue(h.Value) {
			return ErrHeader
		}
		if isCommand(h.Name) && hasBlankRun(h.Value) {
			return fmt.Errorf("%w: %s", ErrHeader, h.Name)
		}
		x.order[i] = uint16(i)
	}
	slices.SortStableFunc(x.order, func(a, b uint16) int {
		return strings.Compare(headers[a].Name, headers[b].Name)
	})
	for i := 1; i < len(x.order); i++ {
		if name := x.name(i); name == x.name(i-1) && !mayRepeat(name) {
			return fmt.Errorf("%w: %s", ErrRepeatedHeader, name)
		}
	}
	return nil
}

// name is the name of the i-th line in order.
func (x *headerIndex) name(i int) string { return x.headers[x.order[i]].Name }

// get gives the first value of a name without surrounding blanks, and how many
// lines have that name.
func (x *headerIndex) get(name string) (value string, n int) {
	i, found := slices.BinarySearchFunc(x.order, name, func(at uint16, name string) int {
		return strings.Compare(x.headers[at].Name, name)
	})
	if !found {
		return "", 0
	}
	for n = 1; i+n < len(x.order) && x.name(i+n) == name; n++ {
	}
	return trimBlanks(x.headers[x.order[i]].Value), n
}

// appendCanonicalHeaders appends one line for each signed header. It walks the
// sorted lines and the sorted list side by side, so it sees every line that is
// not signed and every signed name that did not arrive.
func (x *headerIndex) appendCanonicalHeaders(dst []byte, method, dateHeader, signed string) ([]byte, error) {
	var unsigned []string // that must be
	at := 0
	for more := true; more; {
		var name string
		name, signed, more = strings.Cut(signed, ";")
		for at < len(x.order) && x.name(at) < name {
			if mustBeSigned(x.name(at), method, dateHeader) {
				unsigned = append(unsigned, x.name(at))
			}
			at++
		}
		dst = append(dst, name...)
		dst = append(dst, ':')
		if at == len(x.order) || x.name(at) != name {
			if len(unsigned) > 0 {
				return dst, unsignedHeaders(unsigned)
			}
			if !x.impliedLength(name) {
				return dst, fmt.Errorf("%w: %s", ErrAbsentHeader, name)
			}
			dst = append(dst, "0\n"...)
			continue
		}
		for first := true; at < len(x.order) && x.name(at) == name; at++ {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = appendCollapsed(dst, x.headers[x.order[at]].Value)
		}
		dst = append(dst, '\n')
	}
	for ; at < len(x.order); at++ {
		if mustBeSigned(x.name(at), method, dateHeader) {
			unsigned = append(unsigned, x.name(at))
		}
	}
	if len(unsigned) > 0 {
		return dst, unsignedHeaders(unsigned)
	}
	return dst, nil
}

// unsignedHeaders names headers that must be signed and are not.
func unsignedHeaders(names []string) error {
	d := tell(ErrUnsignedHeader, "There were headers present in the request which were not signed")
	return d.about("HeadersNotSigned", strings.Join(names, ", "))
}

// impliedLength says whether name is a Content-Length that did not arrive and
// is zero nevertheless. PBS before 4.0.17 signs `content-length: 0` on GET,
// HEAD and DELETE, and proxies (Go's transport among them) drop that line.
// Without Content-Length and Transfer-Encoding the body is empty (RFC 9112
// section 6.3), which is what the client signed.
func (x *headerIndex) impliedLength(name string) bool {
	if name != "content-length" {
		return false
	}
	_, n := x.get("transfer-encoding")
	return n == 0
}

// mustBeSigned says whether a header may not be present without being signed.
// doc.go gives the reasons.
func mustBeSigned(name, method, dateHeader string) bool {
	switch name {
	case "host", "content-md5", dateHeader:
		return true
	case "if-match", "if-none-match":
		return method != "GET" && method != "HEAD"
	}
	return strings.HasPrefix(name, "x-amz-")
}

// mayRepeat says whether several lines of a name mean the same as one line with
// their values joined by commas. The signature covers the joined form only: if
// x-amz-copy-source could come twice, `a,b` could be cut in flight into two
// lines, and a reader of the first line would copy another object.
func mayRepeat(name string) bool {
	switch name {
	case "authorization", "date", "expect", "expires", "host", "range", "transfer-encoding":
		return false
	case "x-amz-object-attributes":
		return true // a list, which the SDKs send as lines; its reader joins them
	}
	return !isCommand(name) && !strings.HasPrefix(name, "content-") && !strings.HasPrefix(name, "if-")
}

// isCommand says whether a header tells S3 what to do, in contrast to user
// metadata, which S3 only stores.
func isCommand(name string) bool {
	return strings.HasPrefix(name, "x-amz-") && !strings.HasPrefix(name, "x-amz-meta-")
}

// hasBlankRun says whether a value would change when its blanks are collapsed.
// A signature cannot tell the two values apart, so in a command (a copy source
// with two spaces) they must not both be possible.
func hasBlankRun(value string) bool {
	value = trimBlanks(value)
	for i := 0; i < len(value); i++ {
		if value[i] == '\t' || value[i] == ' ' && value[i-1] == ' ' { // value[0] is no blank
			return true
		}
	}
	return false
}

// appendCollapsed appends a value without surrounding blanks, each inner run of
// blanks as one space.
func appendCollapsed(dst []byte, value string) []byte {
	value = trimBlanks(value)
	for i := 0; i < len(value); i++ {
		switch {
		case !isBlank(value[i]):
			dst = append(dst, value[i])
		case !isBlank(value[i-1]): // value[0] is no blank
			dst = append(dst, ' ')
		}
	}
	return dst
}

// isHeaderName says whether s is a lower-case token. A name in another case, or
// with a blank before the colon, would slip past the checks by name.
func isHeaderName(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isToken(s[i]) || 'A' <= s[i] && s[i] <= 'Z' {
			return false
		}
	}
	return s != ""
}

// isFieldValue refuses control bytes: a line break would forge a line of the
// canonical request.
func isFieldValue(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// isToken says whether c may be in a token (RFC 9110 section 5.6.2).
func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
