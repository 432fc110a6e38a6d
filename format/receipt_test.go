package format

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"path"
	"strings"
	"testing"
)

// summedVector is an upload with a checksum: its token, ETags with notes, and receipts. What is "refused" must be refused as ErrUpload and ErrPart.
type summedVector struct {
	Name      string       `json:"name"`
	Master    string       `json:"master"`
	BucketID  string       `json:"bucket_id"`
	Key       string       `json:"key"`
	Suite     string       `json:"suite"`
	OID       string       `json:"oid"`
	OEK       string       `json:"oek"`
	TokenSalt string       `json:"token_salt"`
	Created   int64        `json:"created_ms"`
	Checksum  string       `json:"checksum"`
	BackendID string       `json:"backend_id"`
	Token     string       `json:"token"`
	Parts     []notedPart  `json:"parts"`
	Refused   []string     `json:"refused_tokens"`
	NoETags   []etagVector `json:"refused_etags"`
	NoNames   []string     `json:"refused_receipts"`
}

type notedPart struct {
	Number   int    `json:"number"`
	PlainLen int64  `json:"plain_len"`
	Salt     string `json:"salt"`
	Note     string `json:"note"`
	Backend  string `json:"backend_etag"`
	ETag     string `json:"etag"`
	Receipt  string `json:"receipt"`
}

func summedVectors() (out []summedVector) {
	for i, checksum := range []uint16{0x0102, 0x0301, 0xffff} {
		suite := Suite(1 + i%2)
		in, salt := vectorInput(suite, 512, 0), counting(0xd0+byte(i), 24)
		ms, id := uint64(1767225600456)+uint64(i), []string{"backend-1", "b", strings.Repeat("i", MaxBackendID)}[i]
		v := summedVector{Name: "upload/checksums/" + suite.String() + "/" + hex.EncodeToString(salt[:1]), Master: hex.EncodeToString(in.master),
			BucketID: hex.EncodeToString(in.bucket), Key: in.key, Suite: suite.String(), OID: hex.EncodeToString(in.oid), OEK: hex.EncodeToString(in.oek),
			TokenSalt: hex.EncodeToString(salt), Created: int64(ms), Checksum: hex.EncodeToString(refCat(checksum)), BackendID: id,
			Token: refSummedToken(in, salt, ms, checksum, id)}
		add := func(number int, plain int64, flags byte, note, backend string) {
			ps := partSalt(number, 0)
			etag := refETag(in, salt, number, ps, plain, flags, backend)
			if note != "" {
				etag = refNotedETag(in, salt, number, ps, plain, flags|2, note, backend)
			}
			v.Parts = append(v.Parts, notedPart{number, plain, hex.EncodeToString(ps), hex.EncodeToString([]byte(note)), backend, etag, refReceipt(in, number, etag)})
		}
		add(1, 5<<20, 0, "\x01\x01\x02\x03\x04", "0123456789abcdef0123456789abcdef")
		add(2, 5<<20-1, 1, "\x00", "x")
		add(3, 0, 1, strings.Repeat("\xff", MaxPartNote), strings.Repeat("e", MaxBackendETag))
		add(9999, MaxPartSize, 0, "", "no-note")
		add(10000, MaxPartSize, 1, "n", "y-1")
		v.Refused = []string{
			refSummedToken(in, salt, ms, 0, id), refSummedToken(in, salt, ms, checksum, ""), refSummedToken(in, salt, 1<<47, checksum, id),
			"Ag" + v.Token[2:], refToken(in, salt, refSecret(in, ms, id))[:10] + v.Token[10:],
		}
		no := func(number int, etag string) { v.NoETags = append(v.NoETags, etagVector{Number: number, ETag: etag}) }
		first := v.Parts[0].ETag
		no(2, first)
		no(1, first[:50]+"04"+first[52:])                                                                   // length of the note
		no(1, refNotedETag(in, salt, 1, partSalt(1, 0), 5<<20, 2, "", "x"))                                 // empty note
		no(1, refNotedETag(in, salt, 1, partSalt(1, 0), 5<<20, 0, "n", "x"))                                // note without its flag
		no(1, refNotedETag(in, salt, 1, partSalt(1, 0), 5<<20, 6, "n", "x"))                                // unknown flag
		no(1, refNotedETag(in, salt, 1, partSalt(1, 0), 5<<20, 3, "n", "x"))                                // staged
		no(1, refNotedETag(in, salt, 1, partSalt(1, 0), 5<<20, 2, strings.Repeat("n", MaxPartNote+1), "x")) // long
		receipt := v.Parts[0].Receipt
		v.NoNames = []string{
			strings.Replace(receipt, "part-00001", "part-00002", 1), strings.Replace(receipt, "part-00001", "part-1", 1), strings.Replace(receipt, "part-00001", "part-10001", 1),
			receipt[:len(receipt)-1], receipt + "A", receipt + "=", receipt[:70] + "\n" + receipt[70:], strings.Replace(receipt, "/mpu/0", "/mpu/1", 1), v.Parts[0].ETag,
			refReceipt(in, 1, refNotedETag(in, salt, 1, partSalt(1, 0), 5<<20, 2, "", "x")), refReceipt(in, 1, refNotedETag(in, salt, 1, partSalt(1, 0), 5<<20, 3, "n", "x")),
			refReceipt(in, 1, refETag(in, salt, 1, partSalt(1, 0), MaxPartSize+1, 0, "x")), refReceipt(otherInput(suite, 512, 0), 1, first),
		}
		out = append(out, v)
	}
	return out
}

// openSummed opens the upload of a vector.
func openSummed(t testing.TB, v summedVector) (*Keyring, Context, *Upload) {
	t.Helper()
	ring, where := testRing(t, unhex(v.Master)), testContext(t, BucketID(unhex(v.BucketID)), v.Key)
	u, err := OpenUpload(ring, where, v.Token)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return ring, where, u
}

// TestSummedUploadVectors opens every token, ETag and receipt of the vectors, makes the same ones, and refuses the bad ones.
func TestSummedUploadVectors(t *testing.T) {
	for _, v := range summedVectors() {
		ring, where, u := openSummed(t, v)
		if c := u.Checksum(); hex.EncodeToString(c[:]) != v.Checksum || u.BackendID() != v.BackendID || u.Created().UnixMilli() != v.Created {
			t.Errorf("%s: %v", v.Name, u)
		}
		again, err := newUpload(ring, where, UploadOptions{Suite: u.suite, BackendID: v.BackendID, Created: u.created, Checksum: u.Checksum()}, &entropy{oek: u.oek, oid: u.oid}, [24]byte(unhex(v.TokenSalt)))
		if err != nil || again.Token() != v.Token || len(v.Token) > MaxTokenSize {
			t.Errorf("%s: another token, %v", v.Name, err)
		}
		for _, p := range v.Parts {
			s, err := u.newPart(p.Number, p.PlainLen, [16]byte(unhex(p.Salt)))
			if err != nil {
				t.Fatal(err)
			}
			note := string(unhex(p.Note))
			if etag, err := s.ETag(p.Backend, note); err != nil || etag != p.ETag {
				t.Errorf("%s: ETag %s, %v; want %s", v.Name, etag, err, p.ETag)
			}
			if e, err := u.VerifyETag(p.Number, p.ETag); err != nil || e.PlainSize != p.PlainLen || e.Staged != s.Staged() || e.Note != note || e.Backend != p.Backend {
				t.Errorf("%s: %+v, %v", v.Name, e, err)
			}
			if key, err := u.ReceiptKey(p.Number, p.ETag); err != nil || key != p.Receipt {
				t.Errorf("%s: receipt %s, %v; want %s", v.Name, key, err, p.Receipt)
			}
			r, err := u.OpenReceipt(p.Receipt)
			if err != nil || r.Number() != p.Number {
				t.Fatalf("%s: %v, %v", v.Name, r, err)
			}
			if etag, said, ok := r.ETag(p.Backend); !ok || etag != p.ETag || said.Note != note || said.PlainSize != p.PlainLen {
				t.Errorf("%s: %s, %+v, %v", v.Name, etag, said, ok)
			}
			for _, other := range []string{p.Backend + "0", "other", ""} {
				if etag, _, ok := r.ETag(other); ok {
					t.Errorf("%s: the receipt is good for %q: %s", v.Name, other, etag)
				}
			}
		}
		for i, token := range v.Refused {
			if opensUpload(ring, where, token) {
				t.Errorf("%s: refused token %d opens", v.Name, i)
			}
		}
		for i, p := range v.NoETags {
			if e, err := u.VerifyETag(p.Number, p.ETag); !errors.Is(err, ErrPart) {
				t.Errorf("%s: refused ETag %d: %+v, %v", v.Name, i, e, err)
			}
		}
		for i, key := range v.NoNames {
			if r, err := u.OpenReceipt(key); !errors.Is(err, ErrPart) {
				t.Errorf("%s: refused receipt %d: %v, %v", v.Name, i, r, err)
			}
		}
	}
}

// TestReceiptOfEveryByte: no receipt with any other character opens, and none of another upload.
func TestReceiptOfEveryByte(t *testing.T) {
	v := summedVectors()[0]
	ring, where, u := openSummed(t, v)
	receipt := v.Parts[0].Receipt
	for i := range receipt {
		bad := []byte(receipt)
		bad[i] ^= 1
		if _, err := u.OpenReceipt(string(bad)); !errors.Is(err, ErrPart) {
			t.Errorf("character %d: %v", i, err)
		}
		if _, err := u.OpenReceipt(receipt[:i]); !errors.Is(err, ErrPart) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	other, err := NewUpload(ring, where, UploadOptions{BackendID: "b", Created: uploadTime})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.OpenReceipt(strings.Replace(receipt, u.StagingPrefix(), other.StagingPrefix(), 1)); !errors.Is(err, ErrPart) {
		t.Errorf("another upload: %v", err)
	}
	if _, err := other.ReceiptKey(1, v.Parts[0].ETag); !errors.Is(err, ErrPart) {
		t.Errorf("another upload's ETag: %v", err)
	}
}

// TestReceiptTellsNoNote: the bytes of a note, which may be a plain checksum, are not in the name.
func TestReceiptTellsNoNote(t *testing.T) {
	_, _, u := openSummed(t, summedVectors()[0])
	s, err := u.NewPart(1, 5<<20)
	if err != nil {
		t.Fatal(err)
	}
	note := "a digest of the plain part 0123456789"
	etag, err := s.ETag("b", note)
	if err != nil {
		t.Fatal(err)
	}
	key, err := u.ReceiptKey(1, etag)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(path.Base(key)[len("part-00001-"):])
	if err != nil || strings.Contains(string(raw), note[:8]) {
		t.Errorf("%x, %v", raw, err)
	}
}

// TestReceiptFitsAFileName: some backends keep objects as files.
func TestReceiptFitsAFileName(t *testing.T) {
	_, _, u := openSummed(t, summedVectors()[0])
	s, err := u.NewPart(10000, MaxPartSize)
	if err != nil {
		t.Fatal(err)
	}
	etag, err := s.ETag(strings.Repeat("e", MaxBackendETag), strings.Repeat("n", MaxPartNote))
	if err != nil {
		t.Fatal(err)
	}
	key, err := u.ReceiptKey(10000, etag)
	if name := path.Base(key); err != nil || len(name) > 255 || len(key) > MaxKeySize {
		t.Errorf("%d characters, %v", len(name), err)
	}
	if _, err := s.ETag("b", strings.Repeat("n", MaxPartNote+1)); err == nil {
		t.Error("a longer note is accepted")
	}
}

// TestReceiptsAreInOrder: names sort as numbers do, and ReceiptsAfter lies between.
func TestReceiptsAreInOrder(t *testing.T) {
	_, _, u := openSummed(t, summedVectors()[0])
	last := u.ReceiptsAfter(0)
	if !(u.CreateKey() < u.LastKey(1) && u.LastKey(10000) < u.ReceiptPrefix()) {
		t.Error("receipts are not the last of what is staged")
	}
	for _, n := range []int{1, 2, 9, 10, 99, 100, 9999, 10000} {
		s, err := u.NewPart(n, 1)
		if err != nil {
			t.Fatal(err)
		}
		etag, _ := s.ETag("b", "")
		key, err := u.ReceiptKey(n, etag)
		if err != nil || key <= last || key >= u.ReceiptsAfter(n) {
			t.Errorf("part %d: %s does not lie between %s and %s, %v", n, key, last, u.ReceiptsAfter(n), err)
		}
		last = u.ReceiptsAfter(n)
	}
}

func FuzzReceipt(f *testing.F) {
	v := summedVectors()[0]
	_, _, u := openSummed(f, v)
	genuine := map[string]bool{}
	for _, p := range v.Parts {
		genuine[p.Receipt] = true
		f.Add(p.Receipt, p.Backend)
	}
	for _, key := range v.NoNames {
		f.Add(key, "x")
	}
	f.Fuzz(func(t *testing.T, key, backend string) {
		r, err := u.OpenReceipt(key)
		if (err == nil) != genuine[key] || err != nil && !errors.Is(err, ErrPart) {
			t.Fatalf("%q: %v", key, err)
		}
		if err != nil {
			return
		}
		if etag, _, ok := r.ETag(backend); ok {
			if again, err := u.ReceiptKey(r.Number(), etag); err != nil || again != key {
				t.Fatalf("%q: %s, %v", key, again, err)
			}
		}
	})
}
