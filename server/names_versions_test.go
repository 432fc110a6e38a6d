package server

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// everyVersion walks a listing of versions page by page. Ids of versions are the
// store's and differ between two of them, so they are counted and not shown.
func (g *rig) everyVersion(query url.Values) (all []string) {
	g.t.Helper()
	ids := map[string]bool{}
	key, version := "", ""
	for pages := 0; ; pages++ {
		q := url.Values{}
		for k, v := range query {
			q[k] = v
		}
		if key != "" {
			q.Set("key-marker", key)
			if version != "" {
				q.Set("version-id-marker", version)
			}
		}
		d := g.versions("&" + strings.ReplaceAll(q.Encode(), "+", "%20"))
		for _, v := range d.Rest {
			size := int64(-1)
			if v.Size != nil {
				size = *v.Size
			}
			if v.XMLName.Local != "Version" && v.XMLName.Local != "DeleteMarker" {
				continue
			}
			if id := v.Key + "@" + v.VersionId; ids[id] {
				g.t.Errorf("%s is listed twice", id)
			} else {
				ids[id] = true
			}
			all = append(all, fmt.Sprintf("%s %s %d %v", v.Key, v.XMLName.Local, size, v.IsLatest))
		}
		for _, p := range d.CommonPrefixes {
			all = append(all, p.Prefix)
		}
		if !d.IsTruncated {
			slices.Sort(all)
			return all
		}
		if key, version = d.NextKeyMarker, d.NextVersionIdMarker; key == "" || pages > 200 {
			g.t.Fatal("the listing does not go on")
		}
	}
}

// What TestSealedNamesChangeNothingElse says of listings, for those of versions.
func TestSealedNamesOfVersions(t *testing.T) {
	named, plain := newRig(t, sealedNames), newRig(t)
	rng := rand.New(rand.NewPCG(3, 8))
	keys := []string{"a", "ab", "dir/a", "dir/b", "dir/bc/d", "dir//x", "z"}
	for _, g := range []*rig{named, plain} {
		g.put("/bkt/before", nil)
		g.store.versioning["bkt"] = "Enabled"
	}
	for i := range 40 {
		k := keys[rng.IntN(len(keys))]
		remove := rng.IntN(5) == 0
		for _, g := range []*rig{named, plain} {
			if remove {
				g.want(g.do(call{method: "DELETE", target: "/bkt/" + k}), 204, "")
			} else {
				g.put("/bkt/"+k, pattern(i*3))
			}
		}
	}
	for _, q := range []url.Values{{}, {"prefix": {"dir/"}}, {"prefix": {"dir/b"}}, {"prefix": {"a"}}, {"prefix": {"zz"}}, {"delimiter": {"/"}}, {"prefix": {"dir/"}, "delimiter": {"/"}}} {
		for _, n := range []string{"1", "2", "3", "7", "1000"} {
			q.Set("max-keys", n)
			if a, b := named.everyVersion(q), plain.everyVersion(q); !slices.Equal(a, b) {
				t.Errorf("%v:\n%q\nwithout sealed names\n%q", q, a, b)
			}
		}
	}
	// A marker that is a name means what it means elsewhere: all behind it.
	after := named.versions("&key-marker=ab").names()
	for _, v := range after {
		if key, _, _ := strings.Cut(v, "@"); key <= "ab" {
			t.Errorf("%s is not behind ab", v)
		}
	}
	if want := len(plain.versions("&key-marker=ab").names()); len(after) != want {
		t.Errorf("%d versions behind ab, want %d", len(after), want)
	}
	named.want(named.do(call{method: "GET", target: "/bkt?versions&key-marker=ab&version-id-marker=v1"}), 501, "NotImplemented")
	named.want(named.do(call{method: "GET", target: "/bkt?versions&key-marker=" + url.QueryEscape(pageMarker) + "AAAA"}), 400, "InvalidArgument")
	named.want(named.do(call{method: "GET", target: "/bkt?versions&delimiter=-"}), 501, "NotImplemented")
	// Each version is read and removed under the client's name.
	for _, v := range named.versions("&prefix=dir%2F").names() {
		key, id, _ := strings.Cut(strings.TrimSuffix(v, "†"), "@")
		if !strings.HasSuffix(v, "†") {
			named.want(named.get("/bkt/"+key+"?versionId="+id), 200, "")
		}
		named.want(named.do(call{method: "DELETE", target: "/bkt/" + key + "?versionId=" + id}), 204, "")
	}
	if left := named.everyVersion(url.Values{"prefix": {"dir/"}}); len(left) != 0 {
		t.Errorf("%q are left", left)
	}
	named.noName("dir/", "before")
}
