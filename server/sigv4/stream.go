package sigv4

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
)

// Stream reads an aws-chunked body and gives the object's bytes.
//
//	body    = chunk* last [trailer] CRLF
//	chunk   = hex size [;chunk-signature=64 hex] CRLF  data  CRLF
//	last    = 0 [;chunk-signature=64 hex] CRLF
//	trailer = (name:value CRLF)*  [x-amz-trailer-signature:64 hex CRLF]
//
// Only the last chunk with data may have fewer than minChunk bytes, as at S3.
//
// A chunk's bytes are given before its signature is checked, because a chunk may
// be as large as the object; io.EOF comes only after every signature, the
// declared length, the trailer and the end of the source were found right. So
// io.EOF means complete and verified, and nothing may be kept on any other error.
// The data is read straight into the caller's slice. Not for concurrent use.
type Stream struct {
	src     *bufio.Reader
	mode    Mode
	chain   Chain
	decoded int64 // declared length of the object
	got     int64
	left    int64     // of the present chunk
	size    int64     // of the present chunk, whole
	chunks  int       // begun so far
	sum     hash.Hash // of the present chunk, where it is signed
	claimed [32]byte  // its signature
	allowed []string  // names of the trailing headers
	trailer []Header
	err     error
}

// NewStream reads the body of a request whose payload Mode is streamed. decoded is
// the request's x-amz-decoded-content-length; announced is its x-amz-trailer, a
// comma-separated list of header names, which must be absent for SignedChunks.
func NewStream(src io.Reader, v Verified, decoded int64, announced string) (*Stream, error) {
	if !v.Payload.Mode.Streamed() {
		panic("BUG: sigv4.NewStream for a payload that is not streamed")
	}
	if decoded < 0 {
		return nil, ErrDecodedLength
	}
	s := &Stream{src: bufio.NewReaderSize(src, maxTrailerLine), mode: v.Payload.Mode, chain: v.Chain, decoded: decoded}
	if s.mode != UnsignedTrailer {
		s.sum = sha256.New()
	}
	for name := range strings.SplitSeq(announced, ",") {
		if name = strings.ToLower(trimBlanks(name)); name == "" {
			continue
		}
		if !s.mode.Trailed() || !isHeaderName(name) || len(s.allowed) == maxTrailers || contains(s.allowed, name) {
			return nil, ErrTrailer
		}
		s.allowed = append(s.allowed, name)
	}
	return s, nil
}

// Trailer gives the trailing headers, names in lower case, once Read gave io.EOF.
func (s *Stream) Trailer() []Header {
	if s.err != io.EOF {
		return nil
	}
	return s.trailer
}

// Read gives the next bytes of the object. Errors are sticky.
func (s *Stream) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.read(p)
	s.err = err
	return n, err
}

func (s *Stream) read(p []byte) (int, error) {
	if s.left == 0 {
		if err := s.nextChunk(); err != nil {
			return 0, err
		}
	}
	n, err := s.src.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	s.got += int64(n)
	if s.sum != nil {
		s.sum.Write(p[:n])
	}
	return n, noEOF(err)
}

// nextChunk ends the present chunk and begins the next one. After the last one it
// reads the trailer and demands the end of the source: io.EOF.
func (s *Stream) nextChunk() error {
	if s.chunks > 0 {
		if err := s.endChunk(); err != nil {
			return err
		}
	}
	before := s.size
	size, err := s.chunkHead()
	if err != nil {
		return err
	}
	s.chunks, s.size = s.chunks+1, size
	switch {
	case s.chunks > 1 && before < minChunk && size > 0:
		return smallChunk(s.chunks, before)
	case size > s.decoded-s.got:
		return s.tooLong(size)
	case size == 0 && s.got != s.decoded:
		return ErrDecodedLength
	}
	if s.left = size; size > 0 {
		return nil
	}
	if s.sum != nil {
		if err := s.proveChunk(); err != nil {
			return err
		}
	}
	if s.mode.Trailed() {
		err = s.readTrailer()
	} else {
		err = s.blankLine()
	}
	if err != nil {
		return err
	}
	if _, err := s.src.ReadByte(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = fmt.Errorf("%w: bytes follow its end", ErrFraming)
		}
		return err
	}
	return io.EOF
}

// smallChunk is S3's refusal of chunk number n, which follows one of so few bytes.
func smallChunk(n int, size int64) error {
	d := tell(ErrChunkSize, "").about("Chunk", strconv.Itoa(n))
	d.More = []Header{{"BadChunkSize", strconv.FormatInt(size, 10)}}
	return d
}

// tooLong says what is wrong with a chunk that is longer than the object: if it does not
// end where it says, it is the chunk.
func (s *Stream) tooLong(size int64) error {
	if size > minChunk {
		return ErrDecodedLength
	}
	if _, err := s.src.Discard(int(size)); err != nil {
		return noEOF(err)
	}
	var end [2]byte
	if _, err := io.ReadFull(s.src, end[:]); err != nil {
		return noEOF(err)
	}
	if string(end[:]) != "\r\n" {
		return ErrFraming
	}
	return ErrDecodedLength
}

// endChunk reads the line end behind a chunk's data and proves the data.
func (s *Stream) endChunk() error {
	var end [2]byte
	if _, err := io.ReadFull(s.src, end[:]); err != nil {
		return noEOF(err)
	}
	if string(end[:]) != "\r\n" {
		return ErrFraming
	}
	if s.sum == nil {
		return nil
	}
	return s.proveChunk()
}

func (s *Stream) proveChunk() error {
	var sum [32]byte
	s.sum.Sum(sum[:0])
	s.sum.Reset()
	if !s.chain.verify(chunkAlgorithm, sum, s.claimed) {
		return ErrChunkSignature
	}
	return nil
}

// chunkHead reads a chunk's first line.
func (s *Stream) chunkHead() (size int64, err error) {
	line, err := s.line(maxChunkLine)
	if err != nil {
		return 0, err
	}
	line, ok := bytes.CutSuffix(line, []byte{'\r'})
	if !ok {
		return 0, ErrFraming
	}
	digits, extension, extended := bytes.Cut(line, []byte{';'})
	if len(digits) == 0 || len(digits) > 15 { // 60 bits: no overflow
		return 0, ErrFraming
	}
	for _, c := range digits {
		d := hexDigit(c)
		if d < 0 {
			return 0, ErrFraming
		}
		size = size<<4 | int64(d)
	}
	if s.sum == nil {
		if extended {
			return 0, ErrFraming
		}
		return size, nil
	}
	signature, ok := bytes.CutPrefix(extension, []byte("chunk-signature="))
	if !ok || !decodeHex(s.claimed[:], string(signature)) {
		return 0, ErrFraming
	}
	return size, nil
}

// readTrailer reads the announced headers, each exactly once, and where they are
// signed their signature. minio-go ends the last header with an LF of its own
// before the CRLF, and signs the header without it; so without a signature the
// first empty line after that LF ends the header and not yet the body.
func (s *Stream) readTrailer() error {
	var text []byte
	ownLF := false
	for lines := 0; ; lines++ {
		line, err := s.line(maxTrailerLine)
		if err != nil {
			return err
		}
		line, crlf := bytes.CutSuffix(line, []byte{'\r'})
		if len(line) == 0 {
			if s.mode == UnsignedTrailer {
				if len(s.trailer) != len(s.allowed) {
					return ErrTrailer
				}
				if ownLF {
					return s.blankLine()
				}
				return nil
			}
			if lines == 0 || len(s.trailer) != len(s.allowed) {
				return ErrTrailer
			}
			continue
		}
		if lines > 2*maxTrailers {
			return ErrTrailer
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return ErrFraming
		}
		name, value, ok := strings.Cut(string(line), ":")
		if name = strings.ToLower(name); !ok || !isFieldValue(value) {
			return ErrTrailer
		}
		value = trimBlanks(value)
		if name == "x-amz-trailer-signature" && s.mode == SignedTrailer {
			var signature [32]byte
			if len(s.trailer) != len(s.allowed) {
				return ErrTrailer
			}
			if !decodeHex(signature[:], value) {
				return ErrFraming
			}
			if !s.chain.verify(trailerAlgorithm, sha256.Sum256(text), signature) {
				return ErrChunkSignature
			}
			return s.blankLine()
		}
		if s.mode == SignedTrailer && len(s.trailer) == len(s.allowed) && !strings.HasPrefix(name, "x-amz-checksum-") {
			return ErrFraming // in the place of the signature
		}
		if !contains(s.allowed, name) || s.trails(name) {
			return ErrTrailer
		}
		s.trailer = append(s.trailer, Header{name, value})
		ownLF = !crlf
		text = append(text, name+":"+value+"\n"...)
	}
}

func (s *Stream) trails(name string) bool {
	for _, h := range s.trailer {
		if h.Name == name {
			return true
		}
	}
	return false
}

// blankLine reads the CRLF that ends the body. Some clients leave it out behind a
// signature, which proves the end as well.
func (s *Stream) blankLine() error {
	line, err := s.line(maxChunkLine)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && len(line) == 0 && s.sum != nil:
		return nil
	case err != nil:
		return err
	case string(line) != "\r":
		return ErrFraming
	}
	return nil
}

// line reads up to the next LF and gives what is before it, within a bound. The
// end of the source is io.ErrUnexpectedEOF, with what came before it.
func (s *Stream) line(limit int) ([]byte, error) {
	line, err := s.src.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > limit:
		return nil, ErrFraming
	case err != nil:
		return line, noEOF(err)
	}
	return line[:len(line)-1], nil
}

// noEOF turns the end of the source into an early one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
