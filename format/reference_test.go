package format

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// The oracle: SPEC.md transcribed line by line, serial, slow, sharing no code and no constant with the package.

func refHMAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func refExtract(salt, ikm []byte) []byte { return refHMAC(salt, ikm) }

func refExpand(prk, info []byte, n int) []byte {
	var out, t []byte
	for i := byte(1); len(out) < n; i++ {
		t = refHMAC(prk, t, info, []byte{i})
		out = append(out, t...)
	}
	return out[:n]
}

func refCat(parts ...any) (out []byte) {
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			out = append(out, v...)
		case []byte:
			out = append(out, v...)
		case bool:
			out = append(out, 0)
			if v {
				out[len(out)-1] = 1
			}
		case byte:
			out = append(out, v)
		case uint16:
			out = binary.BigEndian.AppendUint16(out, v)
		case uint32:
			out = binary.BigEndian.AppendUint32(out, v)
		case uint64:
			out = binary.BigEndian.AppendUint64(out, v)
		default:
			panic("refCat")
		}
	}
	return out
}

func refMaster(master []byte, label string, n int) []byte {
	return refExpand(refExtract([]byte("s3-crypt-proxy/v2"), master), []byte("s3-crypt-proxy/v2/"+label), n)
}

// refInput is everything that a stored object depends on.
type refInput struct {
	master         []byte
	bucket         []byte
	key            string
	suite          byte
	L              int
	oid, salt, oek []byte
	tlv            []byte // unpadded
	plain          []byte
	head           []byte // overrides the 54 header bytes
	padded         bool
	padding        []byte // overrides the zeroes
}

func refAEAD(suite byte, key []byte) (cipher.AEAD, int) {
	if suite == 2 {
		b, err := aes.NewCipher(key)
		if err != nil {
			panic(err)
		}
		a, err := cipher.NewGCM(b)
		if err != nil {
			panic(err)
		}
		return a, 12
	}
	a, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err)
	}
	return a, 24
}

func refHead(in refInput) []byte {
	if in.head != nil {
		return in.head
	}
	kid := refMaster(in.master, "key-id", 8)
	return refCat("SCPX", uint16(2), byte(0), in.suite, byte(16), in.padded, kid, in.oid, in.salt, uint32(in.L-54))
}

func refBlock(in refInput) []byte {
	head := refHead(in)
	ctx := refCat(in.bucket, uint16(len(in.key)), in.key)
	mk := refExpand(refMaster(in.master, "metadata-encryption", 32), refCat("s3-crypt-proxy/v2/meta-block", byte(0), head, ctx), 88)
	wk := refExpand(refMaster(in.master, "object-encryption", 32), refCat("s3-crypt-proxy/v2/oek-wrap", byte(0), head, ctx), 56)
	commit := mk[56:88]
	w, _ := refAEAD(1, wk[:32])
	wrapped := w.Seal(nil, wk[32:56], in.oek, commit)
	m, _ := refAEAD(1, mk[:32])
	tlv := append(append([]byte(nil), in.tlv...), make([]byte, in.L-150-len(in.tlv))...)
	sealed := m.Seal(nil, mk[32:56], tlv, refCat(commit, wrapped))
	return refCat(head, commit, wrapped, sealed)
}

// refSegments returns the sealed segments one by one.
func refSegments(in refInput) (out [][]byte) {
	n := 24
	if in.suite == 2 {
		n = 12
	}
	okm := refExpand(refExtract(in.oid, in.oek), refCat("s3-crypt-proxy/v2/body", byte(0), in.suite, byte(0x10)), 32+n)
	aead, _ := refAEAD(in.suite, okm[:32])
	rest := in.body()
	for i := uint64(0); ; i++ {
		take, last := rest, byte(1)
		if len(rest) > 65536 {
			take, last = rest[:65536], 0
		}
		rest = rest[len(take):]
		nonce := refCat(make([]byte, n-9), last, i)
		for j := range nonce {
			nonce[j] ^= okm[32+j]
		}
		out = append(out, aead.Seal(nil, nonce, take, nil))
		if last == 1 {
			return out
		}
	}
}

func refSeal(in refInput) []byte {
	out := refBlock(in)
	for _, s := range refSegments(in) {
		out = append(out, s...)
	}
	m := len(in.body()) / 5242880
	if m > 9999 {
		m = 9999
	}
	return append(out, make([]byte, 512*m)...)
}

// body is what the segments hold: the plain bytes, and the padding.
func (in refInput) body() []byte {
	switch {
	case in.padding != nil:
		return refCat(in.plain, in.padding)
	case in.padded:
		return refCat(in.plain, make([]byte, refPadded(len(in.plain))-len(in.plain)))
	}
	return in.plain
}

// refPadded is Padmé by counting up to a size whose low bits are zero.
func refPadded(p int) int {
	if p < 2 {
		return p
	}
	e := int(math.Floor(math.Log2(float64(p))))
	s := int(math.Floor(math.Log2(float64(e)))) + 1
	step := int(math.Pow(2, float64(e-s)))
	return (p + step - 1) / step * step
}

// refSealedSize is E(P) as the spec writes it; refPlainSize inverts it by binary search, in the 43 steps that the spec mentions.
func refSealedSize(L int, p int64) int64 {
	nseg := (p + 65535) / 65536
	if nseg < 1 {
		nseg = 1
	}
	m := p / 5242880
	if m > 9999 {
		m = 9999
	}
	return int64(L) + p + 16*nseg + 512*m
}

func refPlainSize(L int, e int64) (int64, bool) {
	lo, hi := int64(0), int64(5<<40)
	for lo < hi {
		mid := lo + (hi-lo)/2
		if refSealedSize(L, mid) < e {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, refSealedSize(L, lo) == e
}
