package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// The oracle for multipart objects: SPEC.md section 12, line by line, sharing no code with the package.

type refPart struct {
	number int
	plain  int
	salt   []byte
	seed   int // offset into the plain bytes 7·i that the part's content begins at
}

type refMultipart struct {
	refInput
	tableSalt []byte
	parts     []refPart
	table     []byte // overrides the plain table
	place     []byte // overrides entry 20, header of the entry included
	more      int    // bytes of filler too many
}

func refSegmentRun(suite byte, prk, info, plain []byte) (out []byte) {
	n := 24
	if suite == 2 {
		n = 12
	}
	okm := refExpand(prk, info, 32+n)
	aead, _ := refAEAD(suite, okm[:32])
	for i := uint64(0); ; i++ {
		take, last := plain, byte(1)
		if len(plain) > 65536 {
			take, last = plain[:65536], 0
		}
		plain = plain[len(take):]
		nonce := refCat(make([]byte, n-9), last, i)
		for j := range nonce {
			nonce[j] ^= okm[32+j]
		}
		out = append(out, aead.Seal(nil, nonce, take, nil)...)
		if last == 1 {
			return out
		}
	}
}

func (in refMultipart) prk() []byte { return refExtract(in.oid, in.oek) }

// refContent is what a part of the vectors holds: the object's plain bytes are 7·i from its first byte.
func refContent(from, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(7 * (from + i))
	}
	return b
}

func (in refMultipart) sealPart(p refPart) []byte {
	head := refCat("SCPX", uint16(2), byte(1), in.suite, byte(16), byte(0), make([]byte, 8), in.oid, p.salt, uint32(0))
	info := refCat("s3-crypt-proxy/v2/part", byte(0), in.suite, byte(16), uint32(p.number), p.salt)
	return append(head, refSegmentRun(in.suite, in.prk(), info, refContent(p.seed, p.plain))...)
}

func (in refMultipart) size() (plain, sealed int64) {
	for _, p := range in.parts {
		plain += int64(p.plain)
		sealed += 54 + int64(p.plain) + 16*max(1, (int64(p.plain)+65535)/65536)
	}
	return plain, sealed
}

// end is table, filler, tail.
func (in refMultipart) end() []byte {
	plain, sealed := in.size()
	table := in.table
	if table == nil {
		for _, p := range in.parts {
			table = append(table, refCat(uint16(p.number), uint16(0), uint64(p.plain), uint32(0), p.salt)...)
		}
	}
	out := refSegmentRun(in.suite, in.prk(), refCat("s3-crypt-proxy/v2/part-table", byte(0), in.suite, byte(16), uint32(len(table)/32), in.tableSalt), table)
	filler := refSealedSize(in.L, plain) - int64(in.L) - sealed - int64(len(out)) + int64(in.more)
	out = append(out, make([]byte, filler)...)
	tail := in.refInput
	place := in.place
	if place == nil {
		place = refCat(byte(20), uint16(26), uint16(len(in.parts)), uint64(sealed), in.tableSalt)
	}
	tail.tlv = append(refTLV(int(plain), refString(3, vectorType)), place...)
	if in.head == nil {
		tail.head = refCat("SCPX", uint16(2), byte(2), in.suite, byte(16), byte(0), refMaster(in.master, "key-id", 8), in.oid, in.salt, uint32(in.L-54))
	}
	return append(out, refBlock(tail)...)
}

func (in refMultipart) seal() (out []byte) {
	for _, p := range in.parts {
		out = append(out, in.sealPart(p)...)
	}
	return append(out, in.end()...)
}

func (in refMultipart) content() (out []byte) {
	for _, p := range in.parts {
		out = append(out, refContent(p.seed, p.plain)...)
	}
	return out
}

// multipartInput makes an upload of parts of the given sizes, with the given numbers (nil = 1, 2, …).
func multipartInput(suite Suite, L int, numbers, sizes []int) refMultipart {
	in := refMultipart{refInput: vectorInput(suite, L, 0), tableSalt: counting(0x70, 16)}
	at := 0
	for i, n := range sizes {
		number := i + 1
		if numbers != nil {
			number = numbers[i]
		}
		in.parts = append(in.parts, refPart{number, n, partSalt(number, 0), at})
		at += n
	}
	return in
}

// partSalt is the salt of an attempt of a part in the vectors.
func partSalt(number, attempt int) []byte {
	return binary.BigEndian.AppendUint32(append(counting(0x80, 11), byte(attempt)), uint32(number))
}

// multipartVector is one multipart object that must open. Parts are runs: Count parts with ascending numbers; the last four bytes of each salt
// count up with them.
type multipartVector struct {
	Name         string        `json:"name"`
	Master       string        `json:"master"`
	BucketID     string        `json:"bucket_id"`
	Key          string        `json:"key"`
	Suite        string        `json:"suite"`
	BlockLen     int           `json:"block_len"`
	OID          string        `json:"oid"`
	Salt         string        `json:"salt"`
	OEK          string        `json:"oek"`
	TableSalt    string        `json:"table_salt"`
	Metadata     string        `json:"metadata"` // without entry 20
	Parts        []partsVector `json:"parts"`
	PlainLen     int64         `json:"plain_len"`
	StoredLen    int64         `json:"stored_len"`
	StoredSHA256 string        `json:"stored_sha256,omitempty"` // absent where only the end is given
	EndSHA256    string        `json:"end_sha256"`

	in refMultipart
}

type partsVector struct {
	Number   int    `json:"number"`
	Count    int    `json:"count"`
	PlainLen int    `json:"plain_len"`
	Salt     string `json:"salt"`
}

const unitPlain = 5 << 20

// multipartVectors: every shape that a list of parts can have. The one of 10,000 parts is 52 GB, so only its end is sealed.
var multipartVectors = sync.OnceValue(func() (out []multipartVector) {
	add := func(name string, in refMultipart) {
		v := multipartVector{Name: "multipart/" + name, Master: hex.EncodeToString(in.master), BucketID: hex.EncodeToString(in.bucket), Key: in.key,
			Suite: Suite(in.suite).String(), BlockLen: in.L, OID: hex.EncodeToString(in.oid), Salt: hex.EncodeToString(in.salt),
			OEK: hex.EncodeToString(in.oek), TableSalt: hex.EncodeToString(in.tableSalt), in: in}
		plain, sealed := in.size()
		v.Metadata = hex.EncodeToString(refTLV(int(plain), refString(3, vectorType)))
		for _, p := range in.parts {
			if n := len(v.Parts); n > 0 && v.Parts[n-1].PlainLen == p.plain && v.Parts[n-1].Number+v.Parts[n-1].Count == p.number && len(in.parts) > 100 {
				v.Parts[n-1].Count++
				continue
			}
			v.Parts = append(v.Parts, partsVector{p.number, 1, p.plain, hex.EncodeToString(p.salt)})
		}
		end := in.end()
		sum := sha256.Sum256(end)
		v.PlainLen, v.StoredLen, v.EndSHA256 = plain, sealed+int64(len(end)), hex.EncodeToString(sum[:])
		if len(in.parts) < 100 {
			sum = sha256.Sum256(in.seal())
			v.StoredSHA256 = hex.EncodeToString(sum[:])
		}
		out = append(out, v)
	}
	const x, g, u = XChaCha20Poly1305, AES256GCM, unitPlain
	add("two", multipartInput(x, 512, nil, []int{u, 1}))
	add("two-aes", multipartInput(g, 1024, nil, []int{u, 1}))
	add("empty-last", multipartInput(x, 512, nil, []int{u, 0}))
	add("one", multipartInput(g, 512, nil, []int{u}))
	add("one-of-number-10000", multipartInput(x, 4096, []int{10000}, []int{u + 7}))
	add("uneven-with-gaps", multipartInput(g, 2048, []int{3, 7, 4000, 9999}, []int{u + 65535, u, u + 1, u + 131072}))
	add("three", multipartInput(x, 512, nil, []int{u, u, 100}))
	again := multipartInput(x, 512, nil, []int{u, 1}) // the same upload, part 1 sent again with other content and completed again
	again.parts[0].salt, again.parts[0].seed, again.tableSalt, again.salt = partSalt(1, 1), 100, counting(0x71, 16), counting(0x11, 16)
	add("two-again", again)
	other := multipartInput(x, 512, nil, []int{u, 1}) // another upload for the same place
	other.oid, other.oek, other.salt = counting(0x40, 16), counting(0x60, 32), counting(0x50, 16)
	add("two-of-another", other)
	elsewhere := multipartInput(x, 512, nil, []int{u, 1})
	elsewhere.key = "elsewhere"
	add("two-elsewhere", elsewhere)

	sizes := make([]int, 10000)
	for i := range sizes {
		sizes[i] = u
	}
	sizes[9999] = 12345
	add("ten-thousand", multipartInput(g, 1024, nil, sizes))
	for i := range sizes[:5000] {
		sizes[i] = u + 1
	}
	sizes[9999] = 0
	add("ten-thousand-uneven", multipartInput(x, 512, nil, sizes))
	return out
})

// multipartSources are the stored bytes of those vectors that are small enough.
var multipartSources = sync.OnceValue(func() map[string][]byte {
	out := map[string][]byte{}
	for _, v := range multipartVectors() {
		if v.StoredSHA256 != "" {
			out[v.Name] = v.in.seal()
		}
	}
	return out
})

// refUploadKeys are TK, TN and EK of section 12.2.
func refUploadKeys(master, salt, ctx []byte) (tk, tn, ek []byte) {
	t := refExpand(refMaster(master, "upload-token", 32), refCat("s3-crypt-proxy/v2/upload-token", byte(0), salt, ctx), 56)
	return t[:32], t[32:], refExpand(refMaster(master, "part-etag", 32), refCat("s3-crypt-proxy/v2/part-etag", byte(0), salt, ctx), 32)
}

func refToken(in refInput, salt []byte, secret []byte) string {
	ctx := refCat(in.bucket, uint16(len(in.key)), in.key)
	tk, tn, _ := refUploadKeys(in.master, salt, ctx)
	head := refCat(byte(2), refMaster(in.master, "key-id", 8), salt)
	aead, _ := refAEAD(1, tk)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(bytes.Clone(head), tn, secret, head))
}

func refSecret(in refInput, ms uint64, id string) []byte {
	return refCat(in.oek, in.oid, in.suite, ms, id)
}

func refETag(in refInput, salt []byte, number int, partSalt []byte, plain int64, flags byte, backend string) string {
	_, _, ek := refUploadKeys(in.master, salt, refCat(in.bucket, uint16(len(in.key)), in.key))
	mac := refHMAC(ek, refCat(in.oid, uint32(number), partSalt, uint64(plain), flags, backend))[:16]
	return hex.EncodeToString(refCat(partSalt, uint64(plain), flags, mac)) + "." + backend
}

// refSummedToken is a token of version 3: refSecret with checksum, u16, between time and backend id.
func refSummedToken(in refInput, salt []byte, ms uint64, checksum uint16, id string) string {
	ctx := refCat(in.bucket, uint16(len(in.key)), in.key)
	tk, tn, _ := refUploadKeys(in.master, salt, ctx)
	head := refCat(byte(3), refMaster(in.master, "key-id", 8), salt)
	aead, _ := refAEAD(1, tk)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(bytes.Clone(head), tn, refCat(in.oek, in.oid, in.suite, ms, checksum, id), head))
}

// refNotedETag is an ETag with a note.
func refNotedETag(in refInput, salt []byte, number int, partSalt []byte, plain int64, flags byte, note, backend string) string {
	_, _, ek := refUploadKeys(in.master, salt, refCat(in.bucket, uint16(len(in.key)), in.key))
	facts := refCat(partSalt, uint64(plain), flags, byte(len(note)), note)
	mac := refHMAC(ek, refCat(in.oid, uint32(number), facts, backend))[:16]
	return hex.EncodeToString(refCat(facts, mac)) + "." + backend
}

// refReceipt is the name of a receipt for an ETag, whose digits hold all that is in it.
func refReceipt(in refInput, number int, etag string) string {
	digits, _, _ := strings.Cut(etag, ".")
	b := unhex(digits)
	salt, facts, mac := b[:16], b[16:len(b)-16], b[len(b)-16:]
	okm := refExpand(refExtract(in.oid, in.oek), refCat("s3-crypt-proxy/v2/part-receipt", byte(0), uint32(number), salt, mac), 56)
	aead, _ := refAEAD(1, okm[:32])
	sealed := aead.Seal(refCat(salt, mac), okm[32:], facts, nil)
	return fmt.Sprintf("_objcryptproxy___/mpu/%x/part-%05d-%s", in.oid, number, base64.RawURLEncoding.EncodeToString(sealed))
}
