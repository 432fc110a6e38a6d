package server

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

type versionsDoc struct {
	XMLName                                                   xml.Name
	Name, Prefix, KeyMarker, VersionIdMarker, Delimiter       string
	NextKeyMarker, NextVersionIdMarker, EncodingType, MaxKeys string
	IsTruncated                                               bool
	CommonPrefixes                                            []struct{ Prefix string }
	Rest                                                      []struct {
		XMLName                                          xml.Name
		Key, VersionId, LastModified, ETag, StorageClass string
		IsLatest                                         bool
		Size                                             *int64
		Owner                                            struct{ ID string }
	} `xml:",any"`
}

func (g *rig) versions(query string) versionsDoc {
	g.t.Helper()
	a := g.do(call{method: "GET", target: "/bkt?versions" + query})
	g.want(a, 200, "")
	var d versionsDoc
	if err := xml.Unmarshal(a.body, &d); err != nil {
		g.t.Fatal(err)
	}
	return d
}

// names is the page as key@version, markers with a cross.
func (d versionsDoc) names() (out []string) {
	for _, v := range d.Rest {
		mark := ""
		if v.XMLName.Local == "DeleteMarker" {
			mark = "†"
		}
		out = append(out, v.Key+"@"+v.VersionId+mark)
	}
	for _, p := range d.CommonPrefixes {
		out = append(out, p.Prefix)
	}
	return out
}

func TestVersionsAreListedWithPlainSizesInOneCall(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", pattern(1)) // the null version
	g.store.versioning["bkt"] = "Enabled"
	var want []string
	want = append(want, "k@null")
	sizes := map[string]int64{"k@null": 1}
	for _, n := range []int{0, 65536, 5<<20 + 1} {
		id := "k@" + g.put("/bkt/k", pattern(n)).version()
		want, sizes[id] = append([]string{id}, want...), int64(n)
	}
	want = append([]string{"k@" + g.do(call{method: "DELETE", target: "/bkt/k"}).version() + "†"}, want...)
	body := g.multipartObject("/bkt/m", nil, 5<<20, 77)
	id := "m@" + g.get("/bkt/m").version()
	want, sizes[id] = append(want, id), int64(len(body))
	n := g.store.count()
	d := g.versions("")
	if calls := g.store.callsSince(n); !slices.Equal(calls, []string{"ListVersions bkt/"}) {
		t.Errorf("a page cost %v", calls)
	}
	if !slices.Equal(d.names(), want) || d.IsTruncated || d.Name != "bkt" || d.MaxKeys != "1000" || d.NextKeyMarker != "" {
		t.Fatalf("%+v, want %q", d, want)
	}
	for i, v := range d.Rest {
		latest := i == 0 || v.Key == "m"
		switch {
		case v.LastModified == "" || v.Owner.ID == "" || v.IsLatest != latest:
			t.Errorf("%+v", v)
		case v.XMLName.Local == "DeleteMarker":
			if v.Size != nil || v.ETag != "" || v.StorageClass != "" {
				t.Errorf("%+v", v)
			}
		case v.Size == nil || *v.Size != sizes[v.Key+"@"+v.VersionId] || !strings.HasSuffix(v.ETag, `-s"`) || v.StorageClass != "STANDARD":
			t.Errorf("%+v, want size %d", v, sizes[v.Key+"@"+v.VersionId])
		}
	}
}

// TestOwnNamesTakeNoPlaceAmongVersions: whatever the page size, every version is listed
// once, each page is full but the last, and nothing of the proxy is seen.
func TestOwnNamesTakeNoPlaceAmongVersions(t *testing.T) {
	g := versioned(t)
	var want []string
	for _, k := range []string{"A", "_nearly", "_objcryptproxy", "a/1", "a/2", "b", "é"} {
		for range 3 {
			want = append(want, k+"@"+g.put("/bkt/"+k, []byte(k)).version())
		}
		slices.Reverse(want[len(want)-3:])
	}
	// Leftovers of the proxy's own, in more versions than any page has.
	state := g.store.buckets["bkt"][format.StateKey]
	for range 40 {
		o := *state
		g.store.remember("bkt", format.StateKey, g.store.buckets["bkt"][format.StateKey], &o)
		g.store.buckets["bkt"][format.StateKey] = &o
	}
	for size := 1; size <= len(want)+1; size++ {
		var have []string
		marker := ""
		for pages := 0; ; pages++ {
			d := g.versions(fmt.Sprintf("&max-keys=%d%s", size, marker))
			page := d.names()
			have = append(have, page...)
			if strings.Contains(d.NextKeyMarker, format.ReservedPrefix) {
				t.Fatalf("the marker %s is the proxy's own", d.NextKeyMarker)
			}
			if !d.IsTruncated {
				break
			}
			if len(page) != size || pages > len(want) {
				t.Fatalf("page %d of %d has %d lines", pages, size, len(page))
			}
			marker = "&key-marker=" + url.QueryEscape(d.NextKeyMarker) + "&version-id-marker=" + d.NextVersionIdMarker
		}
		if !slices.Equal(have, want) {
			t.Fatalf("by %d: %q, want %q", size, have, want)
		}
	}
	if d := g.versions("&max-keys=0"); len(d.names()) != 0 || d.IsTruncated {
		t.Errorf("%+v", d)
	}
}

func TestVersionsByPrefixAndDelimiter(t *testing.T) {
	g := versioned(t)
	for _, k := range []string{"a/1", "a/b/1", "a/b/2", "a%20c", "d"} {
		g.put("/bkt/"+k, nil)
		g.put("/bkt/"+k, nil)
	}
	keys := func(d versionsDoc) (out []string) {
		for _, n := range d.names() {
			k, _, _ := strings.Cut(n, "@")
			out = append(out, k)
		}
		return out
	}
	for query, want := range map[string][]string{
		"&delimiter=/":                         {"a c", "a c", "d", "d", "a/"},
		"&delimiter=/&prefix=a/":               {"a/1", "a/1", "a/b/"},
		"&prefix=a/b/":                         {"a/b/1", "a/b/1", "a/b/2", "a/b/2"},
		"&prefix=a%20&encoding-type=url":       {"a+c", "a+c"},
		"&key-marker=a/b/2":                    {"d", "d"},
		"&prefix=_objcryptproxy___":            nil,
		"&prefix=_objcryptproxy___&max-keys=1": nil,
	} {
		if d := g.versions(query); !slices.Equal(keys(d), want) || d.IsTruncated {
			t.Errorf("%s: %q, want %q", query, keys(d), want)
		}
	}
	for query, want := range map[string]int{"&version-id-marker=v1": 400, "&max-keys=-1": 400, "&encoding-type=x": 400, "&marker=a": 501, "&key-marker=a&version-id-marker=v1": 200} {
		if a := g.do(call{method: "GET", target: "/bkt?versions" + query}); a.status != want {
			t.Errorf("%s: %d", query, a.status)
		}
	}
	if a := g.do(call{method: "GET", target: "/bkt/k?versions"}); a.status != 400 {
		t.Errorf("of an object: %d", a.status)
	}
}

// repeating is a store that lists the version which the markers name again, if it is a
// key's latest, as versitygw 1.8.0 does.
type repeating struct{ *memory }

func (r repeating) ListVersions(ctx context.Context, bucket string, opt backend.ListVersionsOptions) (*backend.VersionsPage, error) {
	if past := r.history[bucket][opt.KeyMarker]; opt.MaxKeys == 1 && len(past) > 0 && past[0].version == opt.VersionMarker {
		return &backend.VersionsPage{Truncated: true, NextKeyMarker: opt.KeyMarker, NextVersionMarker: opt.VersionMarker}, nil
	}
	return r.memory.ListVersions(ctx, bucket, opt)
}

// TestStoreThatRepeatsAVersion: pages are shorter then, and nothing is missing.
func TestStoreThatRepeatsAVersion(t *testing.T) {
	g := versioned(t, func(c *Config) { c.Backend = repeating{c.Backend.(*memory)} })
	var want []string
	for _, k := range []string{"a", "b", "c"} {
		want = append(want, k+"@"+g.put("/bkt/"+k, nil).version(), k+"@"+g.put("/bkt/"+k, nil).version())
		slices.Reverse(want[len(want)-2:])
	}
	var have []string
	marker := ""
	for range 10 {
		d := g.versions("&max-keys=4" + marker)
		have = append(have, d.names()...)
		if !d.IsTruncated {
			break
		}
		marker = "&key-marker=" + d.NextKeyMarker + "&version-id-marker=" + d.NextVersionIdMarker
	}
	if !slices.Equal(have, want) {
		t.Errorf("%q, want %q", have, want)
	}
	latest := strings.SplitN(want[0], "@", 2)
	g.want(g.do(call{method: "GET", target: "/bkt?versions&max-keys=1&key-marker=a&version-id-marker=" + latest[1]}), 503, "ServiceUnavailable")
}

func TestVersionListFaultIsNeverAnEmptyList(t *testing.T) {
	g := versioned(t)
	g.put("/bkt/k", nil)
	g.store.before = func(op, _, _ string) error {
		if op == "ListVersions" {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	g.want(g.do(call{method: "GET", target: "/bkt?versions"}), 503, "ServiceUnavailable")
}
