package sigv4

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// Frame renders data as the aws-chunked body of a request that was verified, in
// chunks of size bytes, signed where its mode has it. Like Signer it is for tests,
// benchmarks and stand-in clients.
func Frame(v Verified, data []byte, size int, trailer ...Header) []byte {
	var out bytes.Buffer
	chain := v.Chain
	signed := v.Payload.Mode != UnsignedTrailer
	chunk := func(b []byte) {
		fmt.Fprintf(&out, "%x", len(b))
		if signed {
			s := chain.next(chunkAlgorithm, sha256.Sum256(b))
			fmt.Fprintf(&out, ";chunk-signature=%x", s)
		}
		out.WriteString("\r\n")
		if len(b) > 0 {
			out.Write(b)
			out.WriteString("\r\n")
		}
	}
	for rest := data; len(rest) > 0; {
		n := min(size, len(rest))
		chunk(rest[:n])
		rest = rest[n:]
	}
	chunk(nil)
	text := ""
	for _, h := range trailer {
		fmt.Fprintf(&out, "%s:%s\r\n", h.Name, h.Value)
		text += h.Name + ":" + h.Value + "\n"
	}
	if v.Payload.Mode == SignedTrailer {
		fmt.Fprintf(&out, "x-amz-trailer-signature:%x\r\n", chain.next(trailerAlgorithm, sha256.Sum256([]byte(text))))
	}
	out.WriteString("\r\n")
	return out.Bytes()
}
