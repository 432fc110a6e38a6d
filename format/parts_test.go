package format

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
)

func vectorObject(t testing.TB, name string) (*Keyring, Context, multipartVector, []byte) {
	t.Helper()
	for _, v := range multipartVectors() {
		if v.Name == "multipart/"+name {
			return testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key), v, multipartSources()[v.Name]
		}
	}
	t.Fatalf("no vector %s", name)
	return nil, Context{}, multipartVector{}, nil
}

// readRange reads a plain range as a GET does: one contiguous read of the backend, headers of parts in between.
func readRange(m *Multipart, stored []byte, off, n int64) ([]byte, error) {
	spans, err := m.Cover(off, n)
	if err != nil {
		return nil, err
	}
	last := spans[len(spans)-1]
	answer := stored[spans[0].Offset : last.Offset+last.Length]
	var out []byte
	for i, s := range spans {
		o, err := m.OpenPart(s.Part)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			if err := o.CheckHead(answer[:54]); err != nil {
				return nil, err
			}
			answer = answer[54:]
		}
		sealed := bytes.Clone(answer[:s.Length])
		answer = answer[s.Length:]
		if err := o.OpenInPlace(sealed, s.First); err != nil {
			return nil, err
		}
		var plain []byte
		for at := 0; at < len(sealed); at += Stride {
			plain = append(plain, sealed[at:min(at+Stride, len(sealed))-TagSize]...)
		}
		out = append(out, plain[s.Skip:s.Skip+s.N]...)
	}
	if len(answer) != 0 {
		return nil, errors.New("bytes are left")
	}
	return out, nil
}

// TestMultipartRanges: every range around the edges of parts and segments, and random ones, is read to the byte from one contiguous cut.
func TestMultipartRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for _, name := range []string{"two", "empty-last", "three", "uneven-with-gaps", "one"} {
		ring, where, v, stored := vectorObject(t, name)
		m, err := openMultipart(ring, where, v.BlockLen, stored)
		if err != nil {
			t.Fatal(err)
		}
		plain := v.in.content()
		size := int64(len(plain))
		check := func(off, n int64) {
			t.Helper()
			got, err := readRange(m, stored, off, n)
			if err != nil || !bytes.Equal(got, plain[off:off+n]) {
				t.Fatalf("%s: %d bytes at %d: %v", name, n, off, err)
			}
		}
		check(0, size)
		for i := range m.Parts() {
			p := m.Part(i)
			for _, edge := range []int64{p.PlainOffset, p.PlainOffset + 65536, p.PlainOffset + p.PlainSize} {
				for off := edge - 1; off <= edge+1; off++ {
					for n := int64(1); n <= 3; n++ {
						if off >= 0 && off+n <= size {
							check(off, n)
						}
					}
				}
			}
		}
		for range 20 {
			off := r.Int64N(size)
			check(off, 1+r.Int64N(min(size-off, 200000)))
		}
		for _, c := range [][2]int64{{0, 0}, {-1, 1}, {size, 1}, {0, size + 1}, {1, size}, {size - 1, 2}, {5, -1}, {1, 1<<63 - 1}, {1<<63 - 1, 1}} {
			if spans, err := m.Cover(c[0], c[1]); !errors.Is(err, ErrRange) {
				t.Errorf("%s: %v: %v, %v", name, c, spans, err)
			}
		}
		for _, number := range []int{0, 1, 2, 3, 4, 7, 9999, 10000, 10001} {
			i, ok := m.Find(number)
			want := false
			for j, p := range v.in.parts {
				if p.number == number {
					want = j == i
				}
			}
			if ok != want {
				t.Errorf("%s: part %d is at %d, %v", name, number, i, ok)
			}
		}
	}
	// The whole of an object with an empty last part includes that part; a range that stops before the end does not.
	ring, where, v, stored := vectorObject(t, "empty-last")
	m, err := openMultipart(ring, where, v.BlockLen, stored)
	if err != nil {
		t.Fatal(err)
	}
	all, _ := m.Cover(0, m.PlainSize())
	some, _ := m.Cover(0, m.PlainSize()-1)
	if len(all) != 2 || all[1].N != 0 || all[1].Length != TagSize || len(some) != 1 {
		t.Errorf("%+v, %+v", all, some)
	}
}

// TestReblockTail: the same parts, table and filler open behind the new tail, at the new place and under the new key alone, with other metadata and
// in a bucket of another block size.
func TestReblockTail(t *testing.T) {
	ring, from, v, stored := vectorObject(t, "three")
	both, newRing := testRing(t, counting(1, 32), vectorMaster()), testRing(t, counting(1, 32))
	to := testContext(t, BucketID{1}, "to")
	head, tail, size := stored[:54], stored[len(stored)-512:], int64(len(stored))
	for _, L := range []int{0, 512, 4096} {
		before := bytes.Clone(tail)
		block, err := ReblockTail(both, from, to, head, tail, size, func(m *Meta) { m.ContentType = "x/y" }, L)
		if err != nil || !bytes.Equal(before, tail) {
			t.Fatal(err)
		}
		L = max(L, 512)
		moved := append(bytes.Clone(stored[:len(stored)-512]), block...)
		if int64(len(moved)) != SealedSize(L, v.PlainLen) {
			t.Errorf("%d bytes break the law", len(moved))
		}
		if got, err := openWholeMultipart(newRing, to, L, moved); err != nil || !bytes.Equal(got, v.in.content()) {
			t.Errorf("block of %d: %v", L, err)
		}
		if m, err := openMultipart(newRing, to, L, moved); err != nil || m.Meta().ContentType != "x/y" || m.PlainSize() != v.PlainLen || m.KeyID() == ring.IDs()[0] {
			t.Errorf("%v, %v", m, err)
		}
		if _, err := openMultipart(both, from, L, moved); !errors.Is(err, ErrCommit) {
			t.Errorf("the old place says %v", err)
		}
		if _, err := openMultipart(ring, to, L, moved); !errors.Is(err, ErrKeyUnknown) {
			t.Errorf("the old key says %v", err)
		}
		if bytes.Equal(block[34:50], tail[34:50]) {
			t.Error("the salt stayed")
		}
	}
	for what, f := range map[string]func() ([]byte, error){
		"size": func() ([]byte, error) { return ReblockTail(ring, from, to, head, tail, size+1, nil, 0) },
		"plain": func() ([]byte, error) {
			return ReblockTail(ring, from, to, head, tail, size, func(m *Meta) { m.PlainSize++ }, 0)
		},
		"block":   func() ([]byte, error) { return ReblockTail(ring, from, to, head, tail, size, nil, 1000) },
		"place":   func() ([]byte, error) { return ReblockTail(ring, from, Context{}, head, tail, size, nil, 0) },
		"no tail": func() ([]byte, error) { return ReblockTail(ring, from, to, head, nil, size, nil, 0) },
		"no head": func() ([]byte, error) { return ReblockTail(ring, from, to, nil, tail, size, nil, 0) },
	} {
		if b, err := f(); err == nil || b != nil {
			t.Errorf("%s: %d bytes", what, len(b))
		}
	}
	// A tail is no block and a block is no tail.
	if _, err := Reblock(ring, from, to, tail, size, nil, 0); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	if _, err := OpenTail(ring, from, tail, tail, size); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

// TestEndEveryBit flips every bit of a part's header, the table, the filler and the tail: nothing opens.
func TestEndEveryBit(t *testing.T) {
	ring, where, v, stored := vectorObject(t, "two")
	m, err := openMultipart(ring, where, 512, stored)
	if err != nil {
		t.Fatal(err)
	}
	stored = bytes.Clone(stored)
	table, _ := m.Table()
	last := int(m.Part(1).SealedOffset)
	open := func() error { // all but the segments of part 1, which TestMultipartNegatives has
		m, err := openMultipart(ring, where, 512, stored)
		if err != nil {
			return err
		}
		off, n := m.Filler()
		if err := m.CheckFiller(stored[off:off+n], 0); err != nil {
			return err
		}
		_, err = readRange(m, stored, v.PlainLen-2, 2)
		return err
	}
	if err := open(); err != nil || table != int64(last)+71 {
		t.Fatal(err)
	}
	flip := func(from, to, step int) {
		for i := from; i < to; i++ {
			for bit := 0; bit < 8; bit += step {
				stored[i] ^= 1 << bit
				if open() == nil {
					t.Fatalf("bit %d of byte %d can be flipped", bit, i)
				}
				stored[i] ^= 1 << bit
			}
		}
	}
	flip(0, 54, 1)
	flip(last, len(stored)-512, 3)
	flip(len(stored)-512, len(stored), 3)
	for _, c := range [][2]int64{{-1, 1}, {0, 325}, {325, 0}, {324, 1}} {
		if m.CheckFiller(make([]byte, c[1]), c[0]) == nil {
			t.Errorf("filler %v", c)
		}
	}
	for _, n := range []int{0, 79, 81, 112} {
		if _, err := m.OpenTable(make([]byte, n)); !errors.Is(err, ErrIntegrity) {
			t.Errorf("table of %d bytes: %v", n, err)
		}
	}
}

// TestConcurrentParts: one Upload and one Multipart serve many goroutines.
func TestConcurrentParts(t *testing.T) {
	ring, where, v, stored := vectorObject(t, "uneven-with-gaps")
	m, err := openMultipart(ring, where, v.BlockLen, stored)
	if err != nil {
		t.Fatal(err)
	}
	u, plain := testUpload(t, ring, where, AES256GCM), v.in.content()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			off := m.Part(g).PlainOffset
			if got, err := readRange(m, stored, off, 100000); err != nil || !bytes.Equal(got, plain[off:off+100000]) {
				t.Error(err)
			}
			s, err := u.NewPart(1+g, 1000)
			if err != nil {
				t.Error(err)
				return
			}
			part := sealedPart(s, plain[:1000])
			etag, _ := s.ETag("b", "")
			e, err := u.VerifyETag(1+g, etag)
			if err != nil {
				t.Error(err)
				return
			}
			o, err := u.OpenPart(e)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := openSealedPart(o, part); err != nil || !bytes.Equal(got, plain[:1000]) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestUploadNonces records key and nonce of every segment of attempts and tables: none comes twice, and no part shares a key with a stream.
func TestUploadNonces(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	u := testUpload(t, ring, where, XChaCha20Poly1305)
	prk := extract(u.oid[:], u.oek[:])
	seen := map[[24]byte]bool{}
	record := func(b body, err error) {
		t.Helper()
		if err != nil || seen[b.base] {
			t.Fatalf("base nonce again, %v", err)
		}
		seen[b.base] = true
	}
	record(newBody(Header{Suite: u.suite, OID: u.oid}, &u.oek, 100))
	for number := 1; number <= 50; number++ {
		for range 5 {
			s, err := u.NewPart(number, 100)
			if err != nil {
				t.Fatal(err)
			}
			record(s.body, nil)
		}
	}
	salt := [16]byte(partSalt(1, 0))
	for n := 1; n < 50; n++ { // one salt: the number, or the count, tells them apart
		record(partSegments(u.suite, &prk, n, salt, 100))
		record(tablePlace{parts: n, salt: salt}.segments(u.suite, &prk))
	}
}

func FuzzToken(f *testing.F) {
	ring, where := testRing(f, vectorMaster()), testContext(f, vectorBucket(), vectorKey)
	genuine := map[string]bool{}
	for _, v := range uploadVectors() {
		genuine[v.Token] = true
		f.Add(v.Token)
		for _, token := range v.Refused {
			f.Add(token)
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		h, raw, ok := parseToken(token)
		if ok && (tokenEncoding.EncodeToString(raw) != token || !bytes.HasPrefix(raw, h.encode())) {
			t.Fatalf("%q has another spelling", token)
		}
		u, err := OpenUpload(ring, where, token)
		switch {
		case err == nil && (!genuine[token] || u.Token() != token):
			t.Fatalf("%q opens", token)
		case err != nil && !errors.Is(err, ErrUpload) && !errors.Is(err, ErrKeyUnknown) && !errors.Is(err, ErrUnsupported):
			t.Fatal(err)
		}
	})
}

func FuzzETag(f *testing.F) {
	ring, where := testRing(f, vectorMaster()), testContext(f, vectorBucket(), vectorKey)
	v := uploadVectors()[0]
	u, err := OpenUpload(ring, where, v.Token)
	if err != nil {
		f.Fatal(err)
	}
	genuine := map[string]int{}
	for _, p := range v.ETags {
		genuine[p.ETag] = p.Number
		f.Add(p.Number, p.ETag)
	}
	for _, p := range v.NoETags {
		f.Add(p.Number, p.ETag)
	}
	f.Fuzz(func(t *testing.T, number int, etag string) {
		if e, mac, ok := parseETag(etag); ok {
			again := e.spell(mac)
			if again != etag {
				t.Fatalf("%q has the other spelling %q", etag, again)
			}
		}
		if e, err := u.VerifyETag(number, etag); err == nil && genuine[etag] != number {
			t.Fatalf("part %d, %q: %+v", number, etag, e)
		}
		p, err := u.PlanComplete([]DonePart{{number, etag}})
		if (err == nil) != (genuine[etag] == number && number != 0) {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}

func FuzzTable(f *testing.F) {
	for _, v := range multipartVectors()[:7] {
		var entries []tableEntry
		for _, p := range v.in.parts {
			entries = append(entries, tableEntry{uint16(p.number), int64(p.plain), [16]byte(p.salt)})
		}
		f.Add(encodeTable(entries))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := decodeTable(b)
		if err != nil {
			if errors.Is(err, ErrIntegrity) == errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(encodeTable(entries), b) {
			t.Fatalf("%x is not canonical", b)
		}
		if plain, sealed := tableSums(entries); plain < 0 || sealed < plain {
			t.Fatalf("%d, %d", plain, sealed)
		}
	})
}

// FuzzTail seals entries and a table under the real keys, behind a real head: a reader holds to its rules even then.
func FuzzTail(f *testing.F) {
	ring, where := testRing(f, vectorMaster()), testContext(f, vectorBucket(), vectorKey)
	for _, v := range multipartVectors()[:3] {
		in := v.in
		_, sealed := in.size()
		var table []byte
		for _, p := range in.parts {
			table = append(table, refCat(uint16(p.number), uint16(0), uint64(p.plain), uint32(0), p.salt)...)
		}
		f.Add(refTLV(int(v.PlainLen), byte(20), uint16(26), uint16(len(in.parts)), uint64(sealed), in.tableSalt), table, v.PlainLen, byte(0))
	}
	f.Fuzz(func(t *testing.T, tlv, table []byte, plain int64, flip byte) {
		if len(tlv) > 362 || len(table) > 1<<16 || len(table) < 32 || plain < 0 || plain > MaxPlainSize {
			return
		}
		in := multipartInput(XChaCha20Poly1305, 512, nil, []int{5 << 20, 1})
		in.tlv = tlv
		in.head = refCat("SCPX", uint16(2), byte(2), in.suite, byte(16), byte(0), refMaster(in.master, "key-id", 8), in.oid, in.salt, uint32(in.L-54))
		tail := refBlock(in.refInput)
		tail[int(flip)*2] ^= flip
		head := partHead(XChaCha20Poly1305, [16]byte(in.oid), [16]byte(in.parts[0].salt))
		size := refSealedSize(512, plain)
		tl, err := OpenTail(ring, where, head[:], tail, size)
		if err != nil {
			return
		}
		off, n := tl.Table()
		fillerAt, filler := tl.Filler()
		if flip != 0 || off < 0 || n < 48 || filler < 0 || off+n != fillerAt || fillerAt+filler+512 != size || tl.PlainSize() != plain {
			t.Fatalf("table %d+%d, filler %d+%d of %d", off, n, fillerAt, filler, size)
		}
		sealed := refSegmentRun(in.suite, in.prk(), refCat("s3-crypt-proxy/v2/part-table", byte(0), in.suite, byte(16), uint32(tl.Parts()), tl.table.salt[:]), table)
		m, err := tl.OpenTable(sealed)
		if err != nil {
			return
		}
		spans, err := m.Cover(0, plain)
		if err != nil || len(spans) != m.Parts() {
			t.Fatalf("%d spans of %d parts, %v", len(spans), m.Parts(), err)
		}
		at, sum := int64(0), int64(0)
		for _, s := range spans {
			if s.Offset != at+54 || s.Skip != 0 {
				t.Fatalf("%+v", s)
			}
			at, sum = s.Offset+s.Length, sum+s.N
		}
		if at != off || sum != plain {
			t.Fatalf("parts of %d bytes end at %d, table at %d", sum, at, off)
		}
	})
}
