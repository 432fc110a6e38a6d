package server

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// sparse is a memory that has room for an object of 50 GiB: of its parts it keeps those
// that were sent, and of the others the sizes.
type sparse struct {
	*memory
	part  int64 // stored bytes of a part that was not sent
	spans []span
	size  int64
	etag  string
}

// span is a stored part of the object; nil data are zeroes.
type span struct {
	first, size int64
	data        []byte
}

// unsentETag is what the store calls a part that was not sent.
func unsentETag(n int) string { return fmt.Sprintf("%x", md5.Sum(fmt.Append(nil, n))) }

func (m *sparse) CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (w backend.Written, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if key != "k" {
		return w, fault4(backend.Invalid, "CompleteUpload")
	}
	for i, p := range parts {
		s := span{m.size, m.part, nil}
		etag := unsentETag(p.N)
		if data, ok := m.uploads[id][p.N]; ok {
			s.data, s.size = data, int64(len(data))
			etag = fmt.Sprintf("%x", md5.Sum(data))
		}
		if p.ETag != `"`+etag+`"` || i > 0 && parts[i-1].N >= p.N || i < len(parts)-1 && s.size < minPart {
			return w, &backend.Error{Kind: backend.Invalid, Op: "CompleteUpload", Status: 400, Code: "InvalidPart"}
		}
		m.spans = append(m.spans, s)
		m.size += s.size
	}
	delete(m.uploads, id)
	m.etag = `"whole"`
	return backend.Written{ETag: m.etag}, nil
}

func (m *sparse) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case key != "k":
		m.mu.Unlock()
		defer m.mu.Lock()
		return m.memory.Get(ctx, bucket, key, opt)
	case m.etag == "":
		return nil, fault4(backend.NotFound, "Get")
	case opt.IfMatch != "" && opt.IfMatch != m.etag:
		return nil, fault4(backend.Precondition, "Get")
	}
	want := backend.Range{First: 0, Last: m.size - 1}
	if opt.Range != nil {
		want = backend.Range{First: opt.Range.First, Last: min(opt.Range.Last, m.size-1)}
	}
	length := want.Last - want.First + 1
	body := io.NewSectionReader(m, want.First, length)
	return &backend.Object{Body: io.NopCloser(body), Length: length, Size: m.size, ETag: m.etag, LastModified: time.Unix(1768478400, 0)}, nil
}

// ReadAt reads stored bytes of the object.
func (m *sparse) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		i, found := slices.BinarySearchFunc(m.spans, off, func(s span, off int64) int { return cmp.Compare(s.first, off) })
		if !found {
			i--
		}
		s := m.spans[i]
		if off >= s.first+s.size {
			return n, io.EOF
		}
		piece := b[n:min(int64(len(b)), int64(n)+s.first+s.size-off)]
		if clear(piece); s.data != nil {
			copy(piece, s.data[off-s.first:])
		}
		n += len(piece)
		off += int64(len(piece))
	}
	return n, nil
}

// TestUploadOfTenThousandParts: as many as there may be, each as small as it may be, 50 GiB
// in all. Most are not sent: their ETags are made as a proxy makes them. The object has the
// size of the law, its parts are told, and those that were sent read as they were.
func TestUploadOfTenThousandParts(t *testing.T) {
	t.Parallel()
	store := &sparse{memory: newMemory("bkt")}
	g := newRig(t, func(c *Config) { c.Backend = store })
	g.store = store.memory
	u := g.begin("/bkt/k", nil)
	ring, b, err := g.s.access(context.Background(), "bkt")
	if err != nil {
		t.Fatal(err)
	}
	at, err := where(b, "k")
	if err != nil {
		t.Fatal(err)
	}
	up, err := format.OpenUpload(uploadRing{ring, b.sealing(ring)}, at, u.id)
	if err != nil {
		t.Fatal(err)
	}
	sent := map[int][]byte{1: pattern(5 * mib), 5000: pattern(5*mib + 3), 9999: pattern(6 * mib), 10000: []byte("the end")}
	list := make([]listed, format.MaxParts)
	first := make(map[int]int64, len(sent))
	plain := int64(0)
	for i := range list {
		n := i + 1
		list[i].n = n
		if data, ok := sent[n]; ok {
			list[i].etag = u.part(n, data)
			first[n] = plain
			plain += int64(len(data))
			continue
		}
		sealer, err := up.NewPart(n, format.MinPartSize)
		if err != nil {
			t.Fatal(err)
		}
		etag, err := sealer.ETag(unsentETag(n), "")
		if err != nil {
			t.Fatal(err)
		}
		list[i].etag = partETag(etag)
		store.part = sealer.SealedSize()
		plain += format.MinPartSize
	}
	g.want(u.complete(append(slices.Clone(list), listed{10001, list[0].etag})...), 400, "MalformedXML")
	g.want(u.complete(list...), 200, "")
	if want := format.SealedSize(b.blockSize, plain); store.size != want {
		t.Errorf("%d stored bytes, want %d", store.size, want)
	}
	g.want(u.complete(list...), 200, "") // and again
	g.onlyObjects()                      // but the one that is sparse

	a := g.do(call{method: "HEAD", target: "/bkt/k"})
	if got := a.header.Get("Content-Length"); got != fmt.Sprint(plain) {
		t.Errorf("HEAD says %s bytes, want %d", got, plain)
	}
	for n, data := range sent {
		a := g.get(fmt.Sprintf("/bkt/k?partNumber=%d", n))
		if a.status != 206 || !bytes.Equal(a.body, data) || a.header.Get("x-amz-mp-parts-count") != "10000" {
			t.Errorf("part %d: %d, %d bytes, %v", n, a.status, len(a.body), a.header)
		}
		span := fmt.Sprintf("bytes=%d-%d", first[n]+2, first[n]+5)
		if a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"range": span}}); !bytes.Equal(a.body, data[2:6]) {
			t.Errorf("%s: %d %q", span, a.status, a.body)
		}
	}
	across := fmt.Sprintf("bytes=%d-", plain-10)
	if a := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"range": across}}); string(a.body) != string(sent[9999][6*mib-3:])+"the end" {
		t.Errorf("%s: %d %q", across, a.status, a.body)
	}
	page := g.partsTold("/bkt/k", map[string]string{"x-amz-part-number-marker": "9990"}).ObjectParts
	if page.Count != 10000 || page.IsTruncated || len(page.Parts) != 10 || page.Parts[9] != (attributePart{10000, 7}) {
		t.Errorf("%+v", page)
	}
}
