package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// world is an agent with two keys, a client of it, and the keyring that it stands for.
type world struct {
	holder *keyagent.Holder
	client *keyagent.Client
	names  keyagent.Names
	local  *format.Keyring
}

func master(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{holder: keyagent.NewHolder()}
	var derived []*format.Keys
	var keys []keyagent.Key
	for i, b := range []byte{0x11, 0x22} {
		s, err := keyagent.NewSecret(master(b))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, keyagent.Key{Label: fmt.Sprint(i), Master: s, Active: i == 1})
		d, err := format.DeriveKeys(master(b))
		if err != nil {
			t.Fatal(err)
		}
		derived = append(derived, d)
	}
	var err error
	if w.local, err = format.NewKeyring(derived[1], derived[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.holder.Load(keys); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := keyagent.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- keyagent.Serve(ctx, ln, w.holder, keyagent.Policy{Deriver: Deriver{}}) }()
	if w.client, err = keyagent.NewClient(keyagent.ClientConfig{Socket: socket}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.client.CloseIdle()
		cancel()
		<-ended
		w.holder.Clear()
	})
	watch, stop := context.WithCancel(context.Background())
	_ = w.client.Watch(watch, func(n keyagent.Names) error { w.names = n; stop(); return nil }) // ends with watch
	stop()
	return w
}

func TestRemoteRingIsTheKeyring(t *testing.T) {
	w := newWorld(t)
	ring, err := NewRing(w.client, w.names, nil)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(ring.IDs()) != fmt.Sprint(w.local.IDs()) {
		t.Errorf("%v, want %v", ring.IDs(), w.local.IDs())
	}
	var wg sync.WaitGroup
	for i, id := range append(w.local.IDs(), w.local.IDs()...) {
		want, _ := w.local.KVT(id)
		if got, ok := ring.KVT(id); !ok || got != want {
			t.Errorf("%s: another tag", id)
		}
		for _, key := range []string{"k", "a/b", strings.Repeat("é", 512), "\x00"} {
			wg.Go(func() {
				where, err := format.NewContext(format.BucketID{1, byte(i)}, key)
				if err != nil {
					t.Error(err)
					return
				}
				var head [54]byte
				copy(head[10:], id[:])
				head[53] = byte(i)
				a, errA := ring.BlockKeys(id, head, where)
				b, errB := w.local.BlockKeys(id, head, where)
				if errA != nil || errB != nil || a != b {
					t.Errorf("%q: block keys differ: %v, %v", key, errA, errB)
				}
				c, errC := ring.UploadKeys(id, [24]byte{byte(i)}, where)
				d, errD := w.local.UploadKeys(id, [24]byte{byte(i)}, where)
				if errC != nil || errD != nil || c != d {
					t.Errorf("%q: upload keys differ: %v, %v", key, errC, errD)
				}
			})
		}
	}
	wg.Wait()

	// What one seals the other opens.
	where, err := format.NewContext(format.BucketID{9}, "object")
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := format.NewSealer(ring, where, format.Meta{PlainSize: 3, WrittenAt: time.Now()}, format.SealOptions{Suite: format.AES256GCM, BlockSize: format.DefaultBlockSize})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := format.OpenBlock(w.local, where, sealer.Block(), sealer.SealedSize()); err != nil {
		t.Errorf("the keyring cannot open what the ring sealed: %v", err)
	}
	if _, err := format.OpenBlock(ring, where, sealer.Block(), sealer.SealedSize()); err != nil {
		t.Errorf("the ring cannot open what it sealed: %v", err)
	}

	// A bucket's state too, whose place is no object's.
	kvt, _ := ring.KVT(ring.IDs()[0])
	state, err := format.SealState(ring, format.State{Version: 2, BucketID: format.BucketID{1}, CreatedAt: time.Now().UTC(), Names: []string{"bkt"},
		Keys: map[format.KeyID][32]byte{ring.IDs()[0]: kvt}, Settings: format.Settings{BlockSize: format.DefaultBlockSize, Segment: format.SegmentSize}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []format.Ring{ring, w.local} {
		if _, err := format.OpenState(r, state); err != nil {
			t.Errorf("%v cannot open the state: %v", r, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %s", ring, ring, ring); strings.Contains(text, "Derive") || !strings.Contains(text, w.local.IDs()[0].String()) {
		t.Errorf("prints as %s", text)
	}
}

func TestRemoteRingFailsClosed(t *testing.T) {
	w := newWorld(t)
	told := 0
	ring, err := NewRing(w.client, w.names, func(time.Duration, error) { told++ })
	if err != nil {
		t.Fatal(err)
	}
	where, err := format.NewContext(format.BucketID{1}, "k")
	if err != nil {
		t.Fatal(err)
	}
	id := ring.IDs()[0]
	var head [54]byte
	copy(head[10:], id[:])
	if _, err := ring.BlockKeys(format.KeyID{1}, head, where); !errors.Is(err, format.ErrKeyUnknown) {
		t.Errorf("a foreign key: %v", err)
	}
	if _, err := ring.BlockKeys(id, [54]byte{}, where); !errors.Is(err, format.ErrNoKey) {
		t.Errorf("a head that names another key: %v", err)
	}
	w.holder.Clear()
	if k, err := ring.BlockKeys(id, head, where); !errors.Is(err, format.ErrKeyUnknown) || k != (format.BlockKeys{}) {
		t.Errorf("after clear: %v", err)
	}
	gone, err := NewRing(broken{}, w.names, nil)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := gone.UploadKeys(id, [24]byte{}, where); !errors.Is(err, format.ErrNoKey) || k != (format.UploadKeys{}) {
		t.Errorf("agent gone: %v", err)
	}
	if _, err := NewRing(w.client, keyagent.Names{Generation: 1}, nil); !errors.Is(err, format.ErrNoKey) {
		t.Errorf("no names: %v", err)
	}
	if told != 2 {
		t.Errorf("observed %d derivations, want 2", told)
	}
}

type broken struct{}

func (broken) Derive([8]byte, []byte) ([]byte, error) { return nil, keyagent.ErrUnavailable }

func FuzzDerive(f *testing.F) {
	where, err := format.NewContext(format.BucketID{1}, "key")
	if err != nil {
		f.Fatal(err)
	}
	for kind, size := range map[byte]int{blockKind: headSize, uploadKind: saltSize} {
		b, err := appendRequest(kind, make([]byte, size), where)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, in []byte) {
		answer, err := Deriver{}.Derive(master(1), in)
		if err == nil && len(answer) != blockAnswer && len(answer) != tokenAnswer {
			t.Errorf("%x gives %d bytes", in, len(answer))
		}
		if kind, param, where, err := parseRequest(in); err == nil {
			if again, err := appendRequest(kind, param, where); err != nil || !bytes.Equal(again, in) {
				t.Errorf("%x reads as %x", in, again)
			}
		}
	})
}

func BenchmarkBlockKeys(b *testing.B) {
	w := newWorld(b)
	remote, err := NewRing(w.client, w.names, nil)
	if err != nil {
		b.Fatal(err)
	}
	where, err := format.NewContext(format.BucketID{1}, "store/.chunks/bb9f/bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8")
	if err != nil {
		b.Fatal(err)
	}
	id := remote.IDs()[0]
	var head [54]byte
	copy(head[10:], id[:])
	for name, ring := range map[string]format.Ring{"export": w.local, "agent": remote} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ring.BlockKeys(id, head, where); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
