package format

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"
)

// stateVector is a bucket state that must open to exactly its document.
type stateVector struct {
	vector
	Document string `json:"document"`
}

const stateHead = `{"version":2,"created_at":"2026-01-01T00:00:00.123Z","bucket_id":"oKGio6SlpqeoqaqrrK2urw==","names":["backups"],"keys":{`
const stateTail = `},"settings":{"block_len":1024,"segment":65536,"name_encryption":false,"padding":false}}`

func stateKeyEntry(master []byte) string {
	return `"` + hex.EncodeToString(refMaster(master, "key-id", 8)) + `":"` + base64.StdEncoding.EncodeToString(refMaster(master, "key-verification", 32)) + `"`
}

// stateInput seals doc as a bucket state.
func stateInput(doc string) refInput {
	in := vectorInput(XChaCha20Poly1305, 512, 0)
	in.bucket, in.key, in.plain = make([]byte, 16), "_objcryptproxy___.json", []byte(doc)
	in.tlv = refTLV(len(doc), byte(2), uint16(8), uint64(1767225600123), refString(3, "application/json"))
	return in
}

func stateVectors() (out []stateVector) {
	add := func(name, doc string) { out = append(out, stateVector{stateInput(doc).vector(name), doc}) }
	one := stateKeyEntry(vectorMaster())
	add("state/one-key", stateHead+one+stateTail)
	second := stateKeyEntry(bytes.Repeat([]byte{0x43}, 32))
	if second < one {
		one, second = second, one
	}
	add("state/two-keys", stateHead+one+","+second+stateTail)
	add("state/two-names-4096", strings.NewReplacer(`["backups"]`, `["Backups_2019","backups"]`, `1024`, `4096`).Replace(stateHead+stateKeyEntry(vectorMaster())+stateTail))
	add("state/padding", strings.Replace(stateHead+stateKeyEntry(vectorMaster())+stateTail, `"padding":false`, `"padding":true`, 1))
	add("state/names", strings.NewReplacer(`"name_encryption":false`, `"name_encryption":true`, `false}}`, `false},`+stateNameKey+`}`).Replace(stateHead+stateKeyEntry(vectorMaster())+stateTail))
	return out
}

// stateNameKey is the name key 60 … 7f; its base64 ends in "8=".
var stateNameKey = `"name_key":"` + base64.StdEncoding.EncodeToString(counting(0x60, 32)) + `"`

func stateNegatives() (out []negative) {
	masters := []string{hex.EncodeToString(vectorMaster())}
	put := func(n negative, stored []byte) {
		sum := sha256.Sum256(stored)
		n.stored, n.StoredLen, n.StoredSHA256, n.StoredHex = stored, len(stored), hex.EncodeToString(sum[:]), hex.EncodeToString(stored)
		if n.Masters == nil {
			n.Masters = masters
		}
		n.BlockLen = 512
		out = append(out, n)
	}
	key := stateKeyEntry(vectorMaster())
	good := stateHead + key + stateTail
	doc := func(name, want, doc string) {
		put(negative{Name: "state/" + name, Error: want}, refSeal(stateInput(doc)))
	}
	swap := func(name, want, old, with string) {
		if strings.Count(good, old) != 1 {
			panic(name)
		}
		doc(name, want, strings.Replace(good, old, with, 1))
	}
	swap("version-1", "ErrVersion", `"version":2`, `"version":1`)
	swap("version-3", "ErrVersion", `"version":2`, `"version":3`)
	swap("version-missing", "ErrIntegrity", `"version":2,`, ``)
	swap("version-text", "ErrIntegrity", `"version":2`, `"version":"2"`)
	swap("version-twice", "ErrIntegrity", `"version":2`, `"version":2,"version":2`)
	swap("field-unknown", "ErrIntegrity", `"settings"`, `"more":1,"settings"`)
	swap("field-case", "ErrIntegrity", `"names"`, `"Names"`)
	swap("field-twice", "ErrIntegrity", `"names":["backups"]`, `"names":["other"],"names":["backups"]`)
	swap("field-missing", "ErrIntegrity", `,"padding":false`, ``)
	swap("field-order", "ErrIntegrity", `"name_encryption":false,"padding":false`, `"padding":false,"name_encryption":false`)
	swap("space", "ErrIntegrity", `"version":2`, `"version": 2`)
	doc("trailing-newline", "ErrIntegrity", good+"\n")
	doc("two-documents", "ErrIntegrity", good+good)
	doc("cut", "ErrIntegrity", good[:len(good)-1])
	doc("empty", "ErrIntegrity", "")
	doc("array", "ErrIntegrity", "[]")
	doc("null", "ErrIntegrity", "null")
	swap("time-with-offset", "ErrIntegrity", `00:00:00.123Z`, `01:00:00.123+01:00`)
	swap("time-without-milliseconds", "ErrIntegrity", `00:00:00.123Z`, `00:00:00Z`)
	swap("time-before-1970", "ErrIntegrity", `2026-01-01`, `1969-01-01`)
	swap("bucket-id-zero", "ErrIntegrity", `oKGio6SlpqeoqaqrrK2urw==`, `AAAAAAAAAAAAAAAAAAAAAA==`)
	swap("bucket-id-short", "ErrIntegrity", `oKGio6SlpqeoqaqrrK2urw==`, `oKGio6SlpqeoqaqrrK2u`)
	swap("bucket-id-spare-bits", "ErrIntegrity", `oKGio6SlpqeoqaqrrK2urw==`, `oKGio6SlpqeoqaqrrK2urx==`)
	swap("names-none", "ErrIntegrity", `["backups"]`, `[]`)
	swap("names-null", "ErrIntegrity", `["backups"]`, `null`)
	swap("names-twice", "ErrIntegrity", `["backups"]`, `["backups","backups"]`)
	swap("names-order", "ErrIntegrity", `["backups"]`, `["backups","a-bucket"]`)
	swap("names-escape", "ErrIntegrity", `["backups"]`, `["\u0062ackups"]`)
	swap("names-slash", "ErrIntegrity", `["backups"]`, `["back/ups"]`)
	swap("names-not-utf-8", "ErrIntegrity", `["backups"]`, "[\"back\xffups\"]")
	doc("keys-none", "ErrIntegrity", stateHead+stateTail)
	doc("keys-without-own", "ErrIntegrity", stateHead+stateKeyEntry(bytes.Repeat([]byte{0x43}, 32))+stateTail)
	doc("keys-upper-case", "ErrIntegrity", stateHead+strings.Replace(key, "4edcc785891e2e31", "4EDCC785891E2E31", 1)+stateTail)
	doc("keys-short-id", "ErrIntegrity", stateHead+strings.Replace(key, "4edcc785891e2e31", "4edcc785891e2e", 1)+stateTail)
	doc("keys-twice", "ErrIntegrity", stateHead+key+","+key+stateTail)
	swap("block-len-768", "ErrUnsupported", `"block_len":1024`, `"block_len":768`)
	swap("segment-4096", "ErrUnsupported", `"segment":65536`, `"segment":4096`)
	swap("name-encryption", "ErrUnsupported", `"name_encryption":false`, `"name_encryption":true`)
	swap("name-key-alone", "ErrIntegrity", `false}}`, `false},`+stateNameKey+`}`)
	named := func(name, want, with string) {
		doc(name, want, strings.NewReplacer(`"name_encryption":false`, `"name_encryption":true`, `false}}`, `false},`+with+`}`).Replace(good))
	}
	named("name-key-short", "ErrIntegrity", strings.Replace(stateNameKey, "8=", "", 1))
	named("name-key-zero", "ErrUnsupported", `"name_key":"`+base64.StdEncoding.EncodeToString(make([]byte, 32))+`"`)
	named("name-key-twice", "ErrIntegrity", stateNameKey+","+stateNameKey)
	named("name-key-null", "ErrUnsupported", `"name_key":null`)
	named("name-key-spare-bits", "ErrIntegrity", strings.Replace(stateNameKey, "8=", "9=", 1))

	// The object around the document.
	stored := refSeal(stateInput(good))
	edit := func(name, want string, f func(b []byte) []byte) {
		put(negative{Name: "state/" + name, Error: want}, f(bytes.Clone(stored)))
	}
	edit("flip", "ErrIntegrity", func(b []byte) []byte { b[600] ^= 1; return b })
	edit("truncated", "ErrIntegrity", func(b []byte) []byte { return b[:len(b)-1] })
	edit("block-only", "ErrForeign", func(b []byte) []byte { return b[:512] })
	edit("nothing", "ErrNotSealed", func([]byte) []byte { return nil })
	edit("not-sealed", "ErrNotSealed", func([]byte) []byte { return []byte(good) })
	in := stateInput(good)
	in.L = 1024
	put(negative{Name: "state/block-of-1024", Error: "ErrForeign"}, refSeal(in))
	in = stateInput(good)
	in.key = "_objcryptproxy___.jsom"
	put(negative{Name: "state/other-name", Error: "ErrCommit"}, refSeal(in))
	in = stateInput(good)
	in.bucket = counting(0xa0, 16)
	put(negative{Name: "state/sealed-as-ordinary-object", Error: "ErrCommit"}, refSeal(in))
	put(negative{Name: "state/ordinary-object", Error: "ErrCommit"}, refSeal(vectorInput(XChaCha20Poly1305, 512, 17)))
	put(negative{Name: "state/other-master", Error: "ErrKeyUnknown", Masters: []string{strings.Repeat("43", 32)}}, stored)
	return out
}

// TestStateVectors opens and seals every state to the byte, and refuses every negative one.
func TestStateVectors(t *testing.T) {
	for _, v := range stateVectors() {
		ring := testRing(t, unhex(v.Master))
		s, err := OpenState(ring, v.stored)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		again, err := sealState(ring, s, time.UnixMilli(1767225600123), vectorEntropy())
		if err != nil || !bytes.Equal(again, v.stored) {
			t.Errorf("%s: sealed bytes differ (%v)", v.Name, err)
		}
	}
	for _, v := range stateNegatives() {
		before := bytes.Clone(v.stored)
		_, err := OpenState(testRing(t, unhex(v.Masters[0])), v.stored)
		expectError(t, v.Name, err, v.Error)
		if !bytes.Equal(before, v.stored) {
			t.Errorf("%s: the input was changed", v.Name)
		}
	}
}

// copyVector is a Reblock: the block of a positive vector moved to another place.
type copyVector struct {
	Name     string `json:"name"`
	From     string `json:"from"` // positive vector
	Master   string `json:"master"`
	BucketID string `json:"bucket_id"`
	Key      string `json:"key"`
	Salt     string `json:"salt"`
	BlockHex string `json:"block_hex"`

	source, target refInput
}

func copyVectors() (out []copyVector) {
	add := func(name, from string, source refInput, f func(in *refInput)) {
		target := source
		target.salt = counting(0x70, 16)
		f(&target)
		target.plain = nil
		out = append(out, copyVector{name, from, hex.EncodeToString(target.master), hex.EncodeToString(target.bucket), target.key,
			hex.EncodeToString(target.salt), hex.EncodeToString(refBlock(target)), source, target})
	}
	source := vectorInput(XChaCha20Poly1305, 512, 65537)
	const from = "xchacha20-poly1305/512/65537"
	add("copy/same-place", from, source, func(*refInput) {})
	add("copy/other-key", from, source, func(in *refInput) { in.key = "ds/.chunks/0001/01" })
	add("copy/other-bucket", from, source, func(in *refInput) { in.bucket = counting(0xb0, 16) })
	add("copy/other-master", from, source, func(in *refInput) { in.master = bytes.Repeat([]byte{0x43}, 32) })
	add("copy/other-metadata", from, source, func(in *refInput) { in.tlv = refTLV(65537, refString(3, "text/plain")) })
	add("copy/other-block-size", from, source, func(in *refInput) { in.L = 1024 })
	return out
}

// TestCopyVectors moves blocks with the package to the byte, and opens the unchanged body behind the new block.
func TestCopyVectors(t *testing.T) {
	for _, v := range copyVectors() {
		stored := refSeal(v.source)
		ring := testRing(t, v.target.master)
		if !bytes.Equal(v.target.master, v.source.master) {
			ring = testRing(t, v.target.master, v.source.master)
		}
		from := testContext(t, BucketID(v.source.bucket), v.source.key)
		to := testContext(t, BucketID(v.target.bucket), v.target.key)
		change := func(m *Meta) { *m, _ = decodeMeta(v.target.tlv) }
		block, err := reblock(ring, from, to, stored[:v.source.L], int64(len(stored)), change, v.target.L, [16]byte(v.target.salt))
		if err != nil || !bytes.Equal(block, unhex(v.BlockHex)) {
			t.Errorf("%s: blocks differ (%v)", v.Name, err)
			continue
		}
		plain, err := openWhole(ring, to, v.target.L, append(bytes.Clone(block), stored[v.source.L:]...))
		if err != nil || !bytes.Equal(plain, v.source.plain) {
			t.Errorf("%s: opened with %v", v.Name, err)
		}
	}
}
