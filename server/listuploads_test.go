package server

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// uploads asks for a page of the bucket's uploads.
func (g *rig) uploads(query string) uploadsResult {
	g.t.Helper()
	a := g.get("/bkt?uploads" + query)
	g.want(a, 200, "")
	var out uploadsResult
	if err := xml.Unmarshal(a.body, &out); err != nil {
		g.t.Fatal(err)
	}
	return out
}

// several begins uploads whose names hold what a listing can get wrong, each in a
// millisecond of its own: that is what orders those of one name.
func several(g *rig) (ups []*partsUp) {
	for _, key := range []string{"a", "dir/x", "dir/x", "dir/sub/y", "dir/sub/z", "d%C3%A9", "dir/z", "zz", "dir%2B%26%3C", "e/1", "e/2", "e/3"} {
		ups = append(ups, g.begin("/bkt/"+key, nil))
		for begun := time.Now().UnixMilli(); time.Now().UnixMilli() == begun; {
			time.Sleep(100 * time.Microsecond)
		}
	}
	return ups
}

func key(u *partsUp) string {
	k, _ := url.PathUnescape(strings.TrimPrefix(u.target, "/bkt/"))
	return k
}

// TestUploadsAreListedUntilTheyEnd, with ids that end them, by any proxy.
func TestUploadsAreListedUntilTheyEnd(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/object", []byte("x"))
	if out := g.uploads(""); len(out.Uploads) != 0 || out.IsTruncated {
		t.Errorf("%+v", out)
	}
	ups := several(g)
	g.want(ups[0].complete(listed{1, ups[0].part(1, []byte("x"))}), 200, "")
	twin := g.twin()
	before := g.store.count()
	out := twin.uploads("")
	if calls := g.store.callsSince(before); len(calls) > 2+1+len(ups) {
		t.Errorf("%d calls for %d uploads: %q", len(calls), len(ups)-1, calls)
	}
	if len(out.Uploads) != len(ups)-1 || out.IsTruncated || out.MaxUploads != 1000 {
		t.Fatalf("%+v", out)
	}
	for _, u := range ups[1:] {
		i := slices.IndexFunc(out.Uploads, func(x uploadResult) bool { return x.UploadID == u.id })
		if i < 0 || out.Uploads[i].Key != key(u) || out.Uploads[i].Initiated == "" {
			t.Errorf("%s is not listed as it was begun: %+v", u.target, out.Uploads)
		}
	}
	for _, x := range out.Uploads {
		u := &partsUp{rig: twin, id: x.UploadID}
		u.target = "/bkt/" + strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(x.Key), "+", "%20"), "%2F", "/")
		g.want(u.abort(), 204, "")
	}
	if out := g.uploads(""); len(out.Uploads) != 0 {
		t.Errorf("%+v", out)
	}
	g.onlyObjects("a", "object")
}

// TestPagesOfUploads walks pages of every size; each upload that is asked for comes once,
// in order, also where the marker's upload ended meanwhile.
func TestPagesOfUploads(t *testing.T) {
	g := newRig(t)
	ups := several(g)
	slices.SortStableFunc(ups, func(a, b *partsUp) int { return strings.Compare(key(a), key(b)) })
	for _, c := range []struct{ prefix, delimiter string }{{}, {"dir", ""}, {"dir/", ""}, {"dir/", "/"}, {"", "/"}, {"", "r/"}, {"nothing", "/"}, {"e/", "/"}} {
		var wantKeys []string
		for _, u := range ups {
			if rest, ok := strings.CutPrefix(key(u), c.prefix); ok && (c.delimiter == "" || !strings.Contains(rest, c.delimiter)) {
				wantKeys = append(wantKeys, u.id)
			}
		}
		var wantPrefixes []string
		for _, u := range ups {
			if rest, ok := strings.CutPrefix(key(u), c.prefix); ok && c.delimiter != "" {
				if i := strings.Index(rest, c.delimiter); i >= 0 {
					wantPrefixes = append(wantPrefixes, c.prefix+rest[:i+len(c.delimiter)])
				}
			}
		}
		wantPrefixes = slices.Compact(wantPrefixes)
		for _, most := range []int{1, 2, 3, 5, 1000} {
			query := "&encoding-type=url&prefix=" + url.QueryEscape(c.prefix) + "&delimiter=" + url.QueryEscape(c.delimiter) + fmt.Sprintf("&max-uploads=%d", most)
			var got, prefixes []string
			marker := ""
			for pages := 0; ; pages++ {
				out := g.uploads(query + marker)
				if len(out.Uploads)+len(out.CommonPrefixes) > most || pages > 2*len(ups) {
					t.Fatalf("%q: %+v", query+marker, out)
				}
				for _, x := range out.Uploads {
					got = append(got, x.UploadID)
				}
				for _, p := range out.CommonPrefixes {
					name, _ := url.QueryUnescape(p.Prefix)
					prefixes = append(prefixes, name)
				}
				if !out.IsTruncated {
					break
				}
				marker = "&key-marker=" + out.NextKeyMarker + "&upload-id-marker=" + out.NextUploadIDMarker
			}
			if prefixes = slices.Compact(prefixes); !slices.Equal(got, wantKeys) || !slices.Equal(prefixes, wantPrefixes) {
				t.Errorf("%q: %d uploads and prefixes %q, want %d and %q", query, len(got), prefixes, len(wantKeys), wantPrefixes)
			}
		}
	}
	// The upload that a marker names has ended.
	g.want(ups[3].abort(), 204, "")
	out := g.uploads("&key-marker=" + url.QueryEscape(key(ups[3])) + "&upload-id-marker=" + ups[3].id)
	if len(out.Uploads) != len(ups)-4 || out.Uploads[0].UploadID != ups[4].id {
		t.Errorf("behind an upload that ended: %+v", out.Uploads)
	}
}

func TestListUploadsRefusals(t *testing.T) {
	g := newRig(t)
	ups := several(g)
	for _, query := range []string{"&max-uploads=-3", "&max-uploads=x", "&encoding-type=x", "&key-marker=dir/z&upload-id-marker=x",
		"&key-marker=a&upload-id-marker=" + ups[len(ups)-1].id, "&key-marker=zzz&upload-id-marker=" + ups[0].id} {
		g.want(g.get("/bkt?uploads"+query), 400, "InvalidArgument")
	}
	g.want(g.get("/none?uploads"), 404, "NoSuchBucket")
	if out := g.uploads("&upload-id-marker=x"); len(out.Uploads) != len(ups) {
		t.Errorf("an id without a key is not ignored: %+v", out)
	}
	if out := g.uploads("&max-uploads=0"); len(out.Uploads) != 0 {
		t.Errorf("%+v", out)
	}
}

// TestRecordsThatDoNotOpenAreNotListed: what the backend moved, changed, or made up is no
// upload, and a failure of the backend is no shorter list.
func TestRecordsThatDoNotOpenAreNotListed(t *testing.T) {
	g := newRig(t)
	a, b := g.begin("/bkt/a", nil), g.begin("/bkt/b", nil)
	objects := g.store.buckets["bkt"]
	one, two := dirOf(t, g, a)+"create", dirOf(t, g, b)+"create"
	keep := objects[one]
	objects[one] = objects[two]
	objects["_objcryptproxy___/mpu/nonsense/create"] = keep
	objects["_objcryptproxy___/mpu/empty/last-1"] = keep
	if out := g.uploads(""); len(out.Uploads) != 1 || out.Uploads[0].Key != "b" {
		t.Errorf("%+v", out.Uploads)
	}
	objects[one] = keep
	g.store.before = func(op, _, key string) error {
		if op == "Get" && key == two {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	if x := g.get("/bkt?uploads"); x.status < 500 {
		t.Errorf("%d %s", x.status, x.body)
	}
}
