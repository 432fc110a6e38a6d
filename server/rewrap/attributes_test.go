package rewrap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

var (
	today   = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	locked  = backend.Attributes{LockMode: "GOVERNANCE", RetainUntil: "2027-01-02T03:04:05Z", LegalHold: "ON"}
	granted = backend.Attributes{GrantFullControl: `id="me"`, GrantRead: `id="you", uri="http://acs.amazonaws.com/groups/global/AllUsers"`, GrantWriteACP: `id="you"`}
)

func on(day time.Time) func(*Config) {
	return func(c *Config) {
		c.clock = clock{func() time.Time { return day }, sleep}
	}
}

// beside gives an object what a store keeps beside it.
func (f *fake) beside(key string, a backend.Attributes) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.objects[key]
	o.with = a
	f.objects[key] = o
}

// TestWhatTheStoreKeepsBesideAnObjectSurvives: tags, grants, class and locks, whichever
// way the object is written.
func TestWhatTheStoreKeepsBesideAnObjectSurvives(t *testing.T) {
	f := rotated(t, 0).addLarge(t)
	f.locks = true
	f.put(t, "small", sealed(t, ringOf(t, 'A'), "small", []byte("x")))
	f.put(t, "parts", sealedParts(t, ringOf(t, 'A'), "parts", 5<<20, 1))
	f.put(t, "bare", sealed(t, ringOf(t, 'A'), "bare", []byte("x")))
	all := granted
	all.Tagging, all.StorageClass = "a+b=%C3%BC%26%3D&c=", "STANDARD_IA"
	all.LockMode, all.RetainUntil, all.LegalHold = locked.LockMode, locked.RetainUntil, locked.LegalHold
	for _, key := range []string{"small", "parts", "large"} {
		f.beside(key, all)
	}
	report, err := run(t.Context(), t, f, on(today))
	if err != nil || !report.Clean() || report.Kinds.Rewrapped.Objects != 4 {
		t.Fatalf("%v %+v", err, report)
	}
	for _, key := range []string{"small", "parts", "large"} {
		if got := f.objects[key].with; got != all {
			t.Errorf("%s has %+v, had %+v", key, got, all)
		}
	}
	if got := f.objects["bare"].with; got.Any() {
		t.Errorf("an object that had nothing has %+v", got)
	}
}

func TestLockThatIsOverIsNotGivenAgain(t *testing.T) {
	f := rotated(t, 1)
	f.locks = true
	f.beside("a0000", backend.Attributes{LockMode: "COMPLIANCE", RetainUntil: "2026-01-01T00:00:00Z"})
	if report, err := run(t.Context(), t, f, on(today)); err != nil || !report.Clean() || f.objects["a0000"].with.Any() {
		t.Errorf("%v %+v", err, report)
	}
}

// TestObjectThatMayNotBeWrittenIsHeld: it stays as it is, under its key, is named with
// the reason, and does not end the run.
func TestObjectThatMayNotBeWrittenIsHeld(t *testing.T) {
	tests := []struct {
		what, reason string
		with         backend.Attributes
		change       func(*fake)
	}{
		{"a lock that refuses", "object lock", locked, func(f *fake) { f.locks, f.lockRefuses = true, true }},
		{"a store that forgets tags", "forgets", backend.Attributes{Tagging: "a=b"}, func(f *fake) { f.forgets = true }},
		{"a store that forgets grants", "forgets", granted, func(f *fake) { f.forgets = true }},
		{"tags that are not shown", "GetObjectTagging", backend.Attributes{}, func(f *fake) { f.hides["GetObjectTagging"] = "AccessDenied" }},
		{"grants that are not shown", "GetObjectAcl", backend.Attributes{}, func(f *fake) { f.hides["GetObjectAcl"] = "AccessDenied" }},
		{"locks that are not shown", "GetObjectLegalHold", backend.Attributes{}, func(f *fake) { f.locks = true; f.hides["GetObjectLegalHold"] = "AccessDenied" }},
		{"a grant without a name", "usable name", backend.Attributes{GrantRead: `id="", uri=""`}, func(*fake) {}},
	}
	for _, tt := range tests {
		const n = 2 * maxFailures
		f := rotated(t, n)
		for i := range n {
			f.beside(fmt.Sprintf("a%04d", i), tt.with)
		}
		tt.change(f)
		before := f.copy()
		report, err := run(t.Context(), t, f, on(today))
		if err != nil || report.Kinds.Held.Objects != n || report.Clean() || report.key(keyID(t, 'A')).Objects != n || report.key(keyID(t, 'A')).Retirable {
			t.Errorf("%s: %v %+v", tt.what, err, report.Kinds)
			continue
		}
		if r := report.Trouble[0]; r.Kind != Held || !strings.Contains(r.Reason, tt.reason) {
			t.Errorf("%s: %+v", tt.what, r)
		}
		for key, o := range before.objects {
			if f.objects[key].etag != o.etag {
				t.Errorf("%s: %s was written", tt.what, key)
			}
		}
	}
}

// TestProofOfTagsProvesNoGrants: what the store was seen to keep is what was tried.
func TestProofOfTagsProvesNoGrants(t *testing.T) {
	f := rotated(t, 2)
	f.forgetsGrants = true
	f.beside("a0000", backend.Attributes{Tagging: "a=b"})
	f.beside("a0001", granted)
	report, err := run(t.Context(), t, f, on(today), func(c *Config) { c.Parallel = 1 })
	if err != nil || report.Kinds.Held.Objects != 1 || report.Kinds.Rewrapped.Objects != 1 {
		t.Errorf("%v %+v", err, report.Kinds)
	}
	if got := f.objects["a0001"].with; got != granted {
		t.Errorf("grants were lost: %+v", got)
	}
}

// TestStoreWithoutTagsGrantsAndLocks answers each question with "not implemented".
func TestStoreWithoutTagsGrantsAndLocks(t *testing.T) {
	f := rotated(t, 3)
	for _, op := range []string{"GetObjectTagging", "GetObjectAcl", "GetObjectLockConfiguration", "GetBucketVersioning"} {
		f.hides[op] = "NotImplemented"
	}
	if report, err := run(t.Context(), t, f); err != nil || !report.Clean() || !report.key(keyID(t, 'A')).Retirable {
		t.Errorf("%v %+v", err, report)
	}
}

func TestLockThatTheStoreForgotIsTold(t *testing.T) {
	f := rotated(t, 1)
	f.locks, f.forgets = true, true
	f.beside("a0000", locked)
	report, err := run(t.Context(), t, f, on(today))
	if err != nil || report.Kinds.Failed.Objects != 1 || len(report.Trouble) != 1 || !strings.Contains(report.Trouble[0].Reason, "lock") {
		t.Errorf("%v %+v", err, report)
	}
}
