//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

const bucket = "backups"

// world is a backend, keys that the test knows, and proxies in front.
type world struct {
	t       *testing.T
	dir     string
	backend *rig.Backend
	keys    *rig.LocalKeys
	master  *keyagent.Secret
	proxy   *rig.Proxy
	config  rig.ProxyConfig // of proxy, for starting it again
	hides   bool            // names are sealed and sizes padded
}

// start makes a world of the test's own. through, if not nil, says under which address the proxy reaches the backend;
// extra is YAML for its configuration.
func start(t *testing.T, through func(backend string) string, extra string) *world {
	t.Helper()
	return startOn(t, rig.BackendConfig{}, through, extra)
}

func startOn(t *testing.T, backend rig.BackendConfig, through func(backend string) string, extra string) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{t: t, dir: t.TempDir()}
	var err error
	backend.Dir, backend.Bucket = w.dir, bucket
	if w.backend, err = rig.StartVersitygw(ctx, backend); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, w.backend.Stop()) })
	// A Unix socket's path must be short; test directories are not.
	socketDir, err := os.MkdirTemp("", "s3cp-keys-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(socketDir) })
	if w.keys, err = rig.ServeKeys(socketDir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, w.keys.Stop()) })
	if w.master, err = keyagent.GenerateSecret(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.master.Wipe)
	if err := w.keys.Load(w.master); err != nil {
		t.Fatal(err)
	}
	endpoint := w.backend.Endpoint()
	if through != nil {
		endpoint = strings.Replace(endpoint, w.backend.Address, through(w.backend.Address), 1)
	}
	w.config = rig.ProxyConfig{Dir: w.dir, Listen: held(t), Backend: endpoint, BackendKey: w.backend.Credentials, BackendCA: w.backend.CAFile, Region: w.backend.Region,
		Buckets: []string{bucket}, Socket: w.keys.Socket, Extra: extra}
	w.startProxy()
	// Whatever happens, nothing of ours is left: also a proxy that a test started later.
	t.Cleanup(func() { check(t, w.proxy.Stop()) })
	return w
}

// startProxy starts the proxy, the first time or again, then with the same address and credentials.
func (w *world) startProxy() {
	w.t.Helper()
	if w.proxy != nil {
		w.config.Listen, w.config.Client = w.proxy.Address, w.proxy.Credentials
	}
	p, err := rig.StartProxy(context.Background(), w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.proxy = p
}

// held is an address that stays a server's while it does not run.
func held(t *testing.T) string {
	t.Helper()
	address, release, err := rig.HoldPort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return address
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// client makes a PBS client of the proxy.
func (w *world) client(t *testing.T, change ...func(*pbs.Config)) *pbs.Client {
	t.Helper()
	return newClient(t, w.proxy.PBS(bucket), change...)
}

// direct makes a client of the backend itself: what its operator can do.
func (w *world) direct(t *testing.T) *pbs.Client {
	t.Helper()
	return newClient(t, w.backend.PBS(bucket))
}

func newClient(t *testing.T, cfg pbs.Config, change ...func(*pbs.Config)) *pbs.Client {
	t.Helper()
	for _, f := range change {
		f(&cfg)
	}
	c, err := pbs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// once makes a client send each request once.
func once(cfg *pbs.Config) { cfg.Waits = []time.Duration{} }

// datastore makes a PBS datastore with 64 PUTs in flight.
func (w *world) datastore(t *testing.T, name string) *pbs.Datastore {
	return &pbs.Datastore{Client: w.client(t), Name: name, Concurrency: 64, Listed: w.listed}
}

// listed is what a listing says of an object of size bytes.
func (w *world) listed(size int64) int64 {
	if w.hides {
		return format.PaddedSize(size)
	}
	return size
}

// random is n bytes that a seed names.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	rand.NewChaCha8(s).Read(b)
	return b
}

// seed is the test's seed: from INTEGRATION_SEED, or from the time; printed either way.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if v := os.Getenv("INTEGRATION_SEED"); v != "" {
		given, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("INTEGRATION_SEED: %v", err)
		}
		n = given
	}
	t.Logf("seed: INTEGRATION_SEED=%d", n)
	h := fnv.New64a()
	fmt.Fprint(h, t.Name(), n)
	return h.Sum64()
}

// stored is the file in which the backend keeps an object.
func (w *world) stored(key string) string { return filepath.Join(w.backend.Dir, bucket, key) }

// status is the HTTP status of a refusal, or 0 for another error or none.
func status(err error) int {
	var s *pbs.StatusError
	if errors.As(err, &s) {
		return s.Status
	}
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
