package sigv4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// streamedRequest is a verified PUT in a mode.
func streamedRequest(t testing.TB, mode Mode) Verified {
	t.Helper()
	for value, m := range streamed {
		if m != mode {
			continue
		}
		headers, err := NewSigner(vectorAccessKey, vectorSecret, vectorRegion).Sign("PUT", vectorHost, "/b/k", nil, value, vectorTime)
		if err != nil {
			t.Fatal(err)
		}
		v, err := newVerifier().Verify(&Request{Method: "PUT", Target: "/b/k", Headers: headers})
		if err != nil || v.Payload.Mode != mode {
			t.Fatalf("%v, %v", v.Payload.Mode, err)
		}
		return v
	}
	t.Fatalf("no streamed mode %v", mode)
	return Verified{}
}

var crcTrailer = Header{"x-amz-checksum-crc32c", "yZRlqg=="}

// modes is each way of streaming with its trailer.
func streamModes() map[Mode][]Header {
	return map[Mode][]Header{SignedChunks: nil, SignedTrailer: {crcTrailer}, UnsignedTrailer: {crcTrailer}}
}

func announce(trailer []Header) string {
	names := make([]string, len(trailer))
	for i, h := range trailer {
		names[i] = h.Name
	}
	return strings.Join(names, ",")
}

func readStream(v Verified, wire io.Reader, decoded int, announced string) ([]byte, []Header, error) {
	s, err := NewStream(wire, v, int64(decoded), announced)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(s)
	return data, s.Trailer(), err
}

func streamData(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func TestStreamGivesTheObjectInEveryMode(t *testing.T) {
	for mode, trailer := range streamModes() {
		v := streamedRequest(t, mode)
		for _, n := range []int{0, 1, 2, 1023, 1024, 1025, 65536, 200_001} {
			for _, size := range []int{8192, 8193, 65536, 1 << 20} {
				data := streamData(n)
				wire := Frame(v, data, size, trailer...)
				for name, src := range map[string]io.Reader{"whole": bytes.NewReader(wire), "byte by byte": iotest.OneByteReader(bytes.NewReader(wire)), "halves": iotest.HalfReader(bytes.NewReader(wire)), "data with EOF": iotest.DataErrReader(bytes.NewReader(wire))} {
					got, gotTrailer, err := readStream(v, src, n, announce(trailer))
					if err != nil || !bytes.Equal(got, data) || fmt.Sprint(gotTrailer) != fmt.Sprint(trailer) {
						t.Fatalf("%v, %d bytes in chunks of %d, %s: %d bytes, %v, %v", mode, n, size, name, len(got), gotTrailer, err)
					}
				}
			}
		}
	}
}

// TestExampleOfTheStreamingDocumentation is AWS's own: 65 KiB of 'a' in two chunks.
func TestExampleOfTheStreamingDocumentation(t *testing.T) {
	v := New(Config{
		Lookup: func(string) (string, bool) { return "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", true },
		Now:    func() time.Time { return time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC) },
	})
	got, err := v.Verify(&Request{Method: "PUT", Target: "/examplebucket/chunkObject.txt", Headers: []Header{
		{"host", "s3.amazonaws.com"}, {"x-amz-date", "20130524T000000Z"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
		{"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, {"content-encoding", "aws-chunked"},
		{"x-amz-decoded-content-length", "66560"}, {"content-length", "66824"},
		{"authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=content-encoding;content-length;" +
			"host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	a := strings.Repeat("a", 65536)
	wire := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" + a + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" + a[:1024] + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	if len(wire) != 66824 {
		t.Fatalf("%d bytes on the wire", len(wire))
	}
	data, _, err := readStream(got, strings.NewReader(wire), 66560, "")
	if err != nil || len(data) != 66560 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
}

// Whatever byte of the wire is changed, removed or repeated, io.EOF does not come:
// for the unsigned mode only framing, length and trailer names can tell.
func TestEveryByteOfAStreamIsProved(t *testing.T) {
	for mode, trailer := range streamModes() {
		v := streamedRequest(t, mode)
		data := streamData(minChunk + 44)
		wire := Frame(v, data, minChunk, trailer...)
		for i := range wire {
			if i > 300 && i < minChunk-100 && i%509 != 0 {
				continue // one byte of a chunk is like another
			}
			for name, edit := range map[string][]byte{
				"flip": append(append(bytes.Clone(wire[:i]), wire[i]^1), wire[i+1:]...),
				"drop": append(bytes.Clone(wire[:i]), wire[i+1:]...),
				"cut":  wire[:i],
				"dup":  append(append(bytes.Clone(wire[:i+1]), wire[i]), wire[i+1:]...),
			} {
				got, gotTrailer, err := readStream(v, bytes.NewReader(edit), len(data), announce(trailer))
				if err == nil && mode != UnsignedTrailer && (!bytes.Equal(got, data) || fmt.Sprint(gotTrailer) != fmt.Sprint(trailer)) {
					t.Errorf("%v: %s at %d of %d: accepted other bytes", mode, name, i, len(wire))
				}
				if err == nil && mode == UnsignedTrailer && len(got) != len(data) {
					t.Errorf("%v: %s at %d: %d bytes", mode, name, i, len(got))
				}
				if err == nil && name == "cut" && i < len(wire)-2 {
					t.Errorf("%v: cut at %d of %d accepted", mode, i, len(wire))
				}
			}
		}
	}
}

func TestStreamRefusals(t *testing.T) {
	signed, unsigned := streamedRequest(t, SignedTrailer), streamedRequest(t, UnsignedTrailer)
	good := string(Frame(signed, streamData(10), 10, crcTrailer))
	for _, f := range []struct {
		name      string
		v         Verified
		wire      string
		decoded   int
		announced string
		want      error
	}{
		{"declared longer", signed, good, 11, crcTrailer.Name, ErrDecodedLength},
		{"declared shorter", signed, good, 9, crcTrailer.Name, ErrDecodedLength},
		{"negative length", signed, good, -1, crcTrailer.Name, ErrDecodedLength},
		{"trailer not announced", signed, good, 10, "", ErrTrailer},
		{"another trailer announced", signed, good, 10, "x-amz-checksum-sha256", ErrTrailer},
		{"more trailers announced", signed, good, 10, crcTrailer.Name + ",x-amz-checksum-sha256", ErrTrailer},
		{"announced twice", signed, good, 10, crcTrailer.Name + "," + crcTrailer.Name, ErrTrailer},
		{"bytes behind the end", signed, good + "x", 10, crcTrailer.Name, ErrFraming},
		{"a second body behind the end", signed, good + good, 10, crcTrailer.Name, ErrFraming},
		{"size overflow", unsigned, "10000000000000000\r\n", 10, "", ErrFraming},
		{"size beyond the object", unsigned, "fffffffffffffff\r\n", 10, "", ErrDecodedLength},
		{"negative size", unsigned, "-1\r\n", 10, "", ErrFraming},
		{"blank before the size", unsigned, " a\r\n", 10, "", ErrFraming},
		{"no size", unsigned, "\r\n", 0, "", ErrFraming},
		{"LF alone after the size", unsigned, "0\n\r\n", 0, "", ErrFraming},
		{"endless line", unsigned, strings.Repeat("0", 1<<20), 0, "", ErrFraming},
		{"signature where there is none", unsigned, "0;chunk-signature=" + strings.Repeat("0", 64) + "\r\n\r\n", 0, "", ErrFraming},
		{"no signature where there must be one", signed, "0\r\n\r\n", 0, "", ErrFraming},
		{"no end", unsigned, "3\r\nabc\r\n", 3, "", io.ErrUnexpectedEOF},
		{"nothing", unsigned, "", 0, "", io.ErrUnexpectedEOF},
		{"endless trailer", unsigned, "0\r\n" + strings.Repeat("x", 1<<20), 0, "x", ErrFraming},
		{"trailer twice", unsigned, "0\r\na:1\r\na:2\r\n\r\n", 0, "a", ErrTrailer},
		{"trailer missing", unsigned, "0\r\n\r\n", 0, "a", ErrTrailer},
		{"trailer without a colon", unsigned, "0\r\na\r\n\r\n", 0, "a", ErrTrailer},
		{"trailer with a control byte", unsigned, "0\r\na:\x01\r\n\r\n", 0, "a", ErrTrailer},
		{"an empty line more", unsigned, "0\r\na:1\r\n\r\n\r\n", 0, "a", ErrFraming},
		{"an empty line more than minio-go's", unsigned, "0\r\na:1\n\r\n\r\n\r\n", 0, "a", ErrFraming},
		{"a small chunk before the last one", unsigned, "3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n", 6, "", ErrChunkSize},
		{"a small chunk amid", unsigned, "2000\r\n" + strings.Repeat("a", 8192) + "\r\n1fff\r\n" + strings.Repeat("b", 8191) + "\r\n1\r\nc\r\n0\r\n\r\n", 16384, "", ErrChunkSize},
		{"signed, a small chunk", signed, string(Frame(signed, streamData(11), 10, crcTrailer)), 11, crcTrailer.Name, ErrChunkSize},
		{"too long, and not of its size", unsigned, "b\r\ndummy data\r\n0\r\n\r\n", 10, "", ErrFraming},
		{"too long", unsigned, "b\r\ndummy data.\r\n0\r\n\r\n", 10, "", ErrDecodedLength},
		{"too long, and cut", unsigned, "b\r\ndummy", 10, "", io.ErrUnexpectedEOF},
		{"unsigned without its end", unsigned, "1\r\nx\r\n0\r\na:1\r\n", 1, "a", io.ErrUnexpectedEOF},
		{"unsigned without trailer or end", unsigned, "1\r\nx\r\n0\r\n", 1, "", io.ErrUnexpectedEOF},
		{"a CR in a trailer", signed, strings.Replace(good, crcTrailer.Value+"\r\n", crcTrailer.Value+"\rb", 1), 10, crcTrailer.Name, ErrFraming},
		{"another name for the signature", signed, strings.Replace(good, "x-amz-trailer-s", "x-amz-trailer-x", 1), 10, crcTrailer.Name, ErrFraming},
		{"a signature of another length", signed, strings.Replace(good, "x-amz-trailer-signature:", "x-amz-trailer-signature:a", 1), 10, crcTrailer.Name, ErrFraming},
		{"two line ends in a chunk", unsigned, "3\r\nabcX\r\n0\r\n\r\n", 3, "", ErrFraming},
	} {
		if _, trailer, err := readStream(f.v, strings.NewReader(f.wire), f.decoded, f.announced); !errors.Is(err, f.want) || trailer != nil {
			t.Errorf("%s: %v (trailer %v), want %v", f.name, err, trailer, f.want)
		}
	}
	if _, err := NewStream(nil, streamedRequest(t, SignedChunks), 0, "a"); !errors.Is(err, ErrTrailer) {
		t.Errorf("a trailer for signed chunks: %v", err)
	}
}

// TestTrailerOfMinioGo is the form that minio-go (mc, warp) sends: an LF of its own
// behind the last header, signed over http and unsigned over https.
func TestTrailerOfMinioGo(t *testing.T) {
	for _, mode := range []Mode{SignedTrailer, UnsignedTrailer} {
		v := streamedRequest(t, mode)
		wire := Frame(v, streamData(10), 10, crcTrailer)
		wire = bytes.Replace(wire, []byte(crcTrailer.Value+"\r\n"), []byte(crcTrailer.Value+"\n\r\n"), 1)
		got, trailer, err := readStream(v, bytes.NewReader(wire), 10, crcTrailer.Name)
		if err != nil || !bytes.Equal(got, streamData(10)) || len(trailer) != 1 || trailer[0] != crcTrailer {
			t.Errorf("%v: %d bytes, %v, %v", mode, len(got), trailer, err)
		}
	}
}

func TestStreamOfAnotherRequestIsRefused(t *testing.T) {
	v := streamedRequest(t, SignedChunks)
	other := v
	other.Chain.last[0] ^= 1
	if _, _, err := readStream(v, bytes.NewReader(Frame(other, streamData(10), 10)), 10, ""); !errors.Is(err, ErrChunkSignature) {
		t.Errorf("chunks under another request's signature: %v", err)
	}
	wire := string(Frame(v, streamData(2*minChunk), minChunk))
	first := strings.Index(wire[1:], "2000;chunk") + 1
	end := strings.Index(wire, "\r\n0;chunk") + 2
	swapped := wire[first:end] + wire[:first] + wire[end:]
	if _, _, err := readStream(v, strings.NewReader(swapped), 2*minChunk, ""); !errors.Is(err, ErrChunkSignature) {
		t.Errorf("chunks in another order: %v", err)
	}
}

func TestStreamErrorsAreSticky(t *testing.T) {
	v := streamedRequest(t, SignedChunks)
	wire := Frame(v, streamData(100), 100)
	wire[bytes.Index(wire, []byte("\r\n"))+3] ^= 1
	s, err := NewStream(bytes.NewReader(wire), v, 100, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(s); !errors.Is(err, ErrChunkSignature) {
		t.Fatal(err)
	}
	for range 3 {
		if n, err := s.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrChunkSignature) {
			t.Errorf("%d, %v", n, err)
		}
	}
}

func TestChainPrintsNoKey(t *testing.T) {
	v := streamedRequest(t, SignedChunks)
	text := fmt.Sprintf("%v %+v %#v %s %x", v, v, v, v.Chain, v.Chain)
	for _, secret := range [][]byte{v.Chain.key[:], v.Chain.last[:]} {
		if strings.Contains(text, fmt.Sprintf("%x", secret)) || strings.Contains(text, fmt.Sprint(secret)[1:40]) {
			t.Errorf("printed a key: %s", text)
		}
	}
}

func TestStreamReadsDataWithoutACopy(t *testing.T) {
	v := streamedRequest(t, UnsignedTrailer)
	wire := Frame(v, streamData(1<<20), 1<<20)
	src := &largest{r: bytes.NewReader(wire)}
	s, err := NewStream(src, v, 1<<20, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{s}, make([]byte, 256<<10)); err != nil {
		t.Fatal(err)
	}
	if src.most < 128<<10 {
		t.Errorf("the source was read in pieces of at most %d bytes: data takes a detour", src.most)
	}
}

type largest struct {
	r    io.Reader
	most int
}

func (l *largest) Read(p []byte) (int, error) {
	l.most = max(l.most, len(p))
	return l.r.Read(p)
}

// FuzzStream: whatever the bytes, no panic; what is accepted has the declared
// length and, where it is signed, is what a signer would have written.
func FuzzStream(f *testing.F) {
	for mode, trailer := range streamModes() {
		v := streamedRequest(f, mode)
		f.Add(uint8(mode), Frame(v, streamData(minChunk+100), minChunk, trailer...), minChunk+100)
		f.Add(uint8(mode), Frame(v, nil, 40, trailer...), 0)
	}
	verified := map[Mode]Verified{}
	for mode := range streamModes() {
		verified[mode] = streamedRequest(f, mode)
	}
	f.Fuzz(func(t *testing.T, m uint8, wire []byte, decoded int) {
		mode := Mode(m)
		v, ok := verified[mode]
		if !ok {
			return
		}
		announced := announce(streamModes()[mode])
		got, trailer, err := readStream(v, bytes.NewReader(wire), decoded, announced)
		if err != nil {
			return
		}
		if len(got) != decoded || mode.Trailed() && len(trailer) != 1 {
			t.Fatalf("accepted %d bytes for %d, trailer %v", len(got), decoded, trailer)
		}
		again, _, err := readStream(v, iotest.OneByteReader(bytes.NewReader(wire)), decoded, announced)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("read in single bytes: %v", err)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	for mode, trailer := range streamModes() {
		b.Run(mode.String(), func(b *testing.B) {
			v := streamedRequest(b, mode)
			data := make([]byte, 4<<20)
			for i := range data {
				data[i] = byte(rand.Uint32())
			}
			wire := Frame(v, data, 64<<10, trailer...)
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				s, err := NewStream(bytes.NewReader(wire), v, int64(len(data)), announce(trailer))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{s}, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
