package server

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// form is a browser's form (multipart/form-data, RFC 7578) up to its file. Names of
// fields are in lower case.
type form struct {
	fields   map[string]string
	filename string
	fileAt   int // where the file begins, from the front of the body
}

func badForm(why string) error {
	return s3err.New(s3err.MalformedPOSTRequest, "%s", why)
}

// formBoundary reads the boundary of a form from its Content-Type; "" = it is none.
func formBoundary(contentType string) string {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || len(params["boundary"]) > 70 || strings.ContainsAny(params["boundary"], "\r\n") {
		return ""
	}
	return params["boundary"]
}

// parseForm reads the front of a body: every field, to the first byte of the file,
// which must be in it. Fields may come once.
func parseForm(front []byte, boundary string) (*form, error) {
	f := &form{fields: map[string]string{}}
	line := []byte("--" + boundary + "\r\n")
	if !bytes.HasPrefix(front, line) {
		return nil, badForm("it does not begin with its boundary")
	}
	at := len(line)
	for {
		end := bytes.Index(front[at:], []byte("\r\n\r\n"))
		if end < 0 {
			return nil, badForm("there is no file, or the fields before it are too large")
		}
		name, filename, err := partName(string(front[at : at+end]))
		if err != nil {
			return nil, err
		}
		at += end + 4
		if name == "file" {
			f.filename, f.fileAt = filename, at
			return f, nil
		}
		end = bytes.Index(front[at:], []byte("\r\n--"+boundary))
		if end < 0 {
			return nil, badForm("there is no file, or the fields before it are too large")
		}
		value := string(front[at : at+end])
		if _, twice := f.fields[name]; twice {
			return nil, badForm("a field comes twice")
		}
		if !utf8.ValidString(value) {
			return nil, badForm("a field is not UTF-8")
		}
		f.fields[name] = value
		at += end + 2
		if !bytes.HasPrefix(front[at:], line) {
			return nil, badForm("there is no file behind the fields")
		}
		at += len(line)
	}
}

// partName reads the header of one part.
func partName(header string) (name, filename string, err error) {
	for line := range strings.SplitSeq(header, "\r\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return "", "", badForm("a header has no colon")
		}
		switch strings.ToLower(key) {
		case "content-disposition":
			kind, params, err := mime.ParseMediaType(value)
			if err != nil || kind != "form-data" || params["name"] == "" || name != "" {
				return "", "", badForm("a part has no name")
			}
			name, filename = strings.ToLower(params["name"]), params["filename"]
		case "content-transfer-encoding":
			return "", "", badForm("a part has a transfer encoding")
		}
	}
	if name == "" {
		return "", "", badForm("a part has no name")
	}
	return name, filename[strings.LastIndexAny(filename, `/\`)+1:], nil
}

// errFormEnd: the file is not the last thing in the form, so that nobody can say how
// long it is before it was read.
var errFormEnd = errors.New("the file is not the last field of the form")

// formFile gives the file of a form: what lies between the fields and the closing
// boundary, both of which the length of the body tells. A boundary inside is an error:
// what follows would be another field, and no part of the file.
type formFile struct {
	src  io.Reader
	mark []byte // CRLF and the boundary
	held []byte // the last bytes given, fewer than mark has
}

// tail is what must follow the file, to the end of the body.
func formTail(boundary string) string { return "\r\n--" + boundary + "--\r\n" }

func (f *formFile) Read(p []byte) (int, error) {
	n, err := f.src.Read(p)
	seam := append(f.held, p[:min(n, len(f.mark)-1)]...)
	if bytes.Contains(seam, f.mark) || bytes.Contains(p[:n], f.mark) {
		return 0, errFormEnd
	}
	if n >= len(f.mark)-1 {
		seam = append(seam[:0], p[n-len(f.mark)+1:n]...)
	}
	f.held = append(f.held[:0], seam[max(0, len(seam)-len(f.mark)+1):]...)
	return n, err
}

// ends finds the end of the file in all that follows its beginning: the first boundary.
func (f *formFile) ends(whole []byte) (n int, ok bool) {
	n = bytes.Index(whole, f.mark)
	if n < 0 {
		return 0, false
	}
	behind := whole[n+len(f.mark):]
	return n, bytes.HasPrefix(behind, []byte("--")) || bytes.HasPrefix(behind, []byte("\r\n"))
}

// end proves that the closing boundary follows.
func (f *formFile) end() error {
	tail := append(bytes.Clone(f.mark), "--\r\n"...)
	got := make([]byte, len(tail))
	if _, err := io.ReadFull(f.src, got); err != nil {
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return errBodyShort
		}
		return fmt.Errorf("cannot read the end of the form: %w", err)
	}
	if !bytes.Equal(got, tail) {
		return errFormEnd
	}
	return nil
}
