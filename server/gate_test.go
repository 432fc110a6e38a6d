package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// ringOf makes a keyring from repeated bytes, the first active.
func ringOf(t testing.TB, active byte, older ...byte) *format.Keyring {
	t.Helper()
	keys := make([]*format.Keys, 0, 1+len(older))
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

// sealedUnder is the key that the header of a stored object names.
func (m *memory) sealedUnder(t testing.TB, bucket, key string) format.KeyID {
	t.Helper()
	h, err := format.ParseHeader(m.stored(bucket, key))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return h.KeyID
}

// state opens a bucket's state with a ring that has every key.
func (m *memory) state(t testing.TB, bucket string, ring format.Ring) format.State {
	t.Helper()
	st, err := format.OpenState(ring, m.stored(bucket, format.StateKey))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// writes counts the backend's writes of a key.
func (m *memory) writes(key string) (n int) {
	for _, c := range m.callsSince(0) {
		if strings.HasPrefix(c, "Put ") && strings.HasSuffix(c, "/"+key) {
			n++
		}
	}
	return n
}

// later makes every verification of the gate outdated.
func (g *rig) later() {
	g.s.gate.mu.Lock()
	defer g.s.gate.mu.Unlock()
	for _, e := range g.s.gate.buckets {
		e.verified = time.Time{}
	}
}

// beside is another proxy over the same backend, with a ring of its own.
func (g *rig) beside(t *testing.T, ring *format.Keyring) *rig {
	t.Helper()
	o := newRig(t, func(c *Config) { c.Backend = g.store })
	o.store, o.keys.ring = g.store, ring
	return o
}

func TestRotationIsRecordedBeforeTheFirstWrite(t *testing.T) {
	all := ringOf(t, 'B', 'A')
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/old", pattern(3000))
	before := g.store.state(t, "bkt", all)

	recorded := false
	g.store.before = func(op, _, key string) error {
		if op == "Put" && key == "new" {
			h, err := format.ParseHeader(g.store.buckets["bkt"][format.StateKey].data)
			recorded = err == nil && h.KeyID == keyID(t, 'B')
		}
		return nil
	}
	g.keys.ring = all
	g.put("/bkt/new", pattern(4000))
	g.store.before = nil
	if !recorded {
		t.Error("an object was written before the state recorded its key")
	}
	after := g.store.state(t, "bkt", all)
	if _, ok := after.Keys[keyID(t, 'B')]; !ok || len(after.Keys) != 2 {
		t.Errorf("the state has the keys %v", after.Keys)
	}
	if after.BucketID != before.BucketID || !after.CreatedAt.Equal(before.CreatedAt) || after.Settings != before.Settings || fmt.Sprint(after.Names) != fmt.Sprint(before.Names) {
		t.Errorf("rotation changed more than the keys: %+v, was %+v", after, before)
	}
	if id := g.store.sealedUnder(t, "bkt", "new"); id != keyID(t, 'B') {
		t.Errorf("the new object is under %s", id)
	}
	if id := g.store.sealedUnder(t, "bkt", "old"); id != keyID(t, 'A') {
		t.Errorf("the old object is under %s", id)
	}
	for key, n := range map[string]int{"old": 3000, "new": 4000} {
		if a := g.get("/bkt/" + key); !bytes.Equal(a.body, pattern(n)) {
			t.Errorf("%s: %d %s", key, a.status, a.code())
		}
	}
	n := g.store.writes(format.StateKey)
	g.later()
	g.put("/bkt/again", pattern(10))
	if g.store.writes(format.StateKey) != n {
		t.Error("a recorded key was recorded again")
	}
}

// A read, or a probe of readiness, is enough: operators see at once whether a
// rotation arrived.
func TestRotationNeedsNoWrite(t *testing.T) {
	for name, ask := range map[string]func(*rig){
		"get":   func(g *rig) { g.want(g.get("/bkt/old"), 200, "") },
		"ready": func(g *rig) { g.s.Ready(context.Background()) },
	} {
		g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
		g.keys.ring = ringOf(t, 'A')
		g.put("/bkt/old", pattern(10))
		g.keys.ring = ringOf(t, 'B', 'A')
		ask(g)
		if id := g.store.sealedUnder(t, "bkt", format.StateKey); id != keyID(t, 'B') {
			t.Errorf("%s: the state is under %s", name, id)
		}
	}
}

func TestOlderRingIsRefusedAfterRotation(t *testing.T) {
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/old", pattern(10))
	stale := g.beside(t, ringOf(t, 'A'))
	g.keys.ring = ringOf(t, 'B', 'A')
	g.put("/bkt/new", pattern(10))
	n := g.store.count()
	stale.want(stale.do(call{method: "PUT", target: "/bkt/k", body: pattern(10)}), 503, "ServiceUnavailable")
	stale.want(stale.get("/bkt/old"), 503, "ServiceUnavailable")
	stale.want(stale.do(call{method: "HEAD", target: "/bkt"}), 503, "")
	for _, c := range g.store.callsSince(n) {
		if strings.HasPrefix(c, "Put ") {
			t.Errorf("a proxy with an older ring wrote: %s", c)
		}
	}
}

// Two proxies whose rings differ in nothing but which key is active must agree.
func TestRingThatIsBehindSealsUnderTheBucketsKey(t *testing.T) {
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/first", pattern(10))
	behind := g.beside(t, ringOf(t, 'A', 'B'))
	behind.put("/bkt/before", pattern(10))
	if id := g.store.sealedUnder(t, "bkt", "before"); id != keyID(t, 'A') {
		t.Errorf("before the rotation: under %s", id)
	}
	g.keys.ring = ringOf(t, 'B', 'A')
	g.put("/bkt/rotated", pattern(10))
	behind.later()
	n := g.store.writes(format.StateKey)
	for i := range 4 {
		p := []*rig{g, behind}[i%2]
		p.later()
		key := fmt.Sprintf("k%d", i)
		p.put("/bkt/"+key, pattern(100))
		p.want(p.do(call{method: "PUT", target: "/bkt/c" + key, header: map[string]string{"x-amz-copy-source": "/bkt/first"}}), 200, "")
		for _, k := range []string{key, "c" + key} {
			if id := g.store.sealedUnder(t, "bkt", k); id != keyID(t, 'B') {
				t.Errorf("%s is under %s, want the bucket's key %s", k, id, keyID(t, 'B'))
			}
		}
	}
	if g.store.writes(format.StateKey) != n {
		t.Error("the state flips between two proxies")
	}
	g.want(g.get("/bkt/k1"), 200, "")
	behind.want(behind.get("/bkt/k0"), 200, "")
}

func TestRingThatLacksARecordedKeyIsRefusedForThatBucketAlone(t *testing.T) {
	var log bytes.Buffer
	g := newRig(t, func(c *Config) { c.Log = zerolog.New(&log) })
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/old", pattern(10))
	g.keys.ring = ringOf(t, 'B', 'A')
	g.put("/bkt/new", pattern(10))
	g.keys.ring = ringOf(t, 'B')
	g.put("/other/k", pattern(10))
	for _, ring := range []*format.Keyring{ringOf(t, 'B'), ringOf(t, 'C', 'B')} {
		g.keys.ring = ring
		log.Reset()
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: pattern(10)}), 503, "ServiceUnavailable")
		g.want(g.get("/bkt/new"), 503, "ServiceUnavailable")
		if text := log.String(); !strings.Contains(text, "bucket bkt") || !strings.Contains(text, keyID(t, 'A').String()) {
			t.Errorf("the log does not name bucket and key: %s", text)
		}
		g.want(g.get("/other/k"), 200, "")
	}
	if st := g.store.state(t, "bkt", ringOf(t, 'A', 'B')); len(st.Keys) != 2 {
		t.Errorf("a refused ring changed the state: %v", st.Keys)
	}
}

func TestForeignRingChangesNothing(t *testing.T) {
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/k", pattern(10))
	want := bytes.Clone(g.store.stored("bkt", format.StateKey))
	n := g.store.count()
	for _, ring := range []*format.Keyring{ringOf(t, 'Z'), ringOf(t, 'Y', 'Z')} {
		g.keys.ring = ring
		g.want(g.do(call{method: "PUT", target: "/bkt/x", body: pattern(10)}), 503, "ServiceUnavailable")
		g.want(g.get("/bkt/k"), 503, "ServiceUnavailable")
	}
	for _, c := range g.store.callsSince(n) {
		if strings.HasPrefix(c, "Put ") {
			t.Errorf("a foreign ring wrote: %s", c)
		}
	}
	if !bytes.Equal(want, g.store.stored("bkt", format.StateKey)) {
		t.Error("a foreign ring changed the state")
	}
}

// twin lies about the tag of one key, as another master with the same id would.
type twin struct {
	*format.Keyring
	id format.KeyID
}

func (w *twin) KVT(id format.KeyID) ([32]byte, bool) {
	tag, ok := w.Keyring.KVT(id)
	if id == w.id {
		tag[0] ^= 1
	}
	return tag, ok
}

func TestTwinOfARecordedKeyIsRefused(t *testing.T) {
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/k", pattern(10))
	for _, ring := range []keyring{&twin{ringOf(t, 'A'), keyID(t, 'A')}, &twin{ringOf(t, 'B', 'A'), keyID(t, 'A')}} {
		if _, err := g.s.gate.open(t.Context(), ring, "bkt", true); !errors.Is(err, errStateKey) {
			t.Errorf("got %v, want a wrong key", err)
		}
	}
	if id := g.store.sealedUnder(t, "bkt", format.StateKey); id != keyID(t, 'A') {
		t.Error("a twin changed the state")
	}
}

// Two hosts were given different new keys at the same time: one wins, and nothing
// is ever written under the other's.
func TestTwoRotationsAtOnceHaveOneWinner(t *testing.T) {
	for round := range 8 {
		g := newRig(t)
		g.keys.ring = ringOf(t, 'A')
		g.put("/bkt/old", pattern(10))
		b, c := g.beside(t, ringOf(t, 'B', 'A')), g.beside(t, ringOf(t, 'C', 'A'))
		var wg sync.WaitGroup
		status := make([]int, 16)
		for i := range status {
			p := []*rig{b, c}[i%2]
			wg.Go(func() {
				status[i] = p.do(call{method: "PUT", target: fmt.Sprintf("/bkt/k%d", i), body: pattern(i)}).status
			})
		}
		wg.Wait()
		winner := g.store.sealedUnder(t, "bkt", format.StateKey)
		if winner != keyID(t, 'B') && winner != keyID(t, 'C') {
			t.Fatalf("round %d: the state is under %s", round, winner)
		}
		for i, s := range status {
			won := []format.KeyID{keyID(t, 'B'), keyID(t, 'C')}[i%2] == winner
			if won != (s == 200) || !won && s != 503 {
				t.Errorf("round %d: write %d: %d, its proxy won: %v", round, i, s, won)
			}
			if s == 200 && g.store.sealedUnder(t, "bkt", fmt.Sprintf("k%d", i)) != winner {
				t.Errorf("round %d: write %d is not under the bucket's key", round, i)
			}
		}
		if st := g.store.state(t, "bkt", ringOf(t, 'A', 'B', 'C')); len(st.Keys) != 2 {
			t.Errorf("round %d: %d keys in the state", round, len(st.Keys))
		}
	}
}

func TestOneRotationOfManyProxiesServesAll(t *testing.T) {
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/old", pattern(10))
	proxies := []*rig{g.beside(t, ringOf(t, 'B', 'A')), g.beside(t, ringOf(t, 'B', 'A')), g.beside(t, ringOf(t, 'A', 'B'))}
	var wg sync.WaitGroup
	for i := range 24 {
		p := proxies[i%len(proxies)]
		wg.Go(func() {
			if s := p.do(call{method: "PUT", target: fmt.Sprintf("/bkt/k%d", i), body: pattern(i)}).status; s != 200 {
				t.Errorf("write %d: %d", i, s)
			}
		})
	}
	wg.Wait()
	for i := range 24 {
		if a := proxies[0].get(fmt.Sprintf("/bkt/k%d", i)); !bytes.Equal(a.body, pattern(i)) {
			t.Errorf("k%d: %d", i, a.status)
		}
	}
}

func TestRotationOnAStoreThatIgnoresIfMatchIsRefused(t *testing.T) {
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/old", pattern(10))
	want := bytes.Clone(g.store.stored("bkt", format.StateKey))
	o := newRig(t, func(c *Config) { c.Backend = noConditions{g.store} })
	o.keys.ring = ringOf(t, 'B', 'A')
	for range 2 { // not only the first time
		o.want(o.do(call{method: "PUT", target: "/bkt/k", body: pattern(10)}), 503, "ServiceUnavailable")
	}
	if !bytes.Equal(want, g.store.stored("bkt", format.StateKey)) || g.store.stored("bkt", "k") != nil {
		t.Error("something was changed on a store that cannot arbitrate")
	}
	o.keys.ring = ringOf(t, 'A', 'B') // back to the bucket's key
	o.want(o.get("/bkt/old"), 200, "")
}

// lostProbe answers the first conditional write of a state as the client does
// when the answer was lost.
type lostProbe struct {
	*memory
	once sync.Once
}

func (l *lostProbe) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	lost := false
	if key == format.StateKey && cond.IfMatch != "" {
		l.once.Do(func() { lost = true })
	}
	if lost {
		return backend.Written{}, &backend.Error{Kind: backend.Precondition, Op: "PutObject", Unsure: true}
	}
	return l.memory.Put(ctx, bucket, key, body, size, cond)
}

func TestLostAnswerProvesNothing(t *testing.T) {
	g := newRig(t)
	g.keys.ring = ringOf(t, 'A')
	g.put("/bkt/old", pattern(10))
	o := newRig(t, func(c *Config) { c.Backend = &lostProbe{memory: g.store} })
	o.keys.ring = ringOf(t, 'B', 'A')
	o.want(o.do(call{method: "PUT", target: "/bkt/k", body: pattern(10)}), 503, "ServiceUnavailable")
	if id := g.store.sealedUnder(t, "bkt", format.StateKey); id != keyID(t, 'A') {
		t.Errorf("the state moved to %s without a proof", id)
	}
	o.want(o.do(call{method: "PUT", target: "/bkt/k", body: pattern(10)}), 200, "")
}

// TestRotationCutAnywhere fails, or loses the answer of, each backend call of a
// rotation in turn: the state is the old or the new one, and the next try serves.
func TestRotationCutAnywhere(t *testing.T) {
	for n := 0; ; n++ {
		cut := 0
		for _, took := range []bool{false, true} {
			g := newRig(t)
			g.keys.ring = ringOf(t, 'A')
			g.put("/bkt/old", pattern(3000))
			c := &cutting{memory: g.store, at: n, took: took}
			o := newRig(t, func(cfg *Config) { cfg.Backend = c })
			o.keys.ring = ringOf(t, 'B', 'A')
			a := o.do(call{method: "PUT", target: "/bkt/k", body: pattern(10)})
			c.at = -1 // the next try meets no fault
			if c.cut {
				cut++
				if a.status != 503 && a.status != 200 {
					t.Errorf("call %d cut: %d", n, a.status)
				}
			}
			g.store.state(t, "bkt", ringOf(t, 'B', 'A')) // opens
			o.want(o.do(call{method: "PUT", target: "/bkt/k", body: pattern(20)}), 200, "")
			o.want(o.get("/bkt/old"), 200, "")
			if id := g.store.sealedUnder(t, "bkt", "k"); id != keyID(t, 'B') {
				t.Errorf("call %d: the object is under %s", n, id)
			}
		}
		if cut == 0 {
			if n < 4 {
				t.Fatalf("a rotation has only %d calls", n)
			}
			return
		}
	}
}

// cutting fails one Get or Put, after it took effect or instead.
type cutting struct {
	*memory
	mu   sync.Mutex
	n    int
	at   int
	took bool
	cut  bool
}

func (c *cutting) next() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	if c.n-1 == c.at {
		c.cut = true
		return true
	}
	return false
}

func (c *cutting) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	if c.next() {
		return nil, fault4(backend.Busy, "Get")
	}
	return c.memory.Get(ctx, bucket, key, opt)
}

func (c *cutting) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	cut := c.next()
	if cut && !c.took {
		return backend.Written{}, fault4(backend.Busy, "Put")
	}
	w, err := c.memory.Put(ctx, bucket, key, body, size, cond)
	if cut {
		return backend.Written{}, fault4(backend.Busy, "Put")
	}
	return w, err
}

func TestStateTooLargeToReadAgainIsNotWritten(t *testing.T) {
	g := newRig(t)
	a := ringOf(t, 'A')
	g.keys.ring = a
	g.put("/bkt/k", pattern(10))
	st := g.store.state(t, "bkt", a)
	for i := 0; len(st.Names) < 64; i++ { // names and keys as many as fit
		st.Names = append(st.Names, fmt.Sprintf("n%s-%02d", strings.Repeat("x", 240), i))
	}
	ring := &wide{Keyring: ringOf(t, 'B', 'A'), extra: map[format.KeyID][32]byte{}}
	var object []byte
	for i := 0; ; i++ {
		id := format.KeyID{1, byte(i >> 8), byte(i)}
		st.Keys[id] = [32]byte{}
		ring.extra[id] = [32]byte{}
		next, err := format.SealState(a, st)
		if err != nil {
			t.Fatal(err)
		}
		if len(next) > maxState {
			delete(st.Keys, id)
			break
		}
		object = next
	}
	g.store.tamper("bkt", format.StateKey, func([]byte) []byte { return object })
	if _, err := g.s.gate.open(t.Context(), ring, "bkt", true); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
	if !bytes.Equal(object, g.store.stored("bkt", format.StateKey)) {
		t.Error("it was written")
	}
}

// wide claims to have more keys than it has.
type wide struct {
	*format.Keyring
	extra map[format.KeyID][32]byte
}

func (w *wide) KVT(id format.KeyID) ([32]byte, bool) {
	if tag, ok := w.extra[id]; ok {
		return tag, true
	}
	return w.Keyring.KVT(id)
}
