package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// lockingStore is a store with object lock that tells locks by HEAD alone, as versitygw, or
// with every read, as S3.
type lockingStore struct {
	*memory
	byGet bool
	mu    sync.Mutex
	reply *backend.Reply // to GetObjectLockConfiguration
	err   error
}

const lockEnabled = `<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`

func lockReply(status int, code, body string) *backend.Reply {
	return &backend.Reply{Status: status, Code: code, Body: []byte(body), Header: http.Header{}}
}

func newLockingRig(t *testing.T, reply *backend.Reply, change ...func(*Config)) (*rig, *lockingStore) {
	t.Helper()
	l := &lockingStore{reply: reply}
	g := newRig(t, append(change, func(c *Config) {
		l.memory = c.Backend.(*memory)
		c.Backend = l
	})...)
	return g, l
}

func (l *lockingStore) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	o, err := l.memory.Get(ctx, bucket, key, opt)
	if err == nil && !l.byGet {
		o.LockMode, o.RetainUntil, o.LegalHold = "", "", ""
	}
	return o, err
}

func (l *lockingStore) Relay(ctx context.Context, q backend.Question) (*backend.Reply, error) {
	if q.Op != "GetObjectLockConfiguration" {
		return l.memory.Relay(ctx, q)
	}
	l.memory.mu.Lock()
	l.calls = append(l.calls, "Ask "+q.Bucket)
	l.memory.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reply, l.err
}

func (l *lockingStore) answer(reply *backend.Reply, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reply, l.err = reply, err
}

// shows wants the locks of an answer; mode "" is none.
func shows(t *testing.T, what string, a answer, mode, until, hold string) {
	t.Helper()
	h := a.header
	if a.status > 299 || h.Get("x-amz-object-lock-mode") != mode || h.Get("x-amz-object-lock-retain-until-date") != until || h.Get("x-amz-object-lock-legal-hold") != hold {
		t.Errorf("%s: %d %v", what, a.status, h)
	}
}

// Readers are told of locks whether the backend tells them by GET or by HEAD alone.
func TestReadersAreToldOfLocks(t *testing.T) {
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	header := map[string]string{"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": until, "x-amz-object-lock-legal-hold": "ON"}
	for _, byGet := range []bool{false, true} {
		for name, change := range map[string]func(*Config){"plain": func(*Config) {}, "sealed names": sealedNames} {
			g, l := newLockingRig(t, lockReply(200, "", lockEnabled), change)
			l.byGet = byGet
			g.store.versioning["bkt"] = "Enabled"
			first := g.do(call{method: "PUT", target: "/bkt/k", body: []byte("locked"), header: header})
			g.want(first, 200, "")
			g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("newer")}), 200, "")
			up := g.begin("/bkt/up", header)
			g.want(up.complete(listed{1, up.part(1, pattern(6*mib))}), 200, "")
			for _, c := range []call{{method: "HEAD"}, {method: "GET"}, {method: "GET", header: map[string]string{"range": "bytes=1-2"}}, {method: "HEAD", header: map[string]string{"range": "bytes=1-2"}}} {
				for target, locked := range map[string]bool{"/bkt/k?versionId=" + first.version(): true, "/bkt/k": false, "/bkt/up": true} {
					c.target = target
					mode, at, hold := "", "", ""
					if locked {
						mode, at, hold = "GOVERNANCE", until, "ON"
					}
					shows(t, fmt.Sprintf("%s, told by GET %v: %s %s", name, byGet, c.method, target), g.do(c), mode, at, hold)
				}
			}
		}
	}
}

// What that costs: nothing but a question a minute where the bucket has no object lock, or
// the backend refuses to say; a HEAD for each read where it has, unless the backend was seen to
// tell locks by GET.
func TestWhatTellingLocksCosts(t *testing.T) {
	hold := map[string]string{"x-amz-object-lock-legal-hold": "ON"}
	for name, c := range map[string]struct {
		reply *backend.Reply
		err   error
		byGet bool
		each  []string // calls for each read
		life  time.Duration
	}{
		"none":            {lockReply(404, "ObjectLockConfigurationNotFoundError", ""), nil, false, []string{"Get bkt/k"}, unlockedTTL},
		"denied":          {lockReply(403, "AccessDenied", ""), nil, false, []string{"Get bkt/k"}, unlockedTTL},
		"unknown there":   {lockReply(501, "NotImplemented", ""), nil, false, []string{"Get bkt/k"}, unlockedTTL},
		"nonsense":        {lockReply(200, "", "<html/>"), nil, false, []string{"Get bkt/k"}, unlockedTTL},
		"told by HEAD":    {lockReply(200, "", lockEnabled), nil, false, []string{"Get bkt/k", "Head bkt/k"}, lockedTTL},
		"cannot be asked": {nil, fault4(backend.Busy, "Relay"), false, []string{"Get bkt/k", "Head bkt/k"}, unknownTTL},
	} {
		t.Run(name, func(t *testing.T) {
			var ahead atomic.Int64
			start := time.Now() // and time stands still, however long the test takes
			now := func() time.Time { return start.Add(time.Duration(ahead.Load())) }
			g, l := newLockingRig(t, c.reply, func(cfg *Config) { cfg.Now = now })
			l.err = c.err
			g.put("/bkt/k", []byte("x"))
			reads := func(asked bool) {
				t.Helper()
				for i := range 4 {
					before := g.store.count()
					g.want(g.do(call{method: []string{"HEAD", "GET"}[i%2], target: "/bkt/k", at: now()}), 200, "")
					want := slices.Clone(c.each)
					if asked && i == 0 {
						want = slices.Insert(want, 1, "Ask bkt")
					}
					got := slices.DeleteFunc(g.store.callsSince(before), func(c string) bool { return strings.Contains(c, format.ReservedPrefix) })
					if !slices.Equal(got, want) {
						t.Errorf("read %d: %v, want %v", i, got, want)
					}
				}
			}
			reads(true)
			ahead.Add(int64(c.life) - 1)
			reads(false)
			ahead.Add(1)
			reads(true)
		})
	}
	g, l := newLockingRig(t, lockReply(200, "", lockEnabled))
	l.byGet = true
	g.put("/bkt/k", []byte("x"))
	g.want(g.do(call{method: "PUT", target: "/bkt/held", body: []byte("x"), header: hold}), 200, "")
	g.want(g.do(call{method: "HEAD", target: "/bkt/held"}), 200, "")
	before := g.store.count()
	for _, method := range []string{"HEAD", "GET"} {
		g.want(g.do(call{method: method, target: "/bkt/k"}), 200, "")
	}
	if got := g.store.callsSince(before); !slices.Equal(got, []string{"Get bkt/k", "Get bkt/k"}) {
		t.Errorf("the backend has told a lock by GET: %v", got)
	}
}

// A condition that decides needs nothing of locks, and neither do other operations.
func TestLocksAreNotAskedForInVain(t *testing.T) {
	g, _ := newLockingRig(t, lockReply(200, "", lockEnabled))
	etag := g.put("/bkt/k", []byte("x")).header.Get("ETag")
	before := g.store.count()
	g.want(g.do(call{method: "HEAD", target: "/bkt/k", header: map[string]string{"if-none-match": etag}}), 304, "")
	g.want(g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"if-match": `"x"`}}), 412, "PreconditionFailed")
	g.want(g.do(call{method: "GET", target: "/bkt/k?attributes", header: map[string]string{"x-amz-object-attributes": "ETag"}}), 200, "")
	g.want(g.do(call{method: "GET", target: "/bkt?list-type=2"}), 200, "")
	if got := g.store.callsSince(before); !slices.Equal(got, []string{"Get bkt/k", "Get bkt/k", "Get bkt/k", "List bkt/"}) {
		t.Errorf("%v", got)
	}
}

// Locks that are enabled through this proxy are told at once; a bucket that is made anew is
// asked anew.
func TestLocksThatAreEnabledAreTold(t *testing.T) {
	g, l := newLockingRig(t, lockReply(404, "ObjectLockConfigurationNotFoundError", ""), quickly)
	g.put("/bkt/k", []byte("x"))
	g.store.buckets["bkt"]["k"].with.LegalHold = "ON"
	shows(t, "before", g.do(call{method: "HEAD", target: "/bkt/k"}), "", "", "")
	l.answer(lockReply(200, "", lockEnabled), nil)
	shows(t, "cached", g.do(call{method: "HEAD", target: "/bkt/k"}), "", "", "")
	g.want(g.do(call{method: "PUT", target: "/bkt?object-lock", body: []byte(lockEnabled)}), 200, "")
	shows(t, "enabled", g.do(call{method: "HEAD", target: "/bkt/k"}), "", "", "ON")
	g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
	g.want(g.do(call{method: "DELETE", target: "/bkt"}), 204, "")
	l.answer(lockReply(404, "ObjectLockConfigurationNotFoundError", ""), nil)
	g.want(g.do(call{method: "PUT", target: "/bkt"}), 200, "")
	g.put("/bkt/k", []byte("x"))
	g.store.buckets["bkt"]["k"].with.LegalHold = "ON"
	shows(t, "made anew", g.do(call{method: "HEAD", target: "/bkt/k"}), "", "", "")
}

// The locks that are told are those of the object that is read, and a backend that fails is
// no answer without them.
func TestLocksAreOfTheObjectThatIsRead(t *testing.T) {
	g, _ := newLockingRig(t, lockReply(200, "", lockEnabled))
	g.put("/bkt/k", []byte("older"))
	replace := func() {
		g.store.before = func(op, _, key string) error {
			if op == "Head" && key == "k" {
				g.store.before = nil
				o := *g.store.buckets["bkt"]["k"]
				o.etag, o.with.LegalHold = `"newer"`, "ON"
				g.store.buckets["bkt"]["k"] = &o
			}
			return nil
		}
	}
	for _, method := range []string{"HEAD", "GET"} {
		g.put("/bkt/k", []byte("older"))
		replace()
		a := g.do(call{method: method, target: "/bkt/k"})
		if shows(t, method, a, "", "", "ON"); a.header.Get("ETag") != clientETag(`"newer"`) {
			t.Errorf("%s: the locks of another object: %v", method, a.header)
		}
	}
	for kind, status := range map[backend.Kind]int{backend.Busy: 503, backend.NotFound: 404} {
		g.put("/bkt/k", []byte("x"))
		g.store.before = func(op, _, key string) error {
			if op == "Head" && key == "k" {
				if kind == backend.NotFound {
					delete(g.store.buckets["bkt"], "k")
				}
				return fault4(kind, op)
			}
			return nil
		}
		for _, method := range []string{"HEAD", "GET"} {
			if a := g.do(call{method: method, target: "/bkt/k"}); a.status != status {
				t.Errorf("%s: %d", method, a.status)
			}
		}
		g.store.before = nil
	}
}

// FuzzObjectLockConfiguration: only a document of that name, well-formed to its end, enables
// anything.
func FuzzObjectLockConfiguration(f *testing.F) {
	for _, s := range []string{lockEnabled, "<ObjectLockConfiguration/>", "<html/>", "", lockEnabled[:40], "<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if enablesLock(doc) && (!strings.Contains(string(doc), "ObjectLockConfiguration") || !slices.Contains(childrenOf(doc), "ObjectLockEnabled")) {
			t.Fatalf("%q enables object lock", doc)
		}
	})
}
