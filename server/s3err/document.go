package s3err

import (
	"bytes"
	"encoding/xml"
	"unicode/utf8"
)

// Bounds of what an error document repeats, in bytes before escaping. PBS logs
// the document as it is.
const (
	// maxResource holds a bucket and a key of S3's greatest length.
	maxResource = 2048
	// maxMessage is more than any sentence; a message may name what the client
	// sent.
	maxMessage = 1024
	// maxField holds as much in hexadecimal, with spaces.
	maxField = 3 * maxMessage
	// maxFields is more than S3 has for any code.
	maxFields = 8
	// maxRequestID is far above the length of ours.
	maxRequestID = 128
)

// AppendXML appends the error document to dst and returns the extended slice.
// resource is the path the client named, not encoded. Every value is escaped;
// what XML cannot carry (control characters, invalid UTF-8) becomes U+FFFD. The
// cause is not in it.
func AppendXML(dst []byte, e *Error, resource, requestID string) []byte {
	b := bytes.NewBuffer(dst)
	b.WriteString(xml.Header)
	b.WriteString("<Error>")
	element(b, "Code", string(e.Code), maxMessage)
	message, additional := e.shown()
	element(b, "Message", message, maxMessage)
	for _, f := range e.Fields[:min(len(e.Fields), maxFields)] {
		element(b, f.Name, f.Value, maxField)
	}
	if additional != "" {
		element(b, "additionalMessage", additional, maxMessage)
	}
	element(b, "Resource", resource, maxResource)
	element(b, "RequestId", requestID, maxRequestID)
	b.WriteString("</Error>")
	return b.Bytes()
}

func element(b *bytes.Buffer, name, value string, limit int) {
	b.WriteString("<" + name + ">")
	// A Buffer does not fail.
	_ = xml.EscapeText(b, []byte(cut(value, limit)))
	b.WriteString("</" + name + ">")
}

// cut shortens s to at most limit bytes and does not split a character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for back := 0; back < utf8.UTFMax; back++ {
		if utf8.RuneStart(s[limit-back]) {
			return s[:limit-back]
		}
	}
	return s[:limit] // no UTF-8 at all
}
