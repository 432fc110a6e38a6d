package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// removing is a DeleteObjects of entries as documents have them, without their Object.
func (g *rig) removing(entries ...string) answer {
	g.t.Helper()
	doc := "<Delete><Object>" + strings.Join(entries, "</Object><Object>") + "</Object></Delete>"
	a := g.do(call{method: "POST", target: "/bkt?delete", body: []byte(doc)})
	g.want(a, 200, "")
	return a
}

// outcome is what an answer says of a key: "deleted", or the code of its error.
func (a answer) outcome(key string) string {
	doc := string(a.body)
	if strings.Contains(doc, "<Deleted><Key>"+key+"</Key>") {
		return "deleted"
	}
	_, failed, _ := strings.Cut(doc, "<Error><Key>"+key+"</Key>")
	return between([]byte(failed), "Code")
}

// TestDeleteObjectsHoldsEachEntryToItsConditions, which speak of the plain object; the rest
// of the list goes on.
func TestDeleteObjectsHoldsEachEntryToItsConditions(t *testing.T) {
	for _, mode := range []ETagMode{ETagOpaque, ETagMD5} {
		g := newRig(t, func(c *Config) { c.ETags = mode })
		stamp := time.Unix(1768478400, 0).UTC() // of every object in memory
		for entry, holds := range map[string]bool{
			"<ETag>&quot;IS&quot;</ETag>": true, "<ETag>IS</ETag>": true, "<ETag>*</ETag>": true, "<Size>5</Size>": true,
			"<LastModifiedTime>" + stamp.Format(httpTime) + "</LastModifiedTime>":                             true,
			"<LastModifiedTime>" + stamp.Format(xmlTime) + "</LastModifiedTime>":                              true,
			"<ETag>*</ETag><Size>5</Size><LastModifiedTime>" + stamp.Format(httpTime) + "</LastModifiedTime>": true,
			"<ETag>other</ETag>": false, "<ETag/>": false, "<Size>6</Size>": false, "<Size>five</Size>": false, "<Size/>": false,
			"<LastModifiedTime>Mon, 02 Jan 2006 15:04:05 GMT</LastModifiedTime>": false, "<LastModifiedTime>yesterday</LastModifiedTime>": false, "<ETag>*</ETag><Size>6</Size>": false,
		} {
			for _, key := range []string{"also", "beside", "k"} {
				etag := g.put("/bkt/"+key, []byte("plain")).header.Get("ETag")
				if key == "k" {
					entry = strings.Replace(entry, "IS", strings.Trim(etag, `"`), 1)
				}
			}
			a := g.removing("<Key>also</Key><Size>5</Size>", "<Key>k</Key>"+entry, "<Key>beside</Key>", "<Key>none</Key><ETag>*</ETag>")
			want := "deleted"
			if !holds {
				want = "PreconditionFailed"
			}
			if got := a.outcome("k"); got != want || (g.store.stored("bkt", "k") == nil) != holds {
				t.Errorf("%s: %s, want %s: %s", entry, got, want, a.body)
			}
			if a.outcome("also") != "deleted" || a.outcome("beside") != "deleted" || a.outcome("none") != "PreconditionFailed" || g.store.stored("bkt", "also") != nil || g.store.stored("bkt", "beside") != nil {
				t.Errorf("%s: %s", entry, a.body)
			}
			bound := slices.ContainsFunc(g.store.deleted, func(with backend.DeleteOptions) bool { return with.IfMatch != "" })
			if holds && !bound {
				t.Errorf("%s: the backend was not told which object", entry)
			}
			g.store.deleted = nil
		}
	}
}

// TestDeleteObjectsUnderConditionsIsAtomic: an object that is stored between the look and the removal
// stays, and so does everything on a store that does not know conditions of DELETE.
func TestDeleteObjectsUnderConditionsIsAtomic(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("older"))
	g.want(g.do(call{method: "DELETE", target: "/bkt/k", header: map[string]string{"if-match": "*"}}), 204, "") // the store has proved itself
	g.put("/bkt/k", []byte("older"))
	g.store.before = func(op, _, key string) error {
		if op == "Delete" && key == "k" {
			g.store.before = nil
			g.store.buckets["bkt"]["k"].etag = `"newer"`
		}
		return nil
	}
	if a := g.removing("<Key>k</Key><Size>5</Size>"); a.outcome("k") != "PreconditionFailed" || g.store.stored("bkt", "k") == nil {
		t.Errorf("another object was removed: %s", a.body)
	}
	lax, _ := deafRig(t)
	lax.put("/bkt/k", []byte("x"))
	lax.put("/bkt/l", []byte("x"))
	if a := lax.removing("<Key>k</Key><ETag>*</ETag>", "<Key>l</Key>"); a.outcome("k") != "NotImplemented" || a.outcome("l") != "deleted" || lax.store.stored("bkt", "k") == nil {
		t.Errorf("a store that ignores conditions: %s", a.body)
	}
	g.store.before = func(op, _, key string) error {
		if op == "Get" && key == "k" {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	if a := g.removing("<Key>k</Key><ETag>*</ETag>"); a.outcome("k") != "ServiceUnavailable" || g.store.stored("bkt", "k") == nil {
		t.Errorf("a backend that fails: %s", a.body)
	}
}

// TestDeleteObjectsUnderConditionsOfVersions, and of as many keys as a list may have.
func TestDeleteObjectsUnderConditionsOfVersions(t *testing.T) {
	g := versioned(t)
	old := g.put("/bkt/k", []byte("old"))
	now := g.put("/bkt/k", []byte("newer"))
	of := "<Key>k</Key><VersionId>" + old.version() + "</VersionId>"
	if a := g.removing(of + "<Size>5</Size>"); a.outcome("k") != "PreconditionFailed" {
		t.Errorf("%s", a.body)
	}
	if a := g.removing(of + "<Size>3</Size>"); a.outcome("k") != "deleted" || !strings.Contains(string(a.body), "<VersionId>"+old.version()+"</VersionId>") {
		t.Errorf("%s", a.body)
	}
	g.want(g.get("/bkt/k?versionId="+old.version()), 404, "NoSuchVersion")
	if a := g.removing("<Key>k</Key><ETag>" + escapeXML(now.header.Get("ETag")) + "</ETag>"); a.outcome("k") != "deleted" || !strings.Contains(string(a.body), "<DeleteMarker>true</DeleteMarker>") {
		t.Errorf("%s", a.body)
	}
	many := newRig(t)
	var entries []string
	for i := range maxDeleteKeys {
		key := fmt.Sprintf("k%d", i)
		if i%50 == 0 {
			many.put("/bkt/"+key, []byte("x"))
		}
		entries = append(entries, "<Key>"+key+"</Key><Size>1</Size>")
	}
	a := many.removing(entries...)
	if gone, kept := strings.Count(string(a.body), "<Deleted>"), strings.Count(string(a.body), "<Code>PreconditionFailed</Code>"); gone != maxDeleteKeys/50 || kept != maxDeleteKeys-gone {
		t.Errorf("%d removed, %d not there", gone, kept)
	}
}
