package format

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// TestReblock: the body opens behind the new block at the new place, and no longer at the old one.
func TestReblock(t *testing.T) {
	oldRing := testRing(t, vectorMaster())
	both := testRing(t, counting(1, 32), vectorMaster())
	newRing := testRing(t, counting(1, 32))
	from, to := testContext(t, vectorBucket(), "from"), testContext(t, BucketID{1}, "to")
	for _, size := range []int{0, 1, 2*SegmentSize + 1, 5 << 20} {
		meta := fullMeta()
		meta.extensions = []entry{{200, []byte("kept")}}
		plain := vectorPlain(size)
		object, err := sealObject(oldRing, from, meta, SealOptions{Suite: AES256GCM, BlockSize: 512}, plain, vectorEntropy())
		if err != nil {
			t.Fatal(err)
		}
		block, err := Reblock(both, from, to, object[:512], int64(len(object)), func(m *Meta) { m.ContentType = "x/y" }, 0)
		if err != nil {
			t.Fatal(err)
		}
		moved := append(bytes.Clone(block), object[512:]...)
		if got, err := openWhole(newRing, to, 512, moved); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := openWhole(both, from, 512, moved); !errors.Is(err, ErrCommit) {
			t.Errorf("%d bytes: the old place says %v", size, err)
		}
		if _, err := openWhole(oldRing, to, 512, moved); !errors.Is(err, ErrKeyUnknown) {
			t.Errorf("%d bytes: the old key says %v", size, err)
		}
		if bytes.Equal(block[34:50], object[34:50]) || !bytes.Equal(block[18:34], object[18:34]) || block[7] != object[7] {
			t.Error("the salt must change; OID and suite must stay")
		}
		o, err := OpenBlock(newRing, to, block, int64(len(moved)))
		if err != nil {
			t.Fatal(err)
		}
		meta.PlainSize, meta.ContentType = int64(size), "x/y"
		if !reflect.DeepEqual(o.Meta(), meta) {
			t.Errorf("metadata became %+v", o.Meta())
		}
		// To a bucket of another block size, whose law the object then obeys.
		block, err = Reblock(both, from, to, object[:512], int64(len(object)), nil, 4096)
		if err != nil {
			t.Fatal(err)
		}
		moved = append(block, object[512:]...)
		if got, err := openWhole(newRing, to, 4096, moved); err != nil || !bytes.Equal(got, plain) || SealedSize(4096, int64(size)) != int64(len(moved)) {
			t.Errorf("%d bytes to a block of 4096: %v", size, err)
		}
	}
}

func TestReblockRefuses(t *testing.T) {
	ring, from := testRing(t, vectorMaster()), testContext(t, vectorBucket(), "from")
	object, err := sealObject(ring, from, fullMeta(), SealOptions{BlockSize: 512}, vectorPlain(5), vectorEntropy())
	if err != nil {
		t.Fatal(err)
	}
	f := func(what string, want error, to Context, size int64, change func(*Meta), blockSize int) {
		t.Helper()
		b, err := Reblock(ring, from, to, object[:512], size, change, blockSize)
		if err == nil || b != nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %d bytes, %v", what, len(b), err)
		}
	}
	size := int64(len(object))
	f("zero destination", nil, Context{}, size, nil, 0)
	f("plain size changed", ErrMetadataInvalid, from, size, func(m *Meta) { m.PlainSize++ }, 0)
	f("invalid metadata", ErrMetadataInvalid, from, size, func(m *Meta) { m.Expires = "\n" }, 0)
	f("metadata too large", ErrMetadataTooLarge, from, size, func(m *Meta) { m.Expires = strings.Repeat("x", 300) }, 0)
	f("block size", ErrUnsupported, from, size, nil, 1000)
	f("truncated object", ErrIntegrity, from, size-1, nil, 0)
	f("foreign size", ErrForeign, from, 512, nil, 0)
	if _, err := Reblock(ring, testContext(t, vectorBucket(), "other"), from, object[:512], size, nil, 0); !errors.Is(err, ErrCommit) {
		t.Errorf("other source: %v", err)
	}
}
