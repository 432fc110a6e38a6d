package server

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

// toldChecksums is what a listing says of each object's checksum.
func (g *rig) toldChecksums(query string) map[string]string {
	g.t.Helper()
	a := g.get("/bkt?" + query)
	g.want(a, 200, "")
	var d struct {
		Contents []toldChecksum
		Version  []toldChecksum
		Marker   []toldChecksum `xml:"DeleteMarker"`
	}
	if err := xml.Unmarshal(a.body, &d); err != nil {
		g.t.Fatal(err)
	}
	told := map[string]string{}
	for _, o := range append(append(d.Contents, d.Version...), d.Marker...) {
		told[o.Key] = strings.Join(append(o.ChecksumAlgorithm, o.ChecksumType...), " ")
	}
	return told
}

type toldChecksum struct {
	Key                             string
	ChecksumAlgorithm, ChecksumType []string
}

// Where listings read blocks for their ETags, they tell the checksums too: of this proxy's
// objects and of another's, in every form of the call; of what has none they say nothing.
func TestListingsTellChecksums(t *testing.T) {
	g := versioned(t, withMD5)
	want := map[string]string{"default": "CRC64NVME FULL_OBJECT", "folder/": "CRC64NVME FULL_OBJECT", "none": "", "parts": "CRC32 COMPOSITE", "removed": ""}
	g.put("/bkt/default", []byte("x"))
	g.put("/bkt/folder/", nil)
	g.twin2(func(c *Config) { c.ETags, c.DefaultChecksum = ETagMD5, ChecksumNone }).put("/bkt/none", []byte("x"))
	for i := range checksums {
		c := &checksums[i]
		key := "with" + c.name
		want[key] = c.name + " FULL_OBJECT"
		g.want(g.do(call{method: "PUT", target: "/bkt/" + key, body: []byte("x"), header: map[string]string{c.header(): c.text([]byte("x"))}}), 200, "")
	}
	u := g.beginSummed("/bkt/parts", checksumByName("CRC32"), composite)
	u.send(pattern(5 * mib))
	u.send([]byte("end"))
	g.want(u.finish(nil, nil), 200, "")
	for name, g := range map[string]*rig{"the same proxy": g, "another": g.twin2(withMD5), "without a cache": g.twin2(func(c *Config) { c.ETags = ETagMD5 })} {
		for range 2 {
			for _, query := range []string{"", "list-type=2", "versions"} {
				got := g.toldChecksums(query)
				for key, w := range want {
					if key != "removed" && got[key] != w {
						t.Errorf("%s, %q: %s: %q, want %q", name, query, key, got[key], w)
					}
				}
			}
		}
	}
	g.put("/bkt/removed", []byte("x"))
	g.want(g.do(call{method: "DELETE", target: "/bkt/removed"}), 204, "")
	a := g.get("/bkt?versions&prefix=removed")
	if n := strings.Count(string(a.body), "ChecksumType>"); n != 2 {
		t.Errorf("a version and a delete marker: %s", a.body)
	}
	if strings.Contains(string(a.body), `xmlns=""`) {
		t.Errorf("an element without the document's name space: %s", a.body)
	}
	for key, got := range g.twin2(func(*Config) {}).toldChecksums("list-type=2") {
		if got != "" {
			t.Errorf("a listing that reads no blocks says of %s: %s", key, got)
		}
	}
}

// Tokens of listings come back as they were, whatever a backend puts into them.
func TestTokensOfListingsComeBack(t *testing.T) {
	for _, backend := range []string{"bar", "a/b-c_d.e=", "~", "~YmFy", "a b", "a+b", "%41", "é", "\x00\xff", "&<>\"", "a,b"} {
		told := clientToken(backend)
		if got, ok := backendToken(told); !ok || got != backend {
			t.Errorf("%q is told as %q, which is %q, %v", backend, told, got, ok)
		}
		if strings.ContainsAny(told, "+%& <>\"\x00") {
			t.Errorf("%q is told as %q", backend, told)
		}
	}
	for _, client := range []string{"", "~", "~!", "~YQ==", "a b", "a+b", "é", "a%41"} {
		if got, ok := backendToken(client); ok {
			t.Errorf("%q is taken for %q", client, got)
		}
	}
	g := newRig(t)
	for i := range 5 {
		g.put(fmt.Sprintf("/bkt/k%%20%d", i), nil)
	}
	var keys []string
	for token := ""; len(keys) < 10; {
		d := g.list("&max-keys=2" + token)
		for _, c := range d.Contents {
			keys = append(keys, c.Key)
		}
		if !d.IsTruncated {
			break
		}
		token = "&continuation-token=" + d.NextContinuationToken
	}
	if got := fmt.Sprint(keys); got != "[k 0 k 1 k 2 k 3 k 4]" {
		t.Error(got)
	}
	g.want(g.get("/bkt?list-type=2&continuation-token=a%20b"), 400, "InvalidArgument")
}
