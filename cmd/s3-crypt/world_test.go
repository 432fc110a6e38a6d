package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// world is a store and a key agent, and the configuration that names both.
type world struct {
	store  *store
	holder *keyagent.Holder
	socket string
	dir    string
	end    func()
}

var (
	bucketID  = format.BucketID{9, 8, 7}
	writtenAt = time.UnixMilli(1767225600123).UTC()
)

// newWorld starts both; end stops them.
func newWorld() (w *world, err error) {
	w = &world{store: newStore(), holder: keyagent.NewHolder()}
	// A Unix socket's path must be short; test directories are not.
	if w.dir, err = os.MkdirTemp("", "s3c-"); err != nil {
		return nil, err
	}
	w.socket = filepath.Join(w.dir, "keys.sock")
	ln, err := keyagent.Listen(w.socket)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- keyagent.Serve(ctx, ln, w.holder, keyagent.Policy{}) }()
	w.end = func() {
		stop()
		<-served
		w.holder.Clear()
		w.store.Close()
		os.RemoveAll(w.dir)
	}
	return w, w.config("")
}

// config writes the proxy's configuration; extra is more YAML.
func (w *world) config(extra string) error {
	text := fmt.Sprintf(`backend: {endpoint: %q, region: us-east-1, access_key: backendkey, secret_key: backendsecret, path_style: true}
client: {access_key: clientkey, secret_key: clientsecret}
admin: {token: 0123456789abcdef0123}
memkey: {socket_path: %q}
%s`, w.store.URL, w.socket, extra)
	return os.WriteFile(w.file(), []byte(text), 0o600)
}

func (w *world) file() string { return filepath.Join(w.dir, "proxy.yaml") }

func master(b byte) []byte { return bytes.Repeat([]byte{b}, keyagent.KeySize) }

// load gives the agent keys that repeat a byte, the first active.
func (w *world) load(fill string) error {
	var keys []keyagent.Key
	for i := range len(fill) {
		m, err := keyagent.NewSecret(master(fill[i]))
		if err != nil {
			return err
		}
		keys = append(keys, keyagent.Key{Label: fill[i : i+1], Master: m, Active: i == 0})
	}
	_, err := w.holder.Load(keys)
	return err
}

func ringOf(fill string) (*format.Keyring, error) {
	var keys []*format.Keys
	for i := range len(fill) {
		k, err := format.DeriveKeys(master(fill[i]))
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return format.NewKeyring(keys[0], keys[1:]...)
}

func keyID(fill string) string {
	ring, err := ringOf(fill)
	if err != nil {
		panic(err)
	}
	return ring.IDs()[0].String()
}

// state records keys in the bucket, the first as its active one.
func (w *world) state(fill string) error {
	ring, err := ringOf(fill)
	if err != nil {
		return err
	}
	st := format.State{CreatedAt: writtenAt, BucketID: bucketID, Names: []string{bucket}, Keys: map[format.KeyID][32]byte{}, Settings: format.Settings{BlockSize: 1024}}
	for _, id := range ring.IDs() {
		st.Keys[id], _ = ring.KVT(id)
	}
	sealed, err := format.SealState(ring, st)
	if err != nil {
		return err
	}
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.set(format.StateKey, sealed)
	return nil
}

// fill stores n objects under a key.
func (w *world) fill(key, prefix string, n int) error {
	ring, err := ringOf(key)
	if err != nil {
		return err
	}
	for i := range n {
		name := fmt.Sprintf("%s%04d", prefix, i)
		where, err := format.NewContext(bucketID, name)
		if err != nil {
			return err
		}
		s, err := format.NewSealer(ring, where, format.Meta{PlainSize: 100, WrittenAt: writtenAt}, format.SealOptions{BlockSize: 1024})
		if err != nil {
			return err
		}
		sealed := make([]byte, s.SealedSize())
		at := copy(sealed, s.Block())
		s.SealInPlace(sealed[at:], 100, 0)
		w.store.mu.Lock()
		w.store.set(name, sealed)
		w.store.mu.Unlock()
	}
	return nil
}

func (w *world) puts() int {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.store.puts
}

// rotation is a world in the middle of a rotation from A to B.
func rotation(t *testing.T, old int) *world {
	t.Helper()
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.end)
	for _, err := range []error{w.load("BA"), w.state("BA"), w.fill("A", "old", old), w.fill("B", "new", 2)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// run runs the program in this process.
func (w *world) run(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, append(args, "--config", w.file()), nil, &out, &errs)
	return code, out.String(), errs.String()
}
