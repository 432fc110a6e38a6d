package server

import (
	"bytes"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// authenticate verifies the request's signature from its head alone. What
// is verified is the raw target and the headers as received: nothing that
// fasthttp normalised, joined or decoded.
func (s *Server) authenticate(r *request, target string) (sigv4.Verified, error) {
	sr := sigv4.Request{
		Method:  string(r.http.Method()),
		Target:  target,
		Headers: r.lines,
	}
	verified, err := r.terms.verifier.Verify(&sr)
	if err != nil {
		return verified, err
	}
	r.accessKey, r.client = verified.AccessKey, r.terms.byKey[verified.AccessKey]
	return verified, nil
}

// signedHeaders splits a header block that checkFrame accepted. Names are
// lowered, values trimmed; the order and repetitions stay.
func signedHeaders(raw []byte) []sigv4.Header {
	headers := make([]sigv4.Header, 0, 16)
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, []byte{'\n'})
		raw = rest
		name, value, ok := bytes.Cut(bytes.TrimSuffix(line, []byte{'\r'}), []byte{':'})
		if !ok {
			continue
		}
		headers = append(headers, sigv4.Header{
			Name:  headerName(name),
			Value: string(bytes.Trim(value, " \t")),
		})
	}
	return headers
}

// headerName lowers a name, without a copy of those that nearly every request has.
func headerName(name []byte) string {
	var short [32]byte
	if len(name) > len(short) {
		return string(bytes.ToLower(name))
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		short[i] = c
	}
	lower := short[:len(name)]
	for _, known := range [...]string{
		"host", "user-agent", "accept-encoding", "content-length", "content-type", "content-md5", "authorization", "range", "if-none-match", "connection", "accept",
		"x-amz-date", "x-amz-content-sha256", "amz-sdk-invocation-id", "amz-sdk-request", "expect", "if-match",
	} {
		if string(lower) == known {
			return known
		}
	}
	return string(lower)
}
