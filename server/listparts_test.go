package server

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// parts asks for a page of the upload's parts.
func (u *partsUp) parts(query string) partsResult {
	u.t.Helper()
	a := u.get(u.target + "?uploadId=" + u.id + query)
	u.want(a, 200, "")
	var out partsResult
	if err := xml.Unmarshal(a.body, &out); err != nil {
		u.t.Fatal(err)
	}
	return out
}

// TestListedPartsCompleteTheUpload: another proxy finishes an upload of which it is told
// nothing but the id, page by page: gaps, re-sent parts, a small last part.
func TestListedPartsCompleteTheUpload(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	u := g.begin("/bkt/dir/a%20b", map[string]string{"x-amz-checksum-algorithm": "CRC32C", "x-amz-checksum-type": "FULL_OBJECT"})
	want := map[int]string{}
	sizes := map[int]int{2: 5 * mib, 5: 6*mib + 1, 7: 5 * mib, 9: 1000}
	for _, n := range []int{7, 2, 9} {
		want[n] = u.part(n, pattern(sizes[n]))
	}
	u.part(5, pattern(5*mib))
	want[5] = u.part(5, pattern(sizes[5]))
	u.rig = g.twin()
	for _, most := range []int{1, 2, 3, 4, 1000} {
		var list []listed
		marker := ""
		for {
			page := u.parts(fmt.Sprintf("&max-parts=%d%s", most, marker))
			if len(page.Parts) > most || page.MaxParts != most || page.Key != "dir/a b" || page.UploadID != u.id || page.ChecksumAlgorithm != "CRC32C" || page.ChecksumType != "FULL_OBJECT" {
				t.Fatalf("%+v", page)
			}
			for _, p := range page.Parts {
				if p.Size != int64(sizes[p.Number]) || p.ETag != want[p.Number] || p.CRC32C != checksumByName("CRC32C").text(pattern(sizes[p.Number])) || p.LastModified == "" {
					t.Errorf("%+v", p)
				}
				list = append(list, listed{p.Number, p.ETag})
			}
			if !page.IsTruncated {
				break
			}
			if last := page.Parts[len(page.Parts)-1].Number; page.NextPartNumberMarker != last {
				t.Fatalf("the next marker is %d, want %d", page.NextPartNumberMarker, last)
			}
			marker = fmt.Sprintf("&part-number-marker=%d", page.NextPartNumberMarker)
		}
		if len(list) != 4 || !slices.IsSortedFunc(list, func(a, b listed) int { return a.n - b.n }) {
			t.Fatalf("pages of %d: %+v", most, list)
		}
		if most == 1000 {
			c := u.completeCall(list...)
			c.body = []byte(strings.ReplaceAll(string(c.body), "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>", ""))
			g.want(u.do(c), 200, "")
		}
	}
	if a := g.get("/bkt/dir/a%20b"); len(a.body) != 16*mib+1001 {
		t.Errorf("%d bytes", len(a.body))
	}
	g.onlyObjects("dir/a b")
	g.want(g.get(u.target+"?uploadId="+u.id), 404, "NoSuchUpload")
}

// TestListPartsTellsTheLastAttempt, also where one is staged and the other is not.
func TestListPartsTellsTheLastAttempt(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	whole, small := u.part(1, pattern(5*mib)), u.part(1, []byte("small"))
	g.store.partTime = time.Unix(1768478400-5, 0)
	if page := u.parts(""); len(page.Parts) != 1 || page.Parts[0].ETag != small || page.Parts[0].Size != 5 {
		t.Errorf("%+v, want the small one", page.Parts)
	}
	g.store.partTime = time.Unix(1768478400+5, 0)
	if page := u.parts(""); len(page.Parts) != 1 || page.Parts[0].ETag != whole {
		t.Errorf("%+v, want the whole one", page.Parts)
	}
}

// TestPartsWithoutProofAreNotTold: the backend cannot make a part of what it likes.
func TestPartsWithoutProofAreNotTold(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	other := g.begin("/bkt/k", nil)
	u.part(1, pattern(5*mib))
	u.part(2, pattern(5*mib+1))
	u.part(3, pattern(100))
	other.part(1, pattern(5*mib))
	objects := g.store.buckets["bkt"]
	receipt := func(n int) string {
		for k := range objects {
			if strings.HasPrefix(k, dirOf(t, g, u)+fmt.Sprintf("part-%05d-", n)) {
				return k
			}
		}
		t.Fatalf("no receipt of part %d", n)
		return ""
	}
	numbers := func() (out []int) {
		for _, p := range u.parts("").Parts {
			out = append(out, p.Number)
		}
		return out
	}
	if got := numbers(); !slices.Equal(got, []int{1, 2, 3}) {
		t.Fatalf("%v", got)
	}
	// A receipt that is gone, and what is none.
	one, kept := receipt(1), objects[receipt(1)]
	delete(objects, one)
	objects[strings.Replace(one, "part-00001", "part-00003", 1)] = kept
	objects[dirOf(t, g, u)+"part-00002-x"] = kept
	objects[dirOf(t, g, u)+"last-4"] = &blob{data: []byte("x"), etag: `"x"`}
	objects[dirOf(t, g, u)+"last-04"] = kept
	if got := numbers(); !slices.Equal(got, []int{2, 3}) {
		t.Errorf("%v, want 2 and 3", got)
	}
	// The receipt of an attempt that is not stored, and of another upload's.
	objects[one] = kept
	for id, parts := range g.store.uploads {
		if len(parts) == 2 {
			changed := slices.Clone(parts[1])
			changed[len(changed)-1] ^= 1
			g.store.uploads[id][1] = changed
			g.store.uploads[id][2] = nil
		}
	}
	if got := numbers(); !slices.Equal(got, []int{3}) {
		t.Errorf("%v, want 3", got)
	}
}

// dirOf is where an upload has what lies beside it.
func dirOf(t *testing.T, g *rig, u *partsUp) string {
	t.Helper()
	ring, b, err := g.s.access(t.Context(), "bkt")
	if err != nil {
		t.Fatal(err)
	}
	at, err := where(b, strings.TrimPrefix(u.target, "/bkt/"))
	if err != nil {
		t.Fatal(err)
	}
	up, err := format.OpenUpload(uploadRing{ring, b.sealing(ring)}, at, u.id)
	if err != nil {
		t.Fatal(err)
	}
	return up.StagingPrefix()
}

// TestWithoutResumeThereAreNoReceipts: two calls a part less, ListParts refused with a reason,
// uploads listed and ended all the same.
func TestWithoutResumeThereAreNoReceipts(t *testing.T) {
	var made [2]int
	for i, resume := range []bool{false, true} {
		g := newRig(t, func(c *Config) { c.Resume = resume })
		u := g.begin("/bkt/k", nil)
		before := g.store.count()
		etag := u.part(1, pattern(5*mib))
		for _, c := range g.store.callsSince(before) {
			if !strings.HasSuffix(c, format.StateKey) { // whether the bucket stands is another matter
				made[i]++
			}
		}
		a := g.get(u.target + "?uploadId=" + u.id)
		if resume {
			g.want(a, 200, "")
			continue
		}
		if g.want(a, 501, "NotImplemented"); !strings.Contains(string(a.body), "multipart.resume") {
			t.Errorf("%s", a.body)
		}
		if ups := g.uploads(""); len(ups.Uploads) != 1 || ups.Uploads[0].UploadID != u.id {
			t.Errorf("%+v", ups)
		}
		g.want(u.complete(listed{1, etag}), 200, "")
		g.onlyObjects("k")
	}
	if made[0] != 1 || made[1] != 3 {
		t.Errorf("a part costs %d calls, with receipts %d; want 1 and 3", made[0], made[1])
	}
}

func TestListPartsRefusals(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	for query, code := range map[string]string{
		"&max-parts=-3": "InvalidArgument", "&max-parts=x": "InvalidArgument", "&part-number-marker=x": "InvalidArgument", "&part-number-marker=-14": "InvalidArgument",
		"&part-number-marker=2736457823532448723": "InvalidArgument", "0": "NoSuchUpload",
	} {
		if a := g.get(u.target + "?uploadId=" + u.id + query); a.code() != code {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if a := g.get(u.target + "?uploadId=" + u.id + "&part-number-marker=x"); !strings.Contains(string(a.body), "<ArgumentName>part-number-marker</ArgumentName><ArgumentValue>x</ArgumentValue>") {
		t.Errorf("%s", a.body)
	}
	g.want(g.get("/bkt/other?uploadId="+u.id), 404, "NoSuchUpload")
	if page := u.parts("&max-parts=0"); len(page.Parts) != 0 || page.IsTruncated {
		t.Errorf("%+v", page)
	}
	if page := u.parts("&part-number-marker=10000"); len(page.Parts) != 0 || page.IsTruncated {
		t.Errorf("%+v", page)
	}
	u.abort()
	g.want(g.get(u.target+"?uploadId="+u.id), 404, "NoSuchUpload")
	g.store.before = func(op, _, _ string) error {
		if op == "Parts" {
			return fault4(backend.Busy, op)
		}
		return nil
	}
	u = g.begin("/bkt/k", nil)
	g.want(g.get(u.target+"?uploadId="+u.id), 503, "ServiceUnavailable")
}

// TestPartWhoseUploadEndsBehindItsReceipt: Complete looks for what lies beside, the receipt
// is written, the part finds the upload going on, and Complete removes the sign: it looks again.
func TestPartWhoseUploadEndsBehindItsReceipt(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	etag := u.part(1, pattern(5*mib))
	dir := dirOf(t, g, u)
	g.store.before = func(op, _, key string) error {
		if op == "Delete" && key == dir+"create" {
			g.store.buckets["bkt"][dir+"part-00002-late"] = &blob{}
			g.store.buckets["bkt"][dir+"last-2"] = &blob{}
		}
		return nil
	}
	g.want(u.complete(listed{1, etag}), 200, "")
	g.onlyObjects("k")
	// And what a cut end had left is removed by an Abort that finds no upload.
	g.store.buckets["bkt"][dir+"last-2"] = &blob{}
	g.want(u.abort(), 404, "NoSuchUpload")
	g.onlyObjects("k")
}
