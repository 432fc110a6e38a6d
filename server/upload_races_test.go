package server

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTwoCompletesAtOnce and more, through as many proxies: each is told of success, or
// that the upload is over, at least one of success, and the object is whole.
func TestTwoCompletesAtOnce(t *testing.T) {
	for name, last := range map[string][]byte{"staged last part": []byte("end"), "whole last part": pattern(5 * mib), "a small part alone": nil} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			u := g.begin("/bkt/k", nil)
			size := 5 * mib
			if last == nil {
				size = 1000
			}
			list := []listed{{1, u.part(1, pattern(size))}}
			if last != nil {
				list = append(list, listed{2, u.part(2, last)})
			}
			var answers [6]answer
			var all sync.WaitGroup
			for i := range answers {
				w := &partsUp{g.twin(), u.target, u.id}
				all.Go(func() { answers[i] = w.complete(list...) })
			}
			all.Wait()
			good := 0
			for _, a := range answers {
				if a.status == 200 {
					good++
				} else {
					g.want(a, 404, "NoSuchUpload")
				}
			}
			if good == 0 {
				t.Error("nobody succeeded")
			}
			if a := g.get("/bkt/k"); !bytes.Equal(a.body, append(pattern(size), last...)) {
				t.Fatalf("%d, %d bytes", a.status, len(a.body))
			}
			g.want(u.complete(list...), 200, "")
			g.onlyObjects("k")
		})
	}
}

// TestLateCompleteReplacesNothing: a Complete that was sent again, through another proxy,
// while the first is under way, at every call of the first to the backend. What a client
// stores after the second was told of success stands, whatever the first does then.
func TestLateCompleteReplacesNothing(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"of parts": 5 * mib, "a small part alone": 1000} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			h := g.twin()
			again := 0
			for n, more := 1, true; more; n++ {
				u := g.begin("/bkt/k", nil)
				list := []listed{{1, u.part(1, pattern(size))}}
				var first, second answer
				more = g.during(n, func() { first = u.complete(list...) }, func() {
					if second = (&partsUp{h, u.target, u.id}).complete(list...); second.status == 200 {
						h.put("/bkt/k", []byte("later"))
						again++
					}
				})
				a := g.get("/bkt/k")
				switch {
				case second.status == 200 && string(a.body) != "later":
					t.Fatalf("at call %d: the later object was replaced by %d bytes; the first was told %d", n, len(a.body), first.status)
				case second.status != 200 && (first.status != 200 || !bytes.Equal(a.body, pattern(size))):
					t.Fatalf("at call %d: %d, %d and %d bytes", n, first.status, second.status, len(a.body))
				}
			}
			if again == 0 {
				t.Error("no Complete was crossed")
			}
			g.onlyObjects("k")
		})
	}
}

// TestCompleteOfAnotherAttemptIsNoSuccess: a part below 5 MiB, sent twice with the same
// size, and completed with the second attempt. Who lists the first is not told that the
// object is made of it; who lists the second is, as often as they ask.
func TestCompleteOfAnotherAttemptIsNoSuccess(t *testing.T) {
	for _, mode := range []ETagMode{ETagOpaque, ETagMD5} {
		g := newRig(t, func(c *Config) { c.ETags = mode })
		g.put("/bkt/source", []byte("three"))
		u := g.begin("/bkt/k", nil)
		one, two := u.part(1, []byte("first")), u.part(1, []byte("other"))
		g.want(u.complete(listed{1, one}), 400, "InvalidPart")
		g.want(u.complete(listed{1, two}), 200, "")
		for range 2 {
			g.want(u.complete(listed{1, one}), 404, "NoSuchUpload")
			g.want(u.complete(listed{1, two}), 200, "")
		}
		if a := g.get("/bkt/k"); string(a.body) != "other" {
			t.Errorf("%q", a.body)
		}
		// A part that was copied is recognised, too.
		u = g.begin("/bkt/k", nil)
		c := u.partCall(1, nil)
		c.header = map[string]string{"x-amz-copy-source": "/bkt/source"}
		a := g.do(c)
		g.want(a, 200, "")
		copied := strings.NewReplacer("&#34;", `"`, "&quot;", `"`).Replace(between(a.body, "ETag"))
		for range 2 {
			g.want(u.complete(listed{1, copied}), 200, "")
		}
	}
}

// TestOvertakenCompleteIsASuccess: another write takes the object's place before Complete
// could look at it. Both have succeeded, and the later one stands.
func TestOvertakenCompleteIsASuccess(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/other", []byte("the later write"))
	for name, overtake := range map[string]func(u *partsUp){
		"seen by us": func(u *partsUp) {
			g.store.committed = func(key string) {
				if key == "k" {
					g.store.buckets["bkt"]["k"] = g.store.buckets["bkt"]["later"]
				}
			}
		},
		"seen by the backend's client": func(u *partsUp) { g.store.replaced = true },
	} {
		later := g.begin("/bkt/k", nil)
		g.want(later.complete(listed{1, later.part(1, pattern(6*mib))}), 200, "")
		u := g.begin("/bkt/k", nil)
		p := u.part(1, pattern(5*mib))
		g.store.mu.Lock()
		g.store.buckets["bkt"]["later"] = g.store.buckets["bkt"]["k"]
		g.store.mu.Unlock()
		overtake(u)
		a := u.complete(listed{1, p})
		g.store.committed = nil
		g.want(a, 200, "")
		if etag := strings.ReplaceAll(between(a.body, "ETag"), "&#34;", `"`); name == "seen by us" && etag == g.get("/bkt/k").header.Get("ETag") {
			t.Errorf("%s: the ETag is that of the other object", name)
		}
		if !g.store.replaced && !bytes.Equal(g.get("/bkt/k").body, pattern(6*mib)) {
			t.Errorf("%s: the later write does not stand", name)
		}
		g.store.replaced = false
		g.store.mu.Lock()
		delete(g.store.buckets["bkt"], "later")
		g.store.mu.Unlock()
		g.onlyObjects("k", "other")
	}
}

// TestCompleteThatVanishedIsNoSuccess: an object that is gone when it is looked at may
// never have been there.
func TestCompleteThatVanishedIsNoSuccess(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	p := u.part(1, pattern(5*mib))
	g.store.committed = func(key string) {
		if key == "k" {
			delete(g.store.buckets["bkt"], "k")
		}
	}
	if a := u.complete(listed{1, p}); a.status != 503 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// during runs first, and second in the middle of it, as the backend is called for the n-th
// time. It says whether there were so many calls.
func (g *rig) during(n int, first, second func()) (reached bool) {
	g.store.mu.Lock()
	g.store.before = func(string, string, string) error {
		if n--; n != 0 {
			return nil
		}
		reached = true
		g.store.before = nil
		g.store.mu.Unlock() // enter holds it
		second()
		g.store.mu.Lock()
		return nil
	}
	g.store.mu.Unlock()
	first()
	g.store.mu.Lock()
	g.store.before = nil
	g.store.mu.Unlock()
	return reached
}

// TestAbortRacingComplete: each of the two comes in the middle of the other, at every call
// to the backend. The new object is there, whole, and Complete said so, or the old one is
// and Complete said that the upload is over. Nothing of the upload is left.
func TestAbortRacingComplete(t *testing.T) {
	t.Parallel()
	for name, staged := range map[string]bool{"of one part": true, "of parts": false} {
		for _, abortFirst := range []bool{false, true} {
			g := newRig(t)
			h, whole := g.twin(), pattern(5*mib)
			won := map[int]int{}
			for n, more := 1, true; more; n++ {
				g.put("/bkt/k", []byte("old"))
				u := g.begin("/bkt/k", nil)
				data := []byte("the end")
				list := []listed{{9, u.part(9, data)}}
				if !staged {
					data = append(bytes.Clone(whole), data...)
					list = append([]listed{{1, u.part(1, whole)}}, list...)
				}
				var aborted, completed answer
				abort := func() { aborted = (&partsUp{h, u.target, u.id}).abort() }
				complete := func() { completed = u.complete(list...) }
				if abortFirst {
					more = g.during(n, abort, complete)
				} else {
					more = g.during(n, complete, abort)
				}
				if !more {
					break
				}
				won[completed.status]++
				want := []byte("old")
				if completed.status == 200 {
					want = data
				} else {
					g.want(completed, 404, "NoSuchUpload")
				}
				if aborted.status != 204 {
					g.want(aborted, 404, "NoSuchUpload")
				}
				if a := g.get("/bkt/k"); !bytes.Equal(a.body, want) {
					t.Fatalf("Complete %d, Abort %d: %d bytes are there, want %d", completed.status, aborted.status, len(a.body), len(want))
				}
				g.onlyObjects("k")
			}
			if won[200] == 0 || won[404] == 0 {
				t.Errorf("%s: one of them always wins: %v", name, won)
			}
		}
	}
}

func onePart(u *partsUp) listed { return listed{1, u.part(1, []byte("x"))} }

// TestAbortHoldsTheInitiatedTime to the second, as the listing tells it; a time that is
// still to come is no condition.
func TestAbortHoldsTheInitiatedTime(t *testing.T) {
	const name = "x-amz-if-match-initiated-time"
	g := newRig(t)
	for given, want := range map[string]int{
		"as listed": 204, "a second off": 412, "a year ago": 412, "to come": 204, "no time": 400,
	} {
		u := g.begin("/bkt/k", nil)
		listed, err := time.Parse(xmlTime, g.uploads("").Uploads[0].Initiated)
		if err != nil {
			t.Fatal(err)
		}
		header := map[string]string{
			"as listed":    listed.UTC().Format(http.TimeFormat),
			"a second off": listed.Add(-time.Second).UTC().Format(http.TimeFormat),
			"a year ago":   listed.AddDate(-1, 0, 0).UTC().Format(http.TimeFormat),
			"to come":      listed.AddDate(1, 0, 0).UTC().Format(http.TimeFormat),
			"no time":      "yesterday",
		}[given]
		a := u.do(call{method: "DELETE", target: u.target + "?uploadId=" + u.id, header: map[string]string{name: header}})
		if a.status != want {
			t.Errorf("%s: %d %s", given, a.status, a.body)
		}
		if want != 204 {
			g.want(u.complete(onePart(u)), 200, "") // it goes on
			g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
		}
		g.onlyObjects()
	}
}
