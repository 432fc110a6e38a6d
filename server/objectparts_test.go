package server

import (
	"encoding/xml"
	"fmt"
	"reflect"
	"testing"
)

func (g *rig) partsTold(target string, header map[string]string) (out attributesResult) {
	g.t.Helper()
	all := map[string]string{"x-amz-object-attributes": "ObjectParts,ObjectSize"}
	for k, v := range header {
		all[k] = v
	}
	a := g.do(call{method: "GET", target: target + "?attributes", header: all})
	g.want(a, 200, "")
	if err := xml.Unmarshal(a.body, &out); err != nil {
		g.t.Fatal(err)
	}
	return out
}

// TestAttributesTellTheParts: plain sizes, under the numbers by which GetObject reads
// them, in pages of every size; of an object that has no parts, nothing.
func TestAttributesTellTheParts(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/plain", []byte("x"))
	if out := g.partsTold("/bkt/plain", nil); out.ObjectParts != nil || *out.ObjectSize != 1 {
		t.Errorf("%+v", out)
	}
	u := g.begin("/bkt/k", nil)
	sizes := []int{5 * mib, 5*mib + 1, 7}
	var list []listed
	for i, n := range sizes {
		list = append(list, listed{2 * (i + 1), u.part(2*(i+1), pattern(n))}) // with gaps
	}
	g.want(u.complete(list...), 200, "")
	for most := 1; most <= 4; most++ {
		var got []attributePart
		for marker, more := 0, true; more; {
			out := g.partsTold("/bkt/k", map[string]string{"x-amz-max-parts": fmt.Sprint(most), "x-amz-part-number-marker": fmt.Sprint(marker)}).ObjectParts
			if out == nil || out.Count != 3 || out.MaxParts != most || out.PartNumberMarker != marker || len(out.Parts) > most || len(out.Parts) == 0 {
				t.Fatalf("%+v", out)
			}
			got = append(got, out.Parts...)
			if more = out.IsTruncated; more && out.NextPartNumberMarker <= marker {
				t.Fatalf("the pages do not advance: %+v", out)
			}
			marker = out.NextPartNumberMarker
		}
		want := []attributePart{{1, 5 * mib}, {2, 5*mib + 1}, {3, 7}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d at a time: %v", most, got)
		}
	}
	for i, n := range sizes {
		a := g.do(call{method: "HEAD", target: fmt.Sprintf("/bkt/k?partNumber=%d", i+1)})
		if a.header.Get("Content-Length") != fmt.Sprint(n) {
			t.Errorf("part %d has %s bytes for HEAD", i+1, a.header.Get("Content-Length"))
		}
	}
	for name, header := range map[string]map[string]string{
		"none are asked for": {"x-amz-max-parts": "0"}, "behind the last": {"x-amz-part-number-marker": "3"}, "far behind": {"x-amz-part-number-marker": "2147483647"},
	} {
		if out := g.partsTold("/bkt/k", header).ObjectParts; out == nil || out.Count != 3 || len(out.Parts) != 0 || out.IsTruncated {
			t.Errorf("%s: %+v", name, out)
		}
	}
	for _, name := range []string{"x-amz-max-parts", "x-amz-part-number-marker"} {
		for _, v := range []string{"-1", "x", "99999999999999999999"} {
			n := g.store.count()
			g.want(g.do(call{method: "GET", target: "/bkt/k?attributes", header: map[string]string{"x-amz-object-attributes": "ObjectParts", name: v}}), 400, "InvalidArgument")
			if calls := g.store.callsSince(n); len(calls) > 1 {
				t.Errorf("%s %s: %q", name, v, calls)
			}
		}
	}
}
