package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"testing"
)

// uploadVector is a token with the ETags of some of its parts. Tokens and ETags under "refused" must be refused as ErrUpload and ErrPart.
type uploadVector struct {
	Name      string       `json:"name"`
	Master    string       `json:"master"`
	BucketID  string       `json:"bucket_id"`
	Key       string       `json:"key"`
	Suite     string       `json:"suite"`
	OID       string       `json:"oid"`
	OEK       string       `json:"oek"`
	TokenSalt string       `json:"token_salt"`
	Created   int64        `json:"created_ms"`
	BackendID string       `json:"backend_id"`
	TK        string       `json:"tk"`
	TN        string       `json:"tn"`
	EK        string       `json:"ek"`
	Token     string       `json:"token"`
	ETags     []etagVector `json:"etags"`
	Refused   []string     `json:"refused_tokens"`
	NoETags   []etagVector `json:"refused_etags"`
}

type etagVector struct {
	Number   int    `json:"number"`
	PlainLen int64  `json:"plain_len,omitempty"`
	Salt     string `json:"salt,omitempty"`
	Backend  string `json:"backend_etag,omitempty"`
	ETag     string `json:"etag"`
}

func uploadVectors() (out []uploadVector) {
	for i, id := range []string{"backend-1", "VXBsb2FkSWQ~/+%20", string(bytes.Repeat([]byte("i"), MaxBackendID))} {
		suite := Suite(1 + i%2)
		in, salt := vectorInput(suite, 512, 0), counting(0xc0+byte(i), 24)
		ctx := refCat(in.bucket, uint16(len(in.key)), in.key)
		tk, tn, ek := refUploadKeys(in.master, salt, ctx)
		ms := uint64(1767225600123) + uint64(i)
		v := uploadVector{Name: "upload/" + suite.String() + "/" + hex.EncodeToString(salt[:1]), Master: hex.EncodeToString(in.master),
			BucketID: hex.EncodeToString(in.bucket), Key: in.key, Suite: suite.String(), OID: hex.EncodeToString(in.oid), OEK: hex.EncodeToString(in.oek),
			TokenSalt: hex.EncodeToString(salt), Created: int64(ms), BackendID: id, TK: hex.EncodeToString(tk), TN: hex.EncodeToString(tn), EK: hex.EncodeToString(ek),
			Token: refToken(in, salt, refSecret(in, ms, id))}
		add := func(number int, plain int64, flags byte, backend string) {
			ps := partSalt(number, 0)
			v.ETags = append(v.ETags, etagVector{number, plain, hex.EncodeToString(ps), backend, refETag(in, salt, number, ps, plain, flags, backend)})
		}
		add(1, 5<<20, 0, "0123456789abcdef0123456789abcdef")
		add(2, 5<<20-1, 1, "x")
		add(3, 0, 1, string(bytes.Repeat([]byte("e"), MaxBackendETag)))
		add(9999, MaxPartSize, 0, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~")
		add(10000, MaxPartSize, 1, "y-1")
		elsewhere := in
		elsewhere.key = "elsewhere"
		v.Refused = []string{
			refToken(elsewhere, salt, refSecret(in, ms, id)), v.Token[:len(v.Token)-1], v.Token + "=", v.Token[:40] + "\n" + v.Token[40:],
			refToken(in, salt, refSecret(in, 1<<47, id)), refToken(in, salt, refSecret(in, ms, "")), refToken(in, salt, refSecret(in, ms, "\x7f")),
			"B" + v.Token[1:], "",
		}
		no := func(number int, etag string) { v.NoETags = append(v.NoETags, etagVector{Number: number, ETag: etag}) }
		no(2, v.ETags[0].ETag)
		no(1, v.ETags[1].ETag)
		no(1, v.ETags[0].ETag+"0")
		no(1, v.ETags[0].ETag[:len(v.ETags[0].ETag)-1])
		no(1, "F"+v.ETags[0].ETag[1:])
		no(1, refETag(elsewhere, salt, 1, partSalt(1, 0), 5<<20, 0, "x"))                      // another place
		no(1, refETag(in, counting(1, 24), 1, partSalt(1, 0), 5<<20, 0, "x"))                  // another token
		no(1, refETag(in, salt, 1, partSalt(1, 0), 5<<20, 1, "x"))                             // flag
		no(1, refETag(in, salt, 1, partSalt(1, 0), 5<<20-1, 0, "x"))                           // flag
		no(1, refETag(in, salt, 1, partSalt(1, 0), 5<<20, 2, "x"))                             // unknown flag
		no(1, refETag(in, salt, 1, partSalt(1, 0), MaxPartSize+1, 0, "x"))                     // size
		no(1, refETag(in, salt, 1, partSalt(1, 0), 5<<20, 0, ""))                              // no backend ETag
		no(1, refETag(in, salt, 1, partSalt(1, 0), 5<<20, 0, "a b"))                           // white space
		no(1, refETag(in, salt, 1, partSalt(1, 0), 5<<20, 0, string(make([]byte, 129))))       // long
		no(0, refETag(in, salt, 0, partSalt(0, 0), 5<<20, 0, "x"))                             // number
		no(10001, refETag(in, salt, 10001, partSalt(10001, 0), 5<<20, 0, "x"))                 // number
		no(1, refETag(otherInput(suite, 512, 0), salt, 1, partSalt(1, 0), 5<<20, 0, "upload")) // another upload
		out = append(out, v)
	}
	return out
}

// TestUploadVectors opens every token and ETag of the vectors, makes the same ones, and refuses the bad ones.
func TestUploadVectors(t *testing.T) {
	for _, v := range uploadVectors() {
		ring, where := testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key)
		u, err := OpenUpload(ring, where, v.Token)
		if err != nil || hex.EncodeToString(u.oek[:]) != v.OEK || hex.EncodeToString(u.oid[:]) != v.OID || u.BackendID() != v.BackendID || u.Created().UnixMilli() != v.Created {
			t.Fatalf("%s: %v, %v", v.Name, u, err)
		}
		e := &entropy{oek: u.oek, oid: u.oid}
		if again, err := newUpload(ring, where, UploadOptions{Suite: u.suite, BackendID: v.BackendID, Created: u.created}, e, [24]byte(unhex(v.TokenSalt))); err != nil || again.Token() != v.Token {
			t.Errorf("%s: another token, %v", v.Name, err)
		}
		for _, p := range v.ETags {
			s, err := u.newPart(p.Number, p.PlainLen, [16]byte(unhex(p.Salt)))
			if err != nil {
				t.Fatal(err)
			}
			if etag, err := s.ETag(p.Backend, ""); err != nil || etag != p.ETag {
				t.Errorf("%s: ETag %s, %v; want %s", v.Name, etag, err, p.ETag)
			}
			if e, err := u.VerifyETag(p.Number, p.ETag); err != nil || e.PlainSize != p.PlainLen || e.Staged != s.Staged() {
				t.Errorf("%s: %+v, %v", v.Name, e, err)
			}
		}
		for i, token := range v.Refused {
			if opensUpload(ring, where, token) {
				t.Errorf("%s: refused token %d opens", v.Name, i)
			}
		}
		for i, p := range v.NoETags {
			if e, err := u.VerifyETag(p.Number, p.ETag); err == nil {
				t.Errorf("%s: refused ETag %d is accepted: %+v", v.Name, i, e)
			}
		}
	}
}

// TestMultipartVectors seals and opens every multipart vector with the package, to the byte; of the large ones, the end.
func TestMultipartVectors(t *testing.T) {
	for _, v := range multipartVectors() {
		ring, where := testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key)
		u := &Upload{where: where, suite: Suite(v.in.suite), oid: [16]byte(v.in.oid), oek: [32]byte(v.in.oek)}
		var etags []PartETag
		for _, p := range v.in.parts {
			etags = append(etags, PartETag{Number: p.number, PlainSize: int64(p.plain), Staged: staged(p.number, int64(p.plain)), Backend: "e", salt: [16]byte(p.salt)})
		}
		plan, err := u.plan(etags)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		end, err := plan.sealEnd(ring, Meta{ContentType: vectorType}, v.BlockLen, [16]byte(v.in.tableSalt), [16]byte(v.in.salt))
		sum := sha256.Sum256(end)
		if err != nil || hex.EncodeToString(sum[:]) != v.EndSHA256 || plan.PlainSize() != v.PlainLen || plan.SealedSize(v.BlockLen) != v.StoredLen {
			t.Errorf("%s: the end differs (%v)", v.Name, err)
		}
		if stored := multipartSources()[v.Name]; stored != nil {
			if got, err := openWholeMultipart(ring, where, v.BlockLen, stored); err != nil || !bytes.Equal(got, v.in.content()) {
				t.Errorf("%s: %v", v.Name, err)
			}
			continue
		}
		first := partHead(u.suite, u.oid, [16]byte(v.in.parts[0].salt))
		tail, err := OpenTail(ring, where, first[:], end[len(end)-v.BlockLen:], v.StoredLen)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		off, n := tail.Table()
		from, _, ok := EndSpan(v.BlockLen, v.StoredLen)
		at := off - (v.StoredLen - int64(len(end)))
		if !ok || from > off || at != 0 {
			t.Fatalf("%s: the table lies at %d, the end may begin at %d", v.Name, off, from)
		}
		m, err := tail.OpenTable(end[:n])
		if err != nil || m.Parts() != len(v.in.parts) {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if err := m.CheckFiller(end[n:int64(len(end)-v.BlockLen)], 0); err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		for i, p := range v.in.parts {
			got := m.Part(i)
			if j, ok := m.Find(p.number); got.Number != p.number || got.PlainSize != int64(p.plain) || m.salts[i] != [16]byte(p.salt) || !ok || j != i {
				t.Fatalf("%s: part %d is %+v", v.Name, i, got)
			}
		}
	}
}

// joinPieces appends the bytes that pieces of multipart vectors stand for.
func joinPieces(b []byte, pieces []piece) []byte {
	for _, p := range pieces {
		if p.From == "" {
			b = append(b, unhex(p.Hex)...)
			continue
		}
		b = append(b, multipartSources()[p.From][p.Offset:p.Offset+p.Length]...)
	}
	return b
}

// multipartNegatives are the attacks on multipart objects, one failure each, told as pieces of the positive vectors: 5 MB each, so they
// are put together one at a time.
var multipartNegatives = sync.OnceValue(func() (out []negative) {
	sources := multipartSources()
	var buf []byte
	put := func(n negative, pieces ...piece) {
		pieces = slices.DeleteFunc(pieces, func(p piece) bool { return p.Length == 0 && p.Hex == "" })
		buf = joinPieces(buf[:0], pieces)
		bucket := vectorBucket()
		n.Masters, n.BucketID, n.BlockLen, n.Pieces = []string{hex.EncodeToString(vectorMaster())}, hex.EncodeToString(bucket[:]), 512, pieces
		if n.Key == "" {
			n.Key = vectorKey
		}
		sum := sha256.Sum256(buf)
		n.StoredLen, n.StoredSHA256 = len(buf), hex.EncodeToString(sum[:])
		out = append(out, n)
	}
	splice := func(name, want string, pieces ...piece) {
		put(negative{Name: "multipart/" + name, Error: want}, pieces...)
	}
	cut := func(from string, offset, length int) piece {
		return piece{From: "multipart/" + from, Offset: offset, Length: length}
	}
	lit := func(b ...byte) piece { return piece{Hex: hex.EncodeToString(b)} }
	// edit replaces bytes of the object "two".
	const P = 54 + 5<<20 + 80*16 // stored bytes of a part of 5 MiB
	two := sources["multipart/two"]
	size := len(two)
	edit := func(name, want string, at int, with ...byte) {
		splice(name, want, cut("two", 0, at), lit(with...), cut("two", at+len(with), size-at-len(with)))
	}
	flip := func(name, want string, at int) { edit(name, want, at, two[at]^1) }
	const table, filler = P + 54 + 17, P + 54 + 17 + 80
	tail := size - 512
	rest := func(from string, at int) piece { return cut(from, at, len(sources["multipart/"+from])-at) }

	// Attempts and uploads.
	splice("old-attempt-of-part-1", "ErrIntegrity", cut("two", 0, P), rest("two-again", P))
	splice("new-attempt-of-part-1", "ErrIntegrity", cut("two-again", 0, P), rest("two", P))
	splice("old-attempt-under-the-new-header", "ErrIntegrity", cut("two-again", 0, 54), cut("two", 54, P-54), rest("two-again", P))
	splice("part-1-of-another-upload", "ErrIntegrity", cut("two-of-another", 0, P), rest("two", P))
	splice("part-2-of-another-upload", "ErrIntegrity", cut("two", 0, P), cut("two-of-another", P, 71), rest("two", table))
	splice("segments-of-another-upload", "ErrIntegrity", cut("two", 0, 54), cut("two-of-another", 54, P-54), rest("two", P))
	splice("table-of-another-upload", "ErrIntegrity", cut("two", 0, table), cut("two-of-another", table, 80), rest("two", filler))
	splice("tail-of-another-upload", "ErrIntegrity", cut("two", 0, tail), rest("two-of-another", tail))
	splice("table-of-another-completion", "ErrIntegrity", cut("two", 0, table), cut("two-again", table, 80), rest("two", filler))
	splice("tail-of-another-completion", "ErrIntegrity", cut("two", 0, tail), rest("two-again", tail))
	splice("end-of-another-completion", "ErrIntegrity", cut("two", 0, table), rest("two-again", table))

	// Lists of parts.
	three := "three"
	splice("omitted-first", "ErrIntegrity", cut(three, P, P), rest(three, 2*P))
	splice("omitted-last", "ErrForeign", cut(three, 0, 2*P), rest(three, 2*P+54+116))
	splice("reordered", "ErrIntegrity", cut(three, P, P), cut(three, 0, P), rest(three, 2*P))
	splice("repeated-instead-of-the-second", "ErrIntegrity", cut(three, 0, P), cut(three, 0, P), rest(three, 2*P))
	splice("repeated-in-addition", "ErrForeign", cut(three, 0, 2*P), cut(three, P, P), rest(three, 2*P))
	splice("segments-swapped-between-parts", "ErrIntegrity", cut(three, 0, 54), cut(three, P+54, 65552), cut(three, 54+65552, P-54-65552), rest(three, P))
	splice("appended", "ErrIntegrity", cut("two", 0, table), cut("two", P, 71), rest("two", table))
	splice("end-before-the-last-part", "ErrIntegrity", cut("two", 0, P), cut("two", table, size-table-512), cut("two", P, 71), rest("two", tail))
	splice("part-as-an-object", "ErrUnsupported", cut("two", P, 71), lit(make([]byte, 600)...))
	splice("parts-without-end", "ErrUnsupported", cut("two", 0, table))

	// Header of the first part.
	flip("head/magic", "ErrNotSealed", 3)
	edit("head/version", "ErrVersion", 4, 0, 3)
	edit("head/class-0", "ErrForeign", 6, 0)
	edit("head/class-2", "ErrForeign", 6, 2)
	edit("head/class-3", "ErrUnsupported", 6, 3)
	edit("head/suite", "ErrIntegrity", 7, 2)
	edit("head/suite-3", "ErrUnsupported", 7, 3)
	edit("head/segment-size", "ErrUnsupported", 8, 17)
	edit("head/flags", "ErrUnsupported", 9, 2)
	edit("head/key-id", "ErrUnsupported", 10, 1)
	flip("head/oid-first", "ErrIntegrity", 18)
	flip("head/oid-last", "ErrIntegrity", 33)
	flip("head/salt-first", "ErrIntegrity", 34)
	flip("head/salt-last", "ErrIntegrity", 49)
	edit("head/meta-len", "ErrUnsupported", 53, 1)
	// Of the second: it must be what it must be.
	for i, name := range []string{"magic", "", "", "", "version", "", "class", "suite", "segment-size", "flags", "key-id"} {
		if name != "" {
			flip("second-head/"+name, "ErrIntegrity", P+i)
		}
	}
	flip("second-head/oid", "ErrIntegrity", P+18)
	flip("second-head/salt", "ErrIntegrity", P+49)
	flip("second-head/meta-len", "ErrIntegrity", P+53)
	flip("body/first-byte", "ErrIntegrity", 54)
	flip("body/last-tag-of-part-1", "ErrIntegrity", P-1)
	flip("body/part-2", "ErrIntegrity", P+54)
	flip("table/first", "ErrIntegrity", table)
	flip("table/tag", "ErrIntegrity", filler-1)
	flip("filler/first", "ErrIntegrity", filler)
	flip("filler/last", "ErrIntegrity", tail-1)
	splice("filler/short", "ErrForeign", cut("two", 0, filler), rest("two", filler+1))
	splice("filler/long", "ErrIntegrity", cut("two", 0, filler), lit(0), rest("two", filler))
	splice("size/cut", "ErrForeign", cut("two", 0, size-1))
	splice("size/cut-in-front", "ErrNotSealed", rest("two", 1))
	splice("size/extended", "ErrIntegrity", cut("two", 0, size), lit(0))

	// Tail.
	flip("tail/magic", "ErrIntegrity", tail)
	edit("tail/version", "ErrVersion", tail+4, 0, 3)
	edit("tail/class-0", "ErrIntegrity", tail+6, 0)
	edit("tail/class-1", "ErrUnsupported", tail+6, 1)
	edit("tail/suite", "ErrCommit", tail+7, 2)
	edit("tail/flags", "ErrUnsupported", tail+9, 4)
	flip("tail/key-id", "ErrKeyUnknown", tail+10)
	flip("tail/oid", "ErrCommit", tail+18)
	flip("tail/salt", "ErrCommit", tail+49)
	edit("tail/meta-len-of-1024", "ErrForeign", tail+50, 0, 0, 3, 0xca)
	flip("tail/commitment", "ErrCommit", tail+54)
	flip("tail/wrapped", "ErrIntegrity", tail+86)
	flip("tail/metadata", "ErrIntegrity", tail+134)
	flip("tail/last-byte", "ErrIntegrity", size-1)
	splice("tail/stream-block", "ErrIntegrity", cut("two", 0, tail), lit(refBlock(vectorInput(XChaCha20Poly1305, 512, 5<<20+1))...))
	splice("tail/as-a-block", "ErrUnsupported", rest("two", tail), lit(make([]byte, 17)...))
	splice("place/swapped", "ErrCommit", cut("two-elsewhere", 0, len(sources["multipart/two-elsewhere"])))
	splice("place/tail", "ErrCommit", cut("two", 0, tail), rest("two-elsewhere", tail))
	put(negative{Name: "multipart/place/other-key", Error: "ErrCommit", Key: vectorKey + "0"}, cut("two", 0, size))

	// A hostile writer with the keys: the reader holds to the rules even then.
	hostile := func(name, want string, change func(*refMultipart)) {
		in := multipartInput(XChaCha20Poly1305, 512, nil, []int{5 << 20, 1})
		change(&in)
		splice("writer/"+name, want, cut("two", 0, table), lit(in.end()...))
	}
	row := func(number, reserved uint16, plain uint64, flags uint32) []byte {
		return refCat(number, reserved, plain, flags, partSalt(int(number), 0))
	}
	rows := func(name, want string, table ...[]byte) {
		hostile(name, want, func(in *refMultipart) { in.table = bytes.Join(table, nil) })
	}
	const u = 5 << 20
	rows("number-repeated", "ErrIntegrity", row(1, 0, u, 0), row(1, 0, 1, 0))
	rows("numbers-descending", "ErrIntegrity", row(2, 0, u, 0), row(1, 0, 1, 0))
	rows("number-0", "ErrIntegrity", row(0, 0, u, 0), row(1, 0, 1, 0))
	rows("number-10001", "ErrIntegrity", row(1, 0, u, 0), row(10001, 0, 1, 0))
	rows("reserved", "ErrIntegrity", row(1, 1, u, 0), row(2, 0, 1, 0))
	rows("flags", "ErrUnsupported", row(1, 0, u, 1<<31), row(2, 0, 1, 0))
	rows("small-middle", "ErrIntegrity", row(1, 0, u-1, 0), row(2, 0, 2, 0))
	rows("large-part", "ErrIntegrity", row(1, 0, 5<<30, 0), row(2, 0, 1, 0))
	rows("negative-part", "ErrIntegrity", row(1, 0, u+2, 0), row(2, 0, 1<<64-1, 0))
	rows("sum-of-plain", "ErrIntegrity", row(1, 0, u, 0), row(2, 0, 2, 0))
	rows("sum-of-stored", "ErrIntegrity", row(1, 0, u+1, 0), row(2, 0, 0, 0))
	rows("other-number", "ErrIntegrity", row(1, 0, u, 0), row(3, 0, 1, 0))
	place := func(name, want string, entry []byte) {
		hostile(name, want, func(in *refMultipart) { in.place = entry })
	}
	salt := counting(0x70, 16)
	place("no-place", "ErrIntegrity", []byte{})
	place("place-short", "ErrIntegrity", refCat(byte(20), uint16(25), uint16(2), uint64(table), salt[:15]))
	place("place-empty", "ErrIntegrity", refCat(byte(20), uint16(0)))
	place("place-of-no-parts", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(0), uint64(table), salt))
	place("place-of-10001-parts", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(10001), uint64(table), salt))
	place("place-one-part-fewer", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(1), uint64(table), salt))
	place("place-behind-the-object", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(2), uint64(size), salt))
	place("place-huge", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(2), uint64(1<<64-1), salt))
	place("place-in-the-first-part", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(2), uint64(100), salt))
	place("place-off-by-one", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(2), uint64(table+1), salt))
	place("place-of-another-salt", "ErrIntegrity", refCat(byte(20), uint16(26), uint16(2), uint64(table), counting(0x71, 16)))
	place("entry-21", "ErrUnsupported", refCat(byte(20), uint16(26), uint16(2), uint64(table), salt, byte(21), uint16(0)))
	hostile("filler-too-long", "ErrIntegrity", func(in *refMultipart) { in.more = 16 })
	return out
})

// TestMultipartNegatives refuses every attack on multipart objects, with its error and no other, for readers and for copies, without a change to
// the input.
func TestMultipartNegatives(t *testing.T) {
	names := map[string]bool{}
	var stored []byte
	for _, v := range multipartNegatives() {
		if names[v.Name] {
			t.Errorf("two vectors are called %s", v.Name)
		}
		names[v.Name] = true
		ring, where := testRing(t, unhex(v.Masters[0])), testContext(t, BucketID(unhex(v.BucketID)), v.Key)
		stored = joinPieces(stored[:0], v.Pieces)
		_, err := openAny(ring, where, v.BlockLen, stored)
		expectError(t, v.Name, err, v.Error)
		if sum := sha256.Sum256(stored); hex.EncodeToString(sum[:]) != v.StoredSHA256 {
			t.Errorf("%s: the input was changed", v.Name)
		}
		if len(stored) < 600 {
			continue
		}
		head, tail := stored[:54], stored[len(stored)-512:]
		_, tailErr := OpenTail(ring, where, head, tail, int64(len(stored)))
		_, copyErr := ReblockTail(ring, where, where, head, tail, int64(len(stored)), nil, 0)
		if (tailErr == nil) != (copyErr == nil) {
			t.Errorf("%s: OpenTail says %v, ReblockTail says %v", v.Name, tailErr, copyErr)
		}
	}
	if len(names) < 80 {
		t.Errorf("%d attacks", len(names))
	}
}

// exportMultipart makes a vector's object with the package alone.
func exportMultipart(t *testing.T, ring *Keyring, u *Upload, in refMultipart) (out []byte) {
	t.Helper()
	var etags []PartETag
	for _, p := range in.parts {
		s, err := u.newPart(p.number, int64(p.plain), [16]byte(p.salt))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sealedPart(s, refContent(p.seed, p.plain))...)
		etags = append(etags, PartETag{Number: p.number, PlainSize: int64(p.plain), Staged: s.Staged(), Backend: "e", salt: s.salt})
	}
	plan, err := u.plan(etags)
	if err != nil {
		t.Fatal(err)
	}
	end, err := plan.sealEnd(ring, Meta{ContentType: vectorType}, in.L, [16]byte(in.tableSalt), [16]byte(in.salt))
	if err != nil {
		t.Fatal(err)
	}
	return append(out, end...)
}
