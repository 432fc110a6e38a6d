package server

import (
	"bytes"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// checkFrame refuses a request whose framing two HTTP readers could see
// differently (RFC 9112 section 6.3): Content-Length beside Transfer-Encoding,
// repeated framing headers, folded header lines, a bare CR. raw is the header
// block as received, without the request line.
//
// fasthttp accepts Content-Length beside Transfer-Encoding; a balancer in front
// that prefers the other one would let a body smuggle a request.
func checkFrame(raw []byte) error {
	var lengths, encodings, hosts int
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte{'\n'})
		raw = rest
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if len(line) == 0 {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			return s3err.New(s3err.InvalidRequest, "folded header lines are not accepted")
		}
		if bytes.IndexByte(line, '\r') >= 0 || bytes.IndexByte(line, 0) >= 0 {
			return s3err.New(s3err.InvalidRequest, "a header line holds a control byte")
		}
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok {
			return s3err.New(s3err.InvalidRequest, "a header line has no colon")
		}
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			lengths++
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			encodings++
			if !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) {
				return s3err.New(s3err.InvalidRequest, "Transfer-Encoding may be chunked and nothing else")
			}
		case bytes.EqualFold(name, []byte("host")):
			hosts++
		}
	}
	switch {
	case lengths > 1:
		return s3err.New(s3err.InvalidRequest, "Content-Length is repeated")
	case encodings > 1:
		return s3err.New(s3err.InvalidRequest, "Transfer-Encoding is repeated")
	case lengths > 0 && encodings > 0:
		return s3err.New(s3err.InvalidRequest, "Content-Length and Transfer-Encoding exclude each other")
	case hosts > 1:
		return s3err.New(s3err.InvalidRequest, "Host is repeated")
	}
	return nil
}
