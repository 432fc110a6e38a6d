package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// agentRing is an UploadRing that is no Keyring: what a key agent in another process would be.
type agentRing struct{ ring *Keyring }

func (a agentRing) Active() (KeyID, error) { return a.ring.Active() }
func (a agentRing) BlockKeys(id KeyID, head [54]byte, where Context) (BlockKeys, error) {
	return a.ring.BlockKeys(id, head, where)
}
func (a agentRing) UploadKeys(id KeyID, salt [24]byte, where Context) (UploadKeys, error) {
	return a.ring.UploadKeys(id, salt, where)
}

func TestTokenRoundTrip(t *testing.T) {
	where := testContext(t, vectorBucket(), vectorKey)
	old, both := testRing(t, vectorMaster()), testRing(t, counting(1, 32), vectorMaster())
	for _, id := range []string{"x", "backend-1", strings.Repeat("i", MaxBackendID), "a b\t\xff"} {
		u, err := NewUpload(agentRing{old}, where, UploadOptions{Suite: AES256GCM, BackendID: id, Created: uploadTime})
		if err != nil {
			t.Fatal(err)
		}
		got, err := OpenUpload(agentRing{both}, where, u.Token()) // after a rotation
		if err != nil || *got != *u || got.BackendID() != id || !got.Created().Equal(uploadTime) || got.Suite() != AES256GCM || got.Where() != where {
			t.Errorf("%q: %v, %v", id, got, err)
		}
		if len(u.Token()) > MaxTokenSize || strings.Trim(u.Token(), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("token of %d characters: %s", len(u.Token()), u.Token())
		}
	}
	u := testUpload(t, old, where, XChaCha20Poly1305)
	if u.CreateKey() != "_objcryptproxy___/mpu/000102030405060708090a0b0c0d0e0f/create" || u.LastKey(7) != u.StagingPrefix()+"last-7" || u.OID() != u.oid {
		t.Errorf("%s, %s", u.CreateKey(), u.LastKey(7))
	}
	if _, err := NewContext(vectorBucket(), u.CreateKey()); err != nil {
		t.Error(err)
	}
}

// TestTokenRefuses: a token opens at its own place, under its own master, unedited, in one spelling.
func TestTokenRefuses(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	token := testUpload(t, ring, where, XChaCha20Poly1305).Token()
	f := func(what string, ring *Keyring, where Context, token string, want error) {
		t.Helper()
		if u, err := OpenUpload(ring, where, token); u != nil || !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", what, u, err)
		}
	}
	f("other key", ring, testContext(t, vectorBucket(), vectorKey+"0"), token, ErrUpload)
	f("other bucket", ring, testContext(t, BucketID{1}, vectorKey), token, ErrUpload)
	f("other master", testRing(t, counting(1, 32)), where, token, ErrKeyUnknown)
	for i := range token {
		for _, c := range []byte{token[i] ^ 1, '\n', '=', '+', 0} {
			bad := []byte(token)
			if bad[i] = c; opensUpload(ring, where, string(bad)) {
				t.Fatalf("character %d can be %q", i, c)
			}
		}
		if opensUpload(ring, where, token[:i]) || opensUpload(ring, where, token[:i]+"\n"+token[i:]) || opensUpload(ring, where, token[:i]+token[i+1:]) {
			t.Fatalf("cut or stretched at %d", i)
		}
	}
	for _, bad := range []string{"", "x", token + "=", token + "A", token + token, strings.Repeat("A", MaxTokenSize), strings.Repeat("A", 1<<16)} {
		f("malformed", ring, where, bad, ErrUpload)
	}
	in, salt := vectorInput(XChaCha20Poly1305, 512, 0), counting(0xc0, 24)
	if refToken(in, salt, refSecret(in, uint64(uploadTime.UnixMilli()), "backend-1")) != token {
		t.Error("the token is not the reference's")
	}
	// A hostile writer with the keys.
	f("suite 3", ring, where, refToken(in, salt, refCat(in.oek, in.oid, byte(3), uint64(0), "b")), ErrUnsupported)
	f("time", ring, where, refToken(in, salt, refSecret(in, 1<<47, "b")), ErrUpload)
	f("id", ring, where, refToken(in, salt, refSecret(in, 0, "\x00")), ErrUpload)
	f("no id", ring, where, refToken(in, salt, refSecret(in, 0, "")), ErrUpload)
	f("long id", ring, where, refToken(in, salt, refSecret(in, 0, strings.Repeat("i", MaxBackendID+1))), ErrUpload)
	for _, opt := range []UploadOptions{{Suite: 3, BackendID: "b", Created: uploadTime}, {Suite: 0, BackendID: "", Created: uploadTime}, {Suite: 0, BackendID: strings.Repeat("i", MaxBackendID+1), Created: uploadTime}, {Suite: 0, BackendID: "\n", Created: uploadTime}, {Suite: 0, BackendID: "b", Created: time.Time{}}} {
		if u, err := NewUpload(ring, where, opt); err == nil {
			t.Errorf("%+v: %v", opt, u)
		}
	}
	if _, err := NewUpload((*Keyring)(nil), where, UploadOptions{BackendID: "b", Created: uploadTime}); !errors.Is(err, ErrNoKey) {
		t.Error(err)
	}
	if _, err := NewUpload(ring, Context{}, UploadOptions{BackendID: "b", Created: uploadTime}); err == nil {
		t.Error("the zero place")
	}
}

// opensUpload reports whether a token opens.
func opensUpload(ring *Keyring, where Context, token string) bool {
	_, err := OpenUpload(ring, where, token)
	return err == nil
}

// TestUploadKeysWiped: a wiped ring serves no upload, and its keys are gone.
func TestUploadKeysWiped(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	id, _ := ring.Active()
	if _, err := ring.UploadKeys(KeyID{1}, [24]byte{}, where); !errors.Is(err, ErrKeyUnknown) {
		t.Error(err)
	}
	ring.Wipe()
	if _, err := ring.UploadKeys(id, [24]byte{}, where); !errors.Is(err, ErrKeyUnknown) {
		t.Error(err)
	}
	if ring.keys[0].token != [32]byte{} || ring.keys[0].etag != [32]byte{} {
		t.Error("keys are left")
	}
}

// TestUploadSecretsDoNotPrint: no verb prints a key of an upload, a part or a tail.
func TestUploadSecretsDoNotPrint(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	u := testUpload(t, ring, where, XChaCha20Poly1305)
	s, _ := u.NewPart(1, 1)
	o, _ := u.OpenPart(PartETag{Number: 1, PlainSize: 1})
	keys, _ := ring.UploadKeys(u.kid, [24]byte{1}, where)
	v := multipartVectors()[0]
	m, err := openMultipart(ring, where, v.BlockLen, multipartSources()[v.Name])
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{u.oek[:], u.etagKey[:], s.body.base[:], o.body.base[:], keys.TokenKey[:], keys.ETagKey[:], m.prk[:], ring.keys[0].token[:]}
	for _, value := range []any{u, *u, s, *s, o, *o, keys, &keys, m, *m, m.Tail, *m.Tail} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			text := fmt.Sprintf(verb, value)
			for _, secret := range secrets {
				if strings.Contains(text, fmt.Sprintf("%x", secret[:6])) || strings.Contains(text, string(secret[:6])) || strings.Contains(text, strings.Trim(fmt.Sprint(secret[:4]), "[]")) {
					t.Errorf("%T with %s prints a secret: %s", value, verb, text)
				}
			}
		}
	}
	if b, err := json.Marshal(keys); err == nil {
		t.Errorf("%s", b)
	}
}

// doneParts makes the ETags of parts that were never sealed.
func doneParts(t testing.TB, u *Upload, numbers []int, sizes []int64) []DonePart {
	t.Helper()
	list := make([]DonePart, len(sizes))
	for i, n := range sizes {
		number := i + 1
		if numbers != nil {
			number = numbers[i]
		}
		list[i] = DonePart{number, u.etag(PartETag{Number: number, PlainSize: n, Staged: staged(number, n), Backend: "e", salt: [16]byte(partSalt(number, 0))})}
	}
	return list
}

// TestETag: an ETag is good for its number of its upload, in one spelling, and equals the reference's.
func TestETag(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	u := testUpload(t, ring, where, XChaCha20Poly1305)
	other, err := NewUpload(ring, where, UploadOptions{BackendID: "backend-1", Created: uploadTime})
	if err != nil {
		t.Fatal(err)
	}
	s, err := u.NewPart(3, 6<<20)
	if err != nil {
		t.Fatal(err)
	}
	etag, err := s.ETag("0123456789abcdef-x", "")
	if err != nil {
		t.Fatal(err)
	}
	in := vectorInput(XChaCha20Poly1305, 512, 0)
	if want := refETag(in, counting(0xc0, 24), 3, s.salt[:], 6<<20, 0, "0123456789abcdef-x"); etag != want {
		t.Errorf("%s, want %s", etag, want)
	}
	got, err := u.VerifyETag(3, etag)
	if err != nil || got.Number != 3 || got.PlainSize != 6<<20 || got.Staged || got.Backend != "0123456789abcdef-x" || got.salt != s.salt || got.SealedSize() != s.SealedSize() {
		t.Errorf("%+v, %v", got, err)
	}
	f := func(what string, u *Upload, number int, etag string, want error) {
		t.Helper()
		if e, err := u.VerifyETag(number, etag); !errors.Is(err, want) || e != (PartETag{}) {
			t.Errorf("%s: %+v, %v", what, e, err)
		}
	}
	f("other upload", other, 3, etag, ErrPart)
	f("other number", u, 2, etag, ErrPart)
	f("number 0", u, 0, etag, ErrPartNumber)
	f("number 10001", u, 10001, etag, ErrPartNumber)
	f("upper case", u, 3, strings.ToUpper(etag), ErrPart)
	f("quoted", u, 3, `"`+etag+`"`, ErrPart)
	for i := range etag {
		bad := []byte(etag)
		bad[i] ^= 1
		f(fmt.Sprintf("character %d", i), u, 3, string(bad), ErrPart)
		f(fmt.Sprintf("cut at %d", i), u, 3, etag[:i], ErrPart)
	}
	// With the key: flags that do not follow from number and size, sizes that no part has.
	for _, c := range []struct {
		plain int64
		flags byte
	}{{6 << 20, 1}, {100, 0}, {6 << 20, 2}, {100, 3}, {MaxPartSize + 1, 0}, {-1, 0}, {-1 << 63, 1}} {
		f("hostile", u, 3, refETag(in, counting(0xc0, 24), 3, partSalt(3, 0), c.plain, c.flags, "e"), ErrPart)
	}
}

// TestPlanRefuses: each rule of S3's Complete, with the part that is to blame.
func TestPlanRefuses(t *testing.T) {
	u := testUpload(t, testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey), XChaCha20Poly1305)
	const m = MinPartSize
	legal := doneParts(t, u, []int{2, 5, 9}, []int64{m, m, 1})
	edit := func(change func(p []DonePart) []DonePart) []DonePart {
		return change(append([]DonePart(nil), legal...))
	}
	huge := make([]int64, 1100)
	for i := range huge {
		huge[i] = MaxPartSize
	}
	for name, c := range map[string]struct {
		list   []DonePart
		want   error
		number int
	}{
		"empty":          {nil, ErrPartList, 0},
		"10,001":         {make([]DonePart, 10001), ErrPartList, 0},
		"repeated":       {edit(func(p []DonePart) []DonePart { return append(p, p[2]) }), ErrPartOrder, 9},
		"descending":     {edit(func(p []DonePart) []DonePart { p[0], p[1] = p[1], p[0]; return p }), ErrPartOrder, 2},
		"number 0":       {edit(func(p []DonePart) []DonePart { p[0].Number = 0; return p }), ErrPartNumber, 0},
		"number 10001":   {edit(func(p []DonePart) []DonePart { p[2].Number = 10001; return p }), ErrPartNumber, 10001},
		"renumbered":     {edit(func(p []DonePart) []DonePart { p[1].Number = 6; return p }), ErrPart, 6},
		"ETags swapped":  {edit(func(p []DonePart) []DonePart { p[0].ETag, p[1].ETag = p[1].ETag, p[0].ETag; return p }), ErrPart, 2},
		"no ETag":        {edit(func(p []DonePart) []DonePart { p[2].ETag = ""; return p }), ErrPart, 9},
		"small middle":   {doneParts(t, u, nil, []int64{m, m - 1, m}), ErrPartTooSmall, 2},
		"small first":    {doneParts(t, u, nil, []int64{0, 0}), ErrPartTooSmall, 1},
		"order first":    {edit(func(p []DonePart) []DonePart { p[0].ETag = "x"; p[2].Number = 3; return p }), ErrPartOrder, 3},
		"above 5 TiB":    {doneParts(t, u, nil, huge), ErrTooLarge, 0},
		"number wrapped": {edit(func(p []DonePart) []DonePart { p[2].Number = 9 + 65536; return p }), ErrPartNumber, 9 + 65536},
	} {
		p, err := u.PlanComplete(c.list)
		var pe *PartError
		if p != nil || !errors.Is(err, c.want) || errors.As(err, &pe) && pe.Number != c.number || pe == nil && c.number != 0 {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if p, err := u.PlanComplete(legal); err != nil || p.Final != 9 || len(p.Parts) != 2 || p.Staged == nil || p.PlainSize() != 2*m+1 || p.Stream {
		t.Errorf("%+v, %v", p, err)
	}
	p, err := u.PlanComplete(legal[:2])
	if err != nil || p.Final != 6 || len(p.Parts) != 2 || p.Staged != nil {
		t.Fatalf("%+v, %v", p, err)
	}
	ring := testRing(t, vectorMaster())
	if b, err := p.SealEnd(ring, Meta{}, 1000); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	mustPanic(t, "stream of an object with a tail", func() { _, _ = p.StreamSealer(ring, Meta{}, 512) })
}

// TestPlanStream: an upload that ends below 5 MiB becomes a stream with the upload's OID. Two Completes of it share no key, so that another
// attempt of the part repeats no nonce.
func TestPlanStream(t *testing.T) {
	ring, where := testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey)
	u := testUpload(t, ring, where, AES256GCM)
	for _, size := range []int64{0, 1, MinPartSize - 1} {
		p, err := u.PlanComplete(doneParts(t, u, []int{17}, []int64{size}))
		if err != nil || !p.Stream || p.Final != 0 || len(p.Parts) != 0 || p.Staged == nil || p.PlainSize() != size {
			t.Fatalf("%+v, %v", p, err)
		}
		a, errA := p.StreamSealer(ring, Meta{}, 512)
		b, errB := p.StreamSealer(ring, Meta{}, 512)
		if errA != nil || errB != nil || a.body.base == b.body.base {
			t.Fatal("two streams of one upload share a key")
		}
		h, err := ParseHeader(a.Block())
		if err != nil || h.Class != ClassStream || h.OID != u.OID() || h.Suite != AES256GCM || a.PlainSize() != size {
			t.Errorf("%+v, %v", h, err)
		}
		if _, err := OpenBlock(ring, where, a.Block(), a.SealedSize()); err != nil {
			t.Error(err)
		}
		mustPanic(t, "end of a stream", func() { _, _ = p.SealEnd(ring, Meta{}, 512) })
	}
}

// TestLawHasRoom proves the size law on its worst cases: for every number of parts the shortest objects, with the most segments that parts can
// waste, and random legal sets; table and filler always fit, exactly.
func TestLawHasRoom(t *testing.T) {
	least := int64(1 << 62)
	check := func(sizes func(i int) int64, n int) {
		t.Helper()
		var plain, sealed int64
		for i := range n {
			plain += sizes(i)
			sealed += partSize(sizes(i))
		}
		if plain > MaxPlainSize {
			return
		}
		table := tablePlace{parts: n}.size()
		filler := SealedSize(512, plain) - 512 - sealed - table
		least = min(least, filler)
		if filler < 0 {
			t.Fatalf("%d parts, %d bytes: filler of %d", n, plain, filler)
		}
		// What EndSpan promises.
		if off, length, ok := EndSpan(512, SealedSize(512, plain)); !ok || off > sealed || off+length != SealedSize(512, plain) {
			t.Fatalf("%d parts: the table begins at %d, before %d", n, sealed, off)
		}
	}
	step := 1
	if testing.Short() {
		step = 97
	}
	for n := 1; n <= MaxParts; n += step {
		for _, last := range []int64{0, 1, 65537} {
			if n == 1 {
				last += MinPartSize
			}
			end := func(i int) bool { return i == n-1 }
			check(func(i int) int64 {
				if end(i) {
					return last
				}
				return MinPartSize
			}, n)
			if n%7 == 0 || n > MaxParts-3 || n < 20 {
				check(func(i int) int64 {
					if end(i) {
						return last
					}
					return MinPartSize + 1
				}, n)
			}
		}
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		n, spread := 1+r.IntN(1<<r.IntN(13)), int64(1)<<r.IntN(33)
		sizes := make([]int64, n)
		for i := range sizes {
			sizes[i] = min(MinPartSize+r.Int64N(spread), MaxPartSize)
		}
		if n > 1 {
			sizes[n-1] = r.Int64N(spread)
		}
		check(func(i int) int64 { return sizes[i] }, n)
	}
	if least != 512-2*54-16*2-64-16+16 {
		t.Errorf("the tightest object has a filler of %d", least)
	}
}

// TestFinalPartFitsTheBackend: number 10,000 of the largest size, with the end of the object behind it, is still a part that S3 takes.
func TestFinalPartFitsTheBackend(t *testing.T) {
	u := testUpload(t, testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey), XChaCha20Poly1305)
	sizes := make([]int64, MaxParts)
	for i := range sizes {
		sizes[i] = MinPartSize
	}
	for _, first := range []int64{MinPartSize, 40 * MinPartSize} {
		sizes[0], sizes[MaxParts-1] = first, MaxPartSize
		p, err := u.PlanComplete(doneParts(t, u, nil, sizes))
		if err != nil || p.Final != MaxParts {
			t.Fatal(err)
		}
		for _, L := range blockSizes {
			if size := p.Staged.SealedSize() + p.EndSize(L); size > maxBackendPart {
				t.Errorf("final part of %d bytes", size)
			}
		}
		if p.EndSize(4096) > 5_500_000 {
			t.Errorf("end of %d bytes", p.EndSize(4096))
		}
	}
}

// TestMadeIsOfTheSameAttempts: a plan made an object only of its own parts, sizes and attempts.
func TestMadeIsOfTheSameAttempts(t *testing.T) {
	u := testUpload(t, testRing(t, vectorMaster()), testContext(t, vectorBucket(), vectorKey), XChaCha20Poly1305)
	p, err := u.PlanComplete(doneParts(t, u, nil, []int64{MinPartSize, MinPartSize, 7}))
	if err != nil {
		t.Fatal(err)
	}
	of := func(change func(*Multipart)) *Multipart {
		m := &Multipart{}
		for _, e := range p.table {
			m.parts, m.salts = append(m.parts, Part{Number: int(e.number), PlainSize: e.plain}), append(m.salts, e.salt)
		}
		change(m)
		return m
	}
	if !p.Made(of(func(*Multipart) {})) {
		t.Error("its own object")
	}
	for name, change := range map[string]func(*Multipart){
		"another attempt": func(m *Multipart) { m.salts[2][15] ^= 1 },
		"another size":    func(m *Multipart) { m.parts[1].PlainSize++ },
		"another number":  func(m *Multipart) { m.parts[2].Number++ },
		"fewer parts":     func(m *Multipart) { m.parts, m.salts = m.parts[:2], m.salts[:2] },
	} {
		if p.Made(of(change)) {
			t.Error(name)
		}
	}
}

// TestCheckTailMeta: what it accepts, SealEnd accepts, to the byte.
func TestCheckTailMeta(t *testing.T) {
	ring := testRing(t, vectorMaster())
	u := testUpload(t, ring, testContext(t, vectorBucket(), vectorKey), XChaCha20Poly1305)
	p, err := u.PlanComplete(doneParts(t, u, nil, []int64{MinPartSize}))
	if err != nil {
		t.Fatal(err)
	}
	for n := 300; n < 340; n++ {
		meta := Meta{ContentType: strings.Repeat("t", n)}
		check, end := CheckTailMeta(meta, 512), error(nil)
		_, end = p.SealEnd(ring, meta, 512)
		if (check == nil) != (n <= 512-150-11-3-29) || (check == nil) != (end == nil) || check != nil && !errors.Is(check, ErrMetadataTooLarge) {
			t.Errorf("%d bytes: %v, %v", n, check, end)
		}
	}
	if err := CheckTailMeta(Meta{ContentType: "\n"}, 512); !errors.Is(err, ErrMetadataInvalid) {
		t.Error(err)
	}
}

// TestTableRoundTrip: 10,000 parts of every legal kind encode and decode to the byte.
func TestTableRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{1, 2, 2048, 2049, MaxParts} {
		entries := make([]tableEntry, n)
		for i := range entries {
			entries[i] = tableEntry{uint16(i + 1), MinPartSize + r.Int64N(1<<20), [16]byte(partSalt(i, 0))}
		}
		entries[n-1].plain = r.Int64N(1 << 20)
		b := encodeTable(entries)
		got, err := decodeTable(b)
		if err != nil || !bytes.Equal(encodeTable(got), b) || len(b) != 32*n {
			t.Errorf("%d parts: %v", n, err)
		}
	}
}
