package server

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// The documents of listings are written here, since encoding/xml takes longer over a
// thousand names than everything else that a listing needs. What is written is what
// encoding/xml makes of the same values (TestListingsAreWrittenAsXMLDoes): the structs'
// tags are the documents' description.

// xmlAppender is a document that writes itself.
type xmlAppender interface {
	// appendXML appends the document without its declaration. size is about how long it is.
	appendXML(b []byte) []byte
	size() int
}

// listTime is a time as listings have it.
type listTime time.Time

// MarshalText is S3's form of a date in documents.
func (t listTime) MarshalText() ([]byte, error) { return t.append(nil), nil }

func (t listTime) append(b []byte) []byte {
	u := time.Time(t).UTC()
	year, month, day := u.Date()
	if year < 0 || year > 9999 {
		return u.AppendFormat(b, xmlTime)
	}
	hour, minute, second := u.Clock()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	b = appendDigits(append(b, '.'), u.Nanosecond()/1e6, 3)
	return append(b, 'Z')
}

// appendDigits appends the last n digits of a number that is not negative.
func appendDigits(b []byte, v, n int) []byte {
	at := len(b) + n
	b = append(b, "0000"[:n]...)
	for i := 1; i <= n; i, v = i+1, v/10 {
		b[at-i] = '0' + byte(v%10)
	}
	return b
}

func (l *listResult) size() int {
	n := 1 << 10
	for i := range l.Contents {
		n += 320 + len(l.Contents[i].Key)
	}
	return n + 64*len(l.CommonPrefixes)
}

func (l *listResult) appendXML(b []byte) []byte {
	b = append(b, `<ListBucketResult xmlns="`+nameSpace+`">`...)
	b = appendElement(b, "Name", l.Name)
	if l.Prefix != nil {
		b = appendElement(b, "Prefix", *l.Prefix)
	}
	if l.Marker != nil {
		b = appendElement(b, "Marker", *l.Marker)
	}
	b = appendIfAny(b, "Delimiter", l.Delimiter)
	b = appendNumber(b, "MaxKeys", int64(l.MaxKeys))
	b = appendIfAny(b, "EncodingType", l.EncodingType)
	if l.KeyCount != nil {
		b = appendNumber(b, "KeyCount", int64(*l.KeyCount))
	}
	b = appendElement(b, "IsTruncated", strconv.FormatBool(l.IsTruncated))
	b = appendIfAny(b, "NextMarker", l.NextMarker)
	b = appendIfAny(b, "ContinuationToken", l.ContinuationToken)
	b = appendIfAny(b, "NextContinuationToken", l.NextContinuationToken)
	b = appendIfAny(b, "StartAfter", l.StartAfter)
	for i := range l.Contents {
		e := &l.Contents[i]
		b = append(b, "<Contents>"...)
		b = appendElement(b, "Key", e.Key)
		b = appendTime(b, e.LastModified)
		b = appendElement(b, "ETag", e.ETag)
		b = appendNumber(b, "Size", e.Size)
		if e.Owner != nil {
			b = e.Owner.appendXML(b)
		}
		b = appendElement(b, "StorageClass", e.StorageClass)
		b = e.listedChecksum.appendXML(b)
		b = append(b, "</Contents>"...)
	}
	b = appendPrefixes(b, l.CommonPrefixes)
	return append(b, "</ListBucketResult>"...)
}

func (l *versionsResult) size() int {
	n := 1 << 10
	for i := range l.Versions {
		n += 420 + len(l.Versions[i].Key)
	}
	return n + 64*len(l.CommonPrefixes)
}

func (l *versionsResult) appendXML(b []byte) []byte {
	b = append(b, `<ListVersionsResult xmlns="`+nameSpace+`">`...)
	b = appendElement(b, "Name", l.Name)
	b = appendElement(b, "Prefix", l.Prefix)
	b = appendElement(b, "KeyMarker", l.KeyMarker)
	b = appendElement(b, "VersionIdMarker", l.VersionIDMarker)
	b = appendIfAny(b, "NextKeyMarker", l.NextKeyMarker)
	b = appendIfAny(b, "NextVersionIdMarker", l.NextVersionIDMarker)
	b = appendNumber(b, "MaxKeys", int64(l.MaxKeys))
	b = appendIfAny(b, "Delimiter", l.Delimiter)
	b = appendIfAny(b, "EncodingType", l.EncodingType)
	b = appendElement(b, "IsTruncated", strconv.FormatBool(l.IsTruncated))
	for i := range l.Versions {
		v := &l.Versions[i]
		b = append(append(append(b, '<'), v.XMLName.Local...), '>')
		b = appendElement(b, "Key", v.Key)
		b = appendElement(b, "VersionId", v.VersionID)
		b = appendElement(b, "IsLatest", strconv.FormatBool(v.IsLatest))
		b = appendTime(b, v.LastModified)
		b = appendIfAny(b, "ETag", v.ETag)
		if v.Size != nil {
			b = appendNumber(b, "Size", *v.Size)
		}
		b = appendIfAny(b, "StorageClass", v.StorageClass)
		b = v.Owner.appendXML(b)
		b = v.listedChecksum.appendXML(b)
		b = append(append(append(b, "</"...), v.XMLName.Local...), '>')
	}
	b = appendPrefixes(b, l.CommonPrefixes)
	return append(b, "</ListVersionsResult>"...)
}

func (o *owner) appendXML(b []byte) []byte {
	b = append(b, "<Owner>"...)
	b = appendElement(b, "ID", o.ID)
	b = appendElement(b, "DisplayName", o.DisplayName)
	return append(b, "</Owner>"...)
}

func (c *listedChecksum) appendXML(b []byte) []byte {
	return appendIfAny(appendIfAny(b, "ChecksumAlgorithm", c.Algorithm), "ChecksumType", c.Kind)
}

func appendPrefixes(b []byte, prefixes []listPrefix) []byte {
	for _, p := range prefixes {
		b = append(b, "<CommonPrefixes>"...)
		b = appendElement(b, "Prefix", p.Prefix)
		b = append(b, "</CommonPrefixes>"...)
	}
	return b
}

func appendTime(b []byte, t listTime) []byte {
	return append(t.append(append(b, "<LastModified>"...)), "</LastModified>"...)
}

func appendNumber(b []byte, name string, n int64) []byte {
	b = append(append(append(b, '<'), name...), '>')
	b = strconv.AppendInt(b, n, 10)
	return append(append(append(b, "</"...), name...), '>')
}

// appendIfAny appends an element unless its value is empty.
func appendIfAny(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendElement(b, name, value)
}

// appendElement appends an element with a text.
func appendElement(b []byte, name, value string) []byte {
	b = append(append(append(b, '<'), name...), '>')
	b = appendText(b, value)
	return append(append(append(b, "</"...), name...), '>')
}

// ordinary are the bytes of a text that stand for themselves, of ASCII.
var ordinary = func() (is [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		is[c] = reference(c, 1) == ""
	}
	return is
}()

// appendText appends a text with encoding/xml's references; what XML cannot carry
// becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	begin := 0
	for i := 0; i < len(s); {
		if ordinary[s[i]] {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		instead := reference(r, n)
		if instead != "" {
			b = append(append(b, s[begin:i]...), instead...)
			begin = i + n
		}
		i += n
	}
	return append(b, s[begin:]...)
}

// reference is what stands for a character of n bytes, "" for itself.
func reference(r rune, n int) string {
	switch {
	case r == '"':
		return "&#34;"
	case r == '\'':
		return "&#39;"
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case r == '\t':
		return "&#x9;"
	case r == '\n':
		return "&#xA;"
	case r == '\r':
		return "&#xD;"
	case r == utf8.RuneError && n == 1, r < ' ', r == 0xfffe, r == 0xffff:
		return "\ufffd"
	}
	return ""
}
