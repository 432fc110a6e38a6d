package server

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// stormKeys is a KeySource whose keyring changes under running requests.
type stormKeys struct {
	ring atomic.Pointer[format.Keyring]
}

func (k *stormKeys) Ring() (Keyring, error) {
	if r := k.ring.Load(); r != nil {
		return r, nil
	}
	return nil, format.ErrNoKey
}

// ask sends a call on a connection of its own.
func ask(addr string, c call) (status int, body []byte, err error) {
	a, err := askWhole(addr, c)
	return a.status, a.body, err
}

// askWhole is ask with the headers of the answer.
func askWhole(addr string, c call) (a answer, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return a, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return a, err
	}
	go conn.Write(c.raw(addr)) // a refusal may come before the body is sent
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: c.method})
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	a.status, a.header = resp.StatusCode, resp.Header
	a.body, err = readAll(resp.Body, resp.ContentLength)
	return a, err
}

// openAlone opens a stored object with one key alone, and returns its plaintext.
func openAlone(ring *format.Keyring, where format.Context, stored []byte) ([]byte, error) {
	h, err := format.ParseHeader(stored)
	if err != nil {
		return nil, err
	}
	o, err := format.OpenBlock(ring, where, stored[:h.BlockSize], int64(len(stored)))
	if err != nil {
		return nil, err
	}
	sealed := bytes.Clone(stored[h.BlockSize:])
	n := len(sealed) - int(format.Filler(o.PlainSize()))
	if err := o.OpenInPlace(sealed[:n], 0); err != nil {
		return nil, err
	}
	var plain []byte
	for at := 0; at < n; at += format.Stride {
		plain = append(plain, sealed[at:min(at+format.Stride, n)-format.TagSize]...)
	}
	return plain, nil
}

// TestStormOfKeys changes the keyring while clients write and read: two keyrings
// of the same two masters, either active, and none in between. A request is done
// under one key of one whole keyring, or refused with 503.
func TestStormOfKeys(t *testing.T) {
	t.Parallel()
	source := &stormKeys{}
	g := newRig(t, func(c *Config) { c.Keys = source })
	one, two := ringOf(t, 'A', 'B'), ringOf(t, 'B', 'A')
	ids := one.IDs()
	alone := map[format.KeyID]*format.Keyring{ids[0]: ringOf(t, 'A'), ids[1]: ringOf(t, 'B')}
	// The buckets end up under different keys: the one that came second.
	for _, step := range []struct {
		ring   *format.Keyring
		bucket string
	}{{one, "bkt"}, {two, "other"}, {two, "bkt"}, {one, "other"}} {
		source.ring.Store(step.ring)
		g.put("/"+step.bucket+"/first", pattern(100))
	}

	length := 2 * time.Second
	if testing.Short() {
		length = 500 * time.Millisecond
	}
	began := time.Now()
	var wg, storm sync.WaitGroup
	var changes, stored, refused, read atomic.Int64
	// A busy machine gets its time, but not for ever.
	over := func() bool {
		took := time.Since(began)
		enough := changes.Load() >= 20 && stored.Load() >= 64 && refused.Load() >= 10 && read.Load() >= 32
		return took > 40*time.Second || took > length && enough
	}
	ended := make(chan struct{})
	storm.Go(func() {
		for {
			for _, r := range []*format.Keyring{one, nil, two, nil} {
				source.ring.Store(r)
				n := changes.Add(1)
				select {
				case <-ended:
					return
				case <-time.After(time.Duration(500+n%7*300) * time.Microsecond):
				}
			}
		}
	})
	type object struct {
		bucket, key string
		plain       []byte
	}
	var mu sync.Mutex
	var acknowledged []object
	for n := range 32 {
		wg.Go(func() {
			var last *object
			for i := 0; !over(); i++ {
				size := []int{0, 1, 1000, 70_000, 300_000}[(n+i)%5]
				o := object{[]string{"bkt", "other"}[i%2], fmt.Sprintf("%d/%d", n, i), pattern(size)}
				status, body, err := ask(g.addr, call{method: "PUT", target: "/" + o.bucket + "/" + o.key, body: o.plain})
				switch {
				case err != nil:
					t.Errorf("PUT: %v", err)
					return
				case status == 200:
					last = &o
					stored.Add(1)
					mu.Lock()
					acknowledged = append(acknowledged, o)
					mu.Unlock()
				case status == 503:
					refused.Add(1)
				default:
					t.Errorf("PUT gives %d: %s", status, body)
				}
				if last == nil {
					continue
				}
				status, body, err = ask(g.addr, call{method: "GET", target: "/" + last.bucket + "/" + last.key})
				switch {
				case err != nil:
					t.Errorf("GET: %v", err)
					return
				case status == 200:
					read.Add(1)
					if !bytes.Equal(body, last.plain) {
						t.Errorf("GET %s/%s gives other bytes", last.bucket, last.key)
					}
				case status != 503:
					t.Errorf("GET gives %d: %s", status, body)
				}
			}
		})
	}
	wg.Wait()
	close(ended)
	storm.Wait()

	under := map[format.KeyID]int{}
	for _, bucket := range []string{"bkt", "other"} {
		state, err := format.OpenState(one, g.store.stored(bucket, format.StateKey))
		if err != nil {
			t.Fatal(err)
		}
		plain := map[string][]byte{"first": pattern(100)}
		for _, o := range acknowledged {
			if o.bucket == bucket {
				plain[o.key] = o.plain
			}
		}
		for key, want := range plain {
			sealed := g.store.stored(bucket, key)
			h, err := format.ParseHeader(sealed)
			if err != nil || alone[h.KeyID] == nil {
				t.Errorf("%s/%s is acknowledged and under key %s: %v", bucket, key, h.KeyID, err)
				continue
			}
			where, err := format.NewContext(state.BucketID, key)
			if err != nil {
				t.Fatal(err)
			}
			got, err := openAlone(alone[h.KeyID], where, sealed)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s/%s is acknowledged and does not open under the key %s that it names: %v", bucket, key, h.KeyID, err)
			}
			for id, other := range alone {
				if _, err := openAlone(other, where, sealed); id != h.KeyID && err == nil {
					t.Errorf("%s/%s opens under the key %s too", bucket, key, id)
				}
			}
			under[h.KeyID]++
		}
	}
	t.Logf("%d changes; %d acknowledged, %d refused, %d read; under %v", changes.Load(), stored.Load(), refused.Load(), read.Load(), under)
	if changes.Load() < 20 || stored.Load() < 64 || refused.Load() < 10 || read.Load() < 32 || len(under) != 2 {
		t.Error("that was no storm")
	}
}

// unavailableRing cannot ask its agent.
type unavailableRing struct{ *format.Keyring }

func (unavailableRing) BlockKeys(format.KeyID, [54]byte, format.Context) (format.BlockKeys, error) {
	return format.BlockKeys{}, fmt.Errorf("no answer: %w: %w", ErrKeysUnavailable, format.ErrNoKey)
}

// probedKeys is a KeySource that tells its mode.
type probedKeys struct {
	ring Keyring
	err  error
}

func (k *probedKeys) Ring() (Keyring, error) { return k.ring, nil }

func (k *probedKeys) ProbeKeys() (string, error) { return "mode test", k.err }

func TestKeysThatCannotBeAskedForAnswer503(t *testing.T) {
	source := &probedKeys{ring: testRing(t, 0x42)}
	g := newRig(t, func(c *Config) { c.Keys = source })
	g.put("/bkt/k", pattern(1000))
	if key := g.s.readiness(t.Context())[0]; !key.OK || key.Name != "key" || key.Detail != "mode test" {
		t.Errorf("%+v", key)
	}
	source.ring, source.err = &unavailableRing{testRing(t, 0x42)}, fmt.Errorf("no answer: %w", ErrKeysUnavailable)
	for _, c := range []call{{method: "GET", target: "/bkt/k"}, {method: "PUT", target: "/bkt/k", body: pattern(10)}} {
		a := g.do(c)
		g.want(a, 503, "ServiceUnavailable")
		if !strings.Contains(string(a.body), "key agent") {
			t.Errorf("%s: %s", c.method, a.body)
		}
	}
	if key := g.s.readiness(t.Context())[0]; key.OK || key.Detail != "mode test: the key agent cannot be asked; try again" {
		t.Errorf("%+v", key)
	}
	source.ring, source.err = testRing(t, 0x42), nil
	if a := g.get("/bkt/k"); !bytes.Equal(a.body, pattern(1000)) {
		t.Errorf("afterwards: %d", a.status)
	}
}
