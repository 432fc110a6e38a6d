package rewrap

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

const name = "bkt"

var (
	bucketID  = format.BucketID{1, 2, 3}
	writtenAt = time.UnixMilli(1767225600123).UTC()
)

// ringOf makes a keyring from repeated bytes, the first active.
func ringOf(t testing.TB, active byte, older ...byte) *format.Keyring {
	t.Helper()
	var keys []*format.Keys
	for _, b := range append([]byte{active}, older...) {
		k, err := format.DeriveKeys(bytes.Repeat([]byte{b}, 32))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	ring, err := format.NewKeyring(keys[0], keys[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func keyID(t testing.TB, b byte) format.KeyID {
	t.Helper()
	id, err := ringOf(t, b).Active()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// setState records the ring's keys in the bucket, its active one as the bucket's.
func (f *fake) setState(t testing.TB, ring *format.Keyring) {
	t.Helper()
	st := format.State{CreatedAt: writtenAt, BucketID: bucketID, Names: []string{name}, Keys: map[format.KeyID][32]byte{}, Settings: format.Settings{BlockSize: 512}}
	for _, id := range ring.IDs() {
		st.Keys[id], _ = ring.KVT(id)
	}
	object, err := format.SealState(ring, st)
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = f.set(format.StateKey, object, backend.Conditions{})
}

// sealed is a whole stored object with metadata.
func sealed(t testing.TB, ring format.Ring, key string, plain []byte) []byte {
	t.Helper()
	where, err := format.NewContext(bucketID, key)
	if err != nil {
		t.Fatal(err)
	}
	meta := format.Meta{PlainSize: int64(len(plain)), WrittenAt: writtenAt, ContentType: "text/" + key, User: []format.Pair{{Name: "k", Value: key}}}
	s, err := format.NewSealer(ring, where, meta, format.SealOptions{BlockSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	object := make([]byte, s.SealedSize())
	at := copy(object, s.Block())
	for i := int64(0); i == 0 || len(plain) > 0; i++ {
		n := copy(object[at:], plain[:min(len(plain), format.SegmentSize)])
		at += s.SealInPlace(object[at:], n, i)
		plain = plain[n:]
	}
	return object
}

// fill stores n small objects under the ring's active key.
func (f *fake) fill(t testing.TB, ring *format.Keyring, prefix string, n int) {
	t.Helper()
	for i := range n {
		key := fmt.Sprintf("%s%04d", prefix, i)
		f.put(t, key, sealed(t, ring, key, bytes.Repeat([]byte{byte(i)}, i%300)))
	}
}

func (f *fake) put(t testing.TB, key string, data []byte) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.set(key, data, backend.Conditions{}); err != nil {
		t.Fatal(err)
	}
}

// large is a body that is moved in parts.
func large() []byte { return bytes.Repeat([]byte("0123456789abcde\n"), (18<<20)/16) }

// rotated is a bucket in the middle of a rotation from A to B: objects under both
// keys, one of them large. It is sealed once a process.
func rotated(t testing.TB, small int) *fake {
	t.Helper()
	f := newFake()
	f.setState(t, ringOf(t, 'B', 'A'))
	f.fill(t, ringOf(t, 'A'), "a", small)
	f.fill(t, ringOf(t, 'B'), "b", 2)
	return f
}

func (f *fake) addLarge(t testing.TB) *fake {
	t.Helper()
	f.put(t, "large", sealed(t, ringOf(t, 'A'), "large", large()))
	return f
}

// run prepares and walks.
func run(ctx context.Context, t testing.TB, f Store, change ...func(*Config)) (Report, error) {
	t.Helper()
	cfg := Config{Store: f, Ring: ringOf(t, 'B', 'A'), Bucket: name, Warn: func(err error) { t.Logf("warning: %v", err) }}
	for _, c := range change {
		c(&cfg)
	}
	r, err := Prepare(ctx, cfg)
	if err != nil {
		return Report{}, err
	}
	return r.Walk(ctx)
}

// sameObjects checks each object of want in f: whole, readable by ring, its sealed
// body, metadata and time as they were. It returns the keys under which they are.
func sameObjects(t testing.TB, f, want *fake, ring format.Ring) map[format.KeyID]int {
	t.Helper()
	keys := map[format.KeyID]int{}
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, old := range want.objects {
		if strings.HasPrefix(key, format.ReservedPrefix) {
			continue
		}
		now, ok := f.objects[key]
		if !ok || len(now.data) != len(old.data) || !bytes.Equal(now.data[512:], old.data[512:]) {
			t.Fatalf("%s: lost, or its body was touched", key)
		}
		where, err := format.NewContext(bucketID, key)
		if err != nil {
			t.Fatal(err)
		}
		before, err := format.OpenBlock(ring, where, old.data[:512], int64(len(old.data)))
		if err != nil {
			t.Fatal(err)
		}
		after, err := format.OpenBlock(ring, where, now.data[:512], int64(len(now.data)))
		if err != nil {
			t.Fatalf("%s: does not open: %v", key, err)
		}
		if fmt.Sprintf("%+v", before.Meta()) != fmt.Sprintf("%+v", after.Meta()) {
			t.Errorf("%s: metadata %+v, was %+v", key, after.Meta(), before.Meta())
		}
		// The new block must carry the object key of the old body.
		first := bytes.Clone(now.data[512 : 512+min(int64(len(now.data))-512-format.Filler(after.PlainSize()), format.Stride)])
		if err := after.OpenInPlace(first, 0); err != nil {
			t.Errorf("%s: its body does not open: %v", key, err)
		}
		keys[after.KeyID()]++
	}
	for id := range f.uploads {
		t.Logf("upload %s is left", id)
	}
	return keys
}
