package server

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// page is what a client reads of a listing of either version.
type page struct {
	IsTruncated    bool
	Marker         *string
	NextMarker     string
	KeyCount       *int
	NextToken      string `xml:"NextContinuationToken"`
	Contents       []struct{ Key string }
	CommonPrefixes []struct{ Prefix string }
}

func (g *rig) page(target string) page {
	g.t.Helper()
	a := g.do(call{method: "GET", target: target})
	g.want(a, 200, "")
	var p page
	if err := xml.Unmarshal(a.body, &p); err != nil {
		g.t.Fatal(err)
	}
	return p
}

func (p page) names() []string {
	var out []string
	for _, c := range p.Contents {
		out = append(out, c.Key)
	}
	for _, c := range p.CommonPrefixes {
		out = append(out, c.Prefix)
	}
	slices.Sort(out)
	return out
}

func TestListingsOfBothVersionsGiveEveryNameOnce(t *testing.T) {
	g := newRig(t)
	var want, grouped []string
	for _, k := range []string{"A", "_p", "a/1", "a/2", "a/3/x", "b", "b/", "c/1", "d", "z"} {
		g.put("/bkt/"+k, []byte("x"))
		want = append(want, k)
	}
	grouped = []string{"A", "_p", "a/", "b", "b/", "c/", "d", "z"}
	for n := range 12 {
		for query, all := range map[string][]string{"": want, "&delimiter=%2F": grouped, "&delimiter=%2F&encoding-type=url": grouped, "&prefix=a%2F": {"a/1", "a/2", "a/3/x"}, "&prefix=a%2F&delimiter=%2F": {"a/1", "a/2", "a/3/"}} {
			query = fmt.Sprintf("max-keys=%d%s", n, query)
			if n == 0 {
				if p := g.page("/bkt?" + query); p.IsTruncated || len(p.names()) > 0 || p.Marker != nil {
					t.Errorf("max-keys=0: %+v", p)
				}
				continue
			}
			var got []string
			for marker := ""; ; {
				p := g.page("/bkt?" + query + "&marker=" + strings.ReplaceAll(marker, "/", "%2F"))
				got = append(got, p.names()...)
				if len(p.names()) > n || p.KeyCount != nil || p.Marker == nil {
					t.Fatalf("V1 %s: %+v", query, p)
				}
				if !p.IsTruncated {
					break
				}
				if marker = p.NextMarker; marker == "" {
					t.Fatalf("V1 %s: no NextMarker", query)
				}
			}
			if !slices.Equal(got, all) {
				t.Errorf("V1 %s: %q, want %q", query, got, all)
			}
			got = nil
			for token := ""; ; {
				p := g.page("/bkt?list-type=2&" + query + token)
				got = append(got, p.names()...)
				if p.KeyCount == nil || *p.KeyCount != len(p.names()) || p.Marker != nil {
					t.Fatalf("V2 %s: %+v", query, p)
				}
				if !p.IsTruncated {
					break
				}
				token = "&continuation-token=" + p.NextToken
			}
			if !slices.Equal(got, all) {
				t.Errorf("V2 %s: %q, want %q", query, got, all)
			}
		}
	}
}

// Listings tell the prefix and the marker that were asked for, the empty ones too: older
// PBS, which always asks for a prefix, cannot read a listing without. Who has not asked is
// told of none.
func TestListingsTellWhatWasAskedFor(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/a/1", []byte("x"))
	for query, want := range map[string][2]bool{
		"": {false, false}, "prefix=": {true, false}, "prefix": {true, false}, "prefix=a%2F": {true, false}, "marker=": {false, true},
		"prefix=&marker=A": {true, true}, "prefix=a&encoding-type=url&marker=": {true, true},
		"list-type=2": {false, false}, "list-type=2&prefix=": {true, false}, "list-type=2&prefix=a%2F": {true, false},
	} {
		a := g.do(call{method: "GET", target: "/bkt/?" + query})
		g.want(a, 200, "")
		if got := [2]bool{bytes.Contains(a.body, []byte("<Prefix>")), bytes.Contains(a.body, []byte("<Marker>"))}; got != want {
			t.Errorf("%q: %v in %s", query, got, a.body)
		}
		if !bytes.Contains(a.body, []byte("<Key>a/1</Key>")) {
			t.Errorf("%q: %s", query, a.body)
		}
	}
}

func TestBucketLife(t *testing.T) {
	g := newRig(t, quickly)
	g.want(g.do(call{method: "PUT", target: "/fresh"}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/fresh"}), 409, "BucketAlreadyOwnedByYou")
	g.want(g.do(call{method: "HEAD", target: "/fresh"}), 200, "")
	if a := g.do(call{method: "GET", target: "/fresh?location"}); a.status != 200 || !strings.Contains(string(a.body), "LocationConstraint") {
		t.Errorf("location: %d %s", a.status, a.body)
	}
	g.put("/fresh/k", []byte("x"))
	g.want(g.do(call{method: "DELETE", target: "/fresh"}), 409, "BucketNotEmpty")
	g.want(g.get("/fresh/k"), 200, "")
	g.want(g.do(call{method: "DELETE", target: "/fresh/k"}), 204, "")
	g.want(g.do(call{method: "DELETE", target: "/fresh"}), 204, "")
	g.want(g.do(call{method: "DELETE", target: "/fresh"}), 404, "NoSuchBucket")
	g.want(g.get("/fresh/k"), 404, "NoSuchBucket")
	g.want(g.do(call{method: "PUT", target: "/fresh"}), 200, "")
	g.want(g.do(call{method: "DELETE", target: "/fresh"}), 204, "")
	g.want(g.do(call{method: "PUT", target: "/other2", body: []byte("<x/>")}), 400, "MalformedXML")
	g.want(g.do(call{method: "PUT", target: "/other2", body: []byte("<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>")}), 200, "")
}

func TestBucketsOfOthersAreNotTouched(t *testing.T) {
	g := newRig(t, func(c *Config) { c.AllowedBuckets = []string{"bkt"} })
	before := g.store.count()
	for _, method := range []string{"PUT", "HEAD"} {
		if a := g.do(call{method: method, target: "/other"}); a.status != 403 {
			t.Errorf("%s: %d", method, a.status)
		}
	}
	if calls := g.store.callsSince(before); len(calls) > 0 {
		t.Errorf("backend calls %v", calls)
	}
}
