package format

import (
	"bytes"
	"crypto/cipher"
	"fmt"
	"testing"
)

// ledger is an AEAD that records its nonces.
type ledger struct {
	cipher.AEAD
	nonces []string
}

func (l *ledger) Seal(dst, nonce, plain, ad []byte) []byte {
	l.nonces = append(l.nonces, string(nonce))
	return l.AEAD.Seal(dst, nonce, plain, ad)
}

// ledgerRing records the block keys that it hands out for sealing.
type ledgerRing struct {
	*Keyring
	seen []BlockKeys
}

func (l *ledgerRing) BlockKeys(id KeyID, head [54]byte, where Context) (BlockKeys, error) {
	k, err := l.Keyring.BlockKeys(id, head, where)
	l.seen = append(l.seen, k)
	return k, err
}

// TestNonceLedger records key and nonce of every AEAD call of many sealings, copies and states: no pair comes twice.
func TestNonceLedger(t *testing.T) {
	ring := &ledgerRing{Keyring: testRing(t, vectorMaster())}
	where := testContext(t, vectorBucket(), vectorKey)
	used := map[string]string{}
	record := func(what, key, nonce string) {
		t.Helper()
		if before, ok := used[key+nonce]; ok {
			t.Fatalf("%s uses key and nonce of %s", what, before)
		}
		used[key+nonce] = what
	}
	blocks := func(what string) {
		t.Helper()
		last := ring.seen[len(ring.seen)-1] // copies open a block before they seal one
		record(what+" wrap", string(last.WrapKey[:]), string(last.WrapNonce[:]))
		record(what+" metadata", string(last.MetaKey[:]), string(last.MetaNonce[:]))
		ring.seen = nil
	}
	buf := make([]byte, 5*Stride)
	for i := range 60 {
		suite := Suite(1 + i%2)
		size := []int{0, 1, SegmentSize, SegmentSize + 1, 4 * SegmentSize, 4*SegmentSize + 9}[i%6]
		what := fmt.Sprintf("object %d", i)
		e := freshEntropy()
		s, err := newSealer(ring, where, Meta{PlainSize: int64(size)}, SealOptions{Suite: suite}, &e)
		if err != nil {
			t.Fatal(err)
		}
		blocks(what)
		l := &ledger{AEAD: s.body.aead}
		s.body.aead = l
		s.SealInPlace(buf, size, 0)
		prk := extract(e.oid[:], e.oek[:])
		okm := make([]byte, 32+suite.nonceSize())
		expand(okm, &prk, append([]byte(labelBody), byte(suite), segmentLog2))
		for j, nonce := range l.nonces {
			record(fmt.Sprintf("%s segment %d", what, j), string(okm[:32]), nonce)
		}
		if int64(len(l.nonces)) != segments(int64(size)) {
			t.Fatalf("%d nonces", len(l.nonces))
		}
		for c := range 3 {
			if _, err := Reblock(ring, where, where, s.Block(), s.SealedSize(), nil, 0); err != nil {
				t.Fatal(err)
			}
			blocks(fmt.Sprintf("%s copy %d", what, c))
		}
		if _, err := SealState(ring, testState(t, ring.Keyring)); err != nil {
			t.Fatal(err)
		}
		blocks(what + " state")
	}
	if len(used) < 700 {
		t.Errorf("only %d pairs were recorded", len(used))
	}
}

// TestNonces: for one object all nonces differ, whatever its base nonce, and the last flag and the counter share no bit.
func TestNonces(t *testing.T) {
	for _, size := range []int{12, 24} {
		b := body{size: size, last: 70_000}
		for i := range b.base {
			b.base[i] = byte(i*37) | 0x80
		}
		seen := map[string]bool{}
		nonce := make([]byte, size)
		for i := range b.last + 1 {
			b.nonce(nonce, i)
			if seen[string(nonce)] {
				t.Fatalf("nonce of segment %d of %d-byte nonces is repeated", i, size)
			}
			seen[string(nonce)] = true
		}
		notLast := b
		notLast.last++
		other := make([]byte, size)
		notLast.nonce(other, b.last)
		if bytes.Equal(nonce, other) {
			t.Error("the last flag does not change the nonce")
		}
	}
}
