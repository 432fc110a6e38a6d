package server

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func sealedNames(c *Config) { c.SealNames = []string{"*"} }

// namer is what seals the names of a bucket of the rig.
func (g *rig) namer(bucket string) *format.Namer {
	g.t.Helper()
	st := g.store.state(g.t, bucket, g.keys.ring)
	n, err := format.NewNamer(st.BucketID, st.NameKey)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// storedName is the name at the backend.
func (g *rig) storedName(bucket, key string) string {
	g.t.Helper()
	name, err := g.namer(bucket).Seal(key)
	if err != nil {
		g.t.Fatal(err)
	}
	return name
}

// noName fails if a call to the backend, or a name it keeps, holds any of these.
func (g *rig) noName(secrets ...string) {
	g.t.Helper()
	told := g.store.callsSince(0)
	for _, q := range g.store.asked {
		told = append(told, q.Key, q.Query.Encode(), fmt.Sprint(q.Header))
	}
	for b, objects := range g.store.buckets {
		for k := range objects {
			told = append(told, b+"/"+k)
		}
	}
	for _, line := range told {
		for _, s := range secrets {
			if strings.Contains(line, s) {
				g.t.Errorf("the backend was told %q: %q", s, line)
			}
		}
	}
}

// No verb and no sub-resource tells the backend a name.
func TestEveryVerbSealsTheName(t *testing.T) {
	g := newRig(t, sealedNames)
	const k = "/bkt/secret-dir/secret-key"
	g.want(g.get(k), 404, "NoSuchKey") // also before there is a key of names
	g.want(g.do(call{method: "DELETE", target: k}), 204, "")
	g.want(g.do(call{method: "GET", target: "/bkt/?list-type=2&prefix=secret-dir%2F"}), 200, "")
	g.want(g.do(call{method: "GET", target: k + "?tagging"}), 404, "NoSuchKey")
	g.put(k, []byte("content"))
	if a := g.get(k); string(a.body) != "content" {
		t.Fatalf("%d %q", a.status, a.body)
	}
	g.want(g.do(call{method: "HEAD", target: k}), 200, "")
	g.want(g.ranged("GET", k, "bytes=1-2"), 206, "")
	g.want(g.do(call{method: "GET", target: k + "?attributes", header: map[string]string{"x-amz-object-attributes": "ObjectSize"}}), 200, "")
	for i := range relayRoutes {
		if r := &relayRoutes[i]; r.level == onObject {
			c := call{method: r.method, target: k + "?" + r.query[0]}
			if r.method == "PUT" {
				c.body = []byte("<x/>")
			}
			g.do(c)
		}
	}
	if len(g.store.asked) < 6 {
		t.Errorf("only %d questions were passed on", len(g.store.asked))
	}
	g.want(g.do(call{method: "PUT", target: "/bkt/secret-copy", header: map[string]string{"x-amz-copy-source": k}}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/other/secret-copy", header: map[string]string{"x-amz-copy-source": k}}), 200, "")
	u := g.begin("/bkt/secret-parts", nil)
	one := u.part(1, pattern(5*mib))
	g.want(u.do(call{method: "PUT", target: fmt.Sprintf("%s?partNumber=2&uploadId=%s", u.target, u.id), header: map[string]string{"x-amz-copy-source": k}}), 200, "")
	three := u.part(3, []byte("x"))
	g.want(u.complete(listed{1, one}, listed{3, three}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/secret-parts-copy", header: map[string]string{"x-amz-copy-source": "/bkt/secret-parts"}}), 200, "")
	g.want(g.begin("/bkt/secret-abort", nil).abort(), 204, "")
	g.want(g.do(call{method: "GET", target: "/bkt/?list-type=2&prefix=secret-&start-after=secret-a"}), 200, "")
	g.want(g.do(call{method: "GET", target: "/bkt/?prefix=secret-dir%2Fsecret&marker=secret-a&delimiter=%2F"}), 200, "")
	g.want(g.do(call{method: "POST", target: "/bkt/?delete", body: []byte("<Delete><Object><Key>secret-copy</Key></Object><Object><Key>secret-none</Key></Object></Delete>")}), 200, "")
	g.want(g.do(call{method: "DELETE", target: k}), 204, "")
	g.want(g.get(k), 404, "NoSuchKey")
	g.noName("secret")
}

// worlds are a bucket with sealed names and a plain one, to which the same is done.
type worlds struct {
	t            *testing.T
	named, plain *rig
}

func (w *worlds) do(c call) (answer, answer) {
	w.t.Helper()
	a, b := w.named.do(c), w.plain.do(c)
	if a.status != b.status || between(a.body, "Code") != between(b.body, "Code") || a.header.Get("Content-Length") != b.header.Get("Content-Length") && c.method == "HEAD" {
		w.t.Fatalf("%s %s: %d %.300s with sealed names, %d %.300s without", c.method, c.target, a.status, a.body, b.status, b.body)
	}
	return a, b
}

// entries lists everything, page by page, as "key size" and "prefix/".
func (g *rig) entries(v1 bool, query url.Values) (all []string, pages int) {
	g.t.Helper()
	more := ""
	for {
		q := url.Values{}
		for k, v := range query {
			q[k] = v
		}
		if !v1 {
			q.Set("list-type", "2")
			if more != "" {
				q.Set("continuation-token", more)
			}
		} else if more != "" {
			q.Set("marker", more)
		}
		a := g.do(call{method: "GET", target: "/bkt/?" + strings.ReplaceAll(q.Encode(), "+", "%20")})
		g.want(a, 200, "")
		var d struct {
			IsTruncated                       bool
			NextMarker, NextContinuationToken string
			Contents                          []struct {
				Key  string
				Size int64
			}
			CommonPrefixes []struct{ Prefix string }
		}
		if err := xml.Unmarshal(a.body, &d); err != nil {
			g.t.Fatal(err)
		}
		var keys []string
		for _, c := range d.Contents {
			keys = append(keys, c.Key)
			all = append(all, fmt.Sprintf("%s %d", c.Key, c.Size))
		}
		if !slices.IsSorted(keys) {
			g.t.Errorf("a page is not in order: %q", keys)
		}
		for _, p := range d.CommonPrefixes {
			all = append(all, p.Prefix)
		}
		if pages++; pages > 400 {
			g.t.Fatal("the listing does not end")
		}
		if !d.IsTruncated {
			slices.Sort(all)
			return all, pages
		}
		if more = d.NextContinuationToken; v1 {
			more = d.NextMarker
		}
		if more == "" {
			g.t.Fatal("truncated, without a way on")
		}
	}
}

// Whatever is asked of a bucket, sealed names change the order of its pages and
// nothing else: answers, contents, sizes, and the set of names that a listing gives.
func TestSealedNamesChangeNothingElse(t *testing.T) {
	t.Parallel()
	w := &worlds{t, newRig(t, sealedNames), newRig(t)}
	rng := rand.New(rand.NewPCG(1, 8))
	words := []string{"a", "b", "ab", "abc", "b", "", "ä", "a b", "x+y", "%41"}
	var keys []string
	for range 60 {
		var parts []string
		for range 1 + rng.IntN(4) {
			parts = append(parts, words[rng.IntN(len(words))])
		}
		if k := strings.Join(parts, "/"); k != "" && strings.Trim(k, "/") != "" {
			keys = append(keys, k)
		}
	}
	target := func(k string) string { return "/bkt/" + strings.ReplaceAll(url.PathEscape(k), "%2F", "/") }
	for i, k := range keys {
		w.do(call{method: "PUT", target: target(k), body: pattern(i * 7)})
	}
	// Some go, some are copied.
	for range 15 {
		k, to := keys[rng.IntN(len(keys))], keys[rng.IntN(len(keys))]
		switch rng.IntN(3) {
		case 0:
			w.do(call{method: "DELETE", target: target(k)})
		case 1:
			w.do(call{method: "PUT", target: target(to), header: map[string]string{"x-amz-copy-source": target(k)}})
		default:
			var doc bytes.Buffer
			doc.WriteString("<Delete><Object><Key>")
			_ = xml.EscapeText(&doc, []byte(k))
			doc.WriteString("</Key></Object></Delete>")
			w.do(call{method: "POST", target: "/bkt/?delete", body: doc.Bytes()})
		}
	}
	for _, k := range keys {
		a, b := w.do(call{method: "GET", target: target(k)})
		if !bytes.Equal(a.body, b.body) && a.status == 200 {
			t.Errorf("%q: other contents", k)
		}
		w.do(call{method: "HEAD", target: target(k)})
	}
	prefixes := append([]string{"", "a/", "ab", "a/a", "a/b/", "/", "//", "b//", "ä", "a ", "zz", "zz/", "a/zz/y"}, keys[:5]...)
	starts := append([]string{"", "", "", "a", "a/", "a/b", "b", "zzz", "\u00e4", "ab\U0010FFFF"}, keys[5:10]...)
	for range 250 {
		q := url.Values{}
		if p := prefixes[rng.IntN(len(prefixes))]; p != "" {
			q.Set("prefix", p)
		}
		if rng.IntN(2) == 0 {
			q.Set("delimiter", "/")
		}
		v1 := rng.IntN(3) == 0
		if s := starts[rng.IntN(len(starts))]; s != "" && !v1 {
			q.Set("start-after", s)
		} else if s != "" && v1 && q.Get("delimiter") == "" {
			q.Set("marker", s)
		}
		if n := rng.IntN(4); n > 0 {
			q.Set("max-keys", fmt.Sprint(n*n))
		}
		a, _ := w.named.entries(v1, q)
		b, _ := w.plain.entries(v1, q)
		if !slices.Equal(a, b) {
			t.Fatalf("V1 %v, %v:\n%q\nwithout sealed names\n%q", v1, q, a, b)
		}
	}
}

// One backend page answers one request where no filter is needed, and a filter reads
// a bounded number of them, however little it finds.
func TestListingsOfSealedNamesAreBounded(t *testing.T) {
	g := newRig(t, sealedNames)
	for i := range 30 {
		g.put(fmt.Sprintf("/bkt/dir/k%02d", i), nil)
	}
	for _, query := range []string{"&prefix=dir%2F", "&prefix=dir%2F&max-keys=7", "", "&delimiter=%2F", "&prefix=dir%2Fk1&max-keys=1"} {
		before := g.store.count()
		g.list(query)
		if calls := g.store.callsSince(before); len(calls) != 1 {
			t.Errorf("%s: %q", query, calls)
		}
	}
	// A store full of names that the filter does not want.
	namer := g.namer("bkt")
	g.store.mu.Lock()
	for i := range nameFilterPage*maxNamePages + 500 {
		name, err := namer.Seal(fmt.Sprintf("many/x%05d", i))
		if err != nil {
			t.Fatal(err)
		}
		g.store.buckets["bkt"][name] = g.store.buckets["bkt"][g.storedNameLocked(namer, "dir/k00")]
	}
	g.store.mu.Unlock()
	before := g.store.count()
	d := g.list("&prefix=many%2Fnothing")
	if calls := g.store.callsSince(before); len(calls) != maxNamePages || !d.IsTruncated || d.KeyCount != 0 {
		t.Errorf("%d calls, %+v", len(calls), d)
	}
	if all, pages := g.entries(false, url.Values{"prefix": {"many/nothing"}}); len(all) != 0 || pages != 2 {
		t.Errorf("%d names in %d pages", len(all), pages)
	}
	if all, _ := g.entries(false, url.Values{"prefix": {"many/x0001"}}); len(all) != 10 {
		t.Errorf("%d names", len(all))
	}
}

func (g *rig) storedNameLocked(n *format.Namer, key string) string {
	name, err := n.Seal(key)
	if err != nil {
		g.t.Fatal(err)
	}
	return name
}

// A client that deletes what it was shown, as it goes on, sees every name once.
func TestPagesOfSealedNamesSurviveDeletes(t *testing.T) {
	for _, filter := range []string{"", "&prefix=k", "&start-after=a", "&prefix=dir%2F"} {
		g := newRig(t, sealedNames)
		want := map[string]bool{}
		for i := range 40 {
			key := fmt.Sprintf("k%02d", i)
			if strings.Contains(filter, "dir") {
				key = "dir/" + key
			}
			want[key] = true
			g.put("/bkt/"+key, nil)
		}
		token := ""
		for {
			query := "&max-keys=7" + filter
			if token != "" {
				query += "&continuation-token=" + token
			}
			d := g.list(query)
			for _, c := range d.Contents {
				if !want[c.Key] {
					t.Errorf("%s: %s is listed twice, or was never there", filter, c.Key)
				}
				delete(want, c.Key)
				g.want(g.do(call{method: "DELETE", target: "/bkt/" + c.Key}), 204, "")
			}
			if token = d.NextContinuationToken; !d.IsTruncated {
				break
			}
		}
		if len(want) != 0 {
			t.Errorf("%s: %d names were not listed", filter, len(want))
		}
	}
}

// What nobody sealed is left out of a listing and counted; it cannot be read by a
// name of any kind.
func TestForeignNamesAreLeftOutAndCounted(t *testing.T) {
	g := newRig(t, sealedNames)
	g.put("/bkt/dir/real", []byte("x"))
	stored := g.storedName("bkt", "dir/real")
	dir, _, _ := strings.Cut(stored, "/")
	g.store.mu.Lock()
	for _, name := range []string{"plain", "dir/plain", dir + "/plain", stored + "/deeper", strings.ToLower(stored), stored + "A"} {
		g.store.buckets["bkt"][name] = g.store.buckets["bkt"][stored]
	}
	g.store.mu.Unlock()
	if all, _ := g.entries(false, url.Values{}); !slices.Equal(all, []string{"dir/real 1"}) {
		t.Errorf("%q", all)
	}
	if n := g.value("unsealed_names_listed_total"); n < 4 {
		t.Errorf("%v foreign names were counted", n)
	}
	for _, key := range []string{"plain", "dir/plain", stored} {
		g.want(g.get("/bkt/"+key), 404, "NoSuchKey")
	}
}

// A genuine object under another genuine name does not open.
func TestSwappedStoredNamesAreRefused(t *testing.T) {
	g := newRig(t, sealedNames)
	g.put("/bkt/a", []byte("one"))
	g.put("/bkt/b", []byte("two"))
	a, b := g.storedName("bkt", "a"), g.storedName("bkt", "b")
	g.store.mu.Lock()
	g.store.buckets["bkt"][a], g.store.buckets["bkt"][b] = g.store.buckets["bkt"][b], g.store.buckets["bkt"][a]
	g.store.mu.Unlock()
	g.want(g.get("/bkt/a"), 500, "InternalError")
	g.want(g.get("/bkt/b"), 500, "InternalError")
}

// Keys that do not fit once sealed are refused before the backend is asked.
func TestSealedKeyTooLong(t *testing.T) {
	g := newRig(t, sealedNames)
	g.put("/bkt/first", nil)
	long := "/bkt/" + strings.Repeat("k", 753)
	before := g.store.count()
	g.want(g.do(call{method: "PUT", target: long, body: []byte("x")}), 400, "KeyTooLongError")
	g.want(g.get(long), 400, "KeyTooLongError")
	g.want(g.do(call{method: "DELETE", target: long}), 400, "KeyTooLongError")
	g.want(g.do(call{method: "POST", target: long + "?uploads"}), 400, "KeyTooLongError")
	g.want(g.do(call{method: "GET", target: "/bkt/?list-type=2&prefix=" + strings.Repeat("k", 800) + "%2F"}), 400, "KeyTooLongError")
	if calls := g.store.callsSince(before); len(calls) != 0 {
		t.Errorf("the backend was asked: %q", calls)
	}
	a := g.do(call{method: "POST", target: "/bkt/?delete", body: []byte("<Delete><Object><Key>" + long[5:] + "</Key></Object><Object><Key>first</Key></Object></Delete>")})
	g.want(a, 200, "")
	if between(a.body, "Code") != "KeyTooLongError" || !strings.Contains(string(a.body), "<Deleted><Key>first</Key>") {
		t.Errorf("%s", a.body)
	}
	g.put("/bkt/"+strings.Repeat("k", 752), nil)
}

// Other delimiters, forged tokens and markers are refused, not answered wrongly.
func TestListingsOfSealedNamesRefuse(t *testing.T) {
	g := newRig(t, sealedNames)
	g.put("/bkt/a-b", nil)
	for _, c := range []struct {
		query, code string
		status      int
	}{
		{"list-type=2&delimiter=-", "NotImplemented", 501},
		{"delimiter=%2F%2F", "NotImplemented", 501},
		{"list-type=2&continuation-token=AAAA", "InvalidArgument", 400},
		{"list-type=2&continuation-token=AQA", "InvalidArgument", 400},
		{"list-type=2&continuation-token=Af__AAAA", "InvalidArgument", 400},
		{"marker=" + url.QueryEscape(pageMarker) + "AAAA", "InvalidArgument", 400},
		{"marker=" + url.QueryEscape(pageMarker) + "%2A", "InvalidArgument", 400},
		{"list-type=2&start-after=" + strings.Repeat("k", 3000), "InvalidArgument", 400},
	} {
		g.want(g.do(call{method: "GET", target: "/bkt/?" + c.query}), c.status, c.code)
	}
}

// A bucket keeps the names it was begun with, whatever the configuration says of new
// ones; one that is called by its name in the configuration is refused if it has others.
func TestNamesOfABucketNeverChange(t *testing.T) {
	plain := newRig(t)
	plain.put("/bkt/k", []byte("plain"))
	named := newRig(t, sealedNames, func(c *Config) { c.Backend = plain.store })
	named.store, named.keys = plain.store, plain.keys
	if a := named.get("/bkt/k"); string(a.body) != "plain" || plain.store.stored("bkt", "k") == nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	named.put("/other/k", []byte("sealed"))
	if a := plain.get("/other/k"); string(a.body) != "sealed" {
		t.Errorf("%d %s", a.status, a.body)
	}
	strict := newRig(t, func(c *Config) { c.Backend, c.SealNames = plain.store, []string{"bkt", "other"} })
	strict.store, strict.keys = plain.store, plain.keys
	before := plain.store.count()
	strict.want(strict.do(call{method: "PUT", target: "/bkt/k", body: []byte("x")}), 503, "ServiceUnavailable")
	strict.want(strict.get("/bkt/k"), 503, "ServiceUnavailable")
	if calls := plain.store.callsSince(before); len(calls) != 2 {
		t.Errorf("more than the state was asked for: %q", calls)
	}
	strict.want(strict.get("/other/k"), 200, "")
}

// After a rotation names are found under the same stored names, by both rings.
func TestRotationKeepsNames(t *testing.T) {
	g := newRig(t, sealedNames)
	g.put("/bkt/dir/k", []byte("x"))
	stored := g.storedName("bkt", "dir/k")
	older, err := format.DeriveKeys(bytes.Repeat([]byte{0x42}, 32))
	if err != nil {
		t.Fatal(err)
	}
	newer, err := format.DeriveKeys(bytes.Repeat([]byte{0x43}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if g.keys.ring, err = format.NewKeyring(newer, older); err != nil {
		t.Fatal(err)
	}
	g.put("/bkt/dir/k2", []byte("y"))
	if a := g.get("/bkt/dir/k"); string(a.body) != "x" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if g.storedName("bkt", "dir/k") != stored {
		t.Error("the name changed with the key")
	}
	if all, _ := g.entries(false, url.Values{}); len(all) != 2 {
		t.Errorf("%q", all)
	}
}

// What a backend says of a name is told of the name that was asked for.
func TestRefusalsShowTheClientsName(t *testing.T) {
	g := newRig(t, sealedNames)
	g.put("/bkt/dir/k", nil)
	stored := g.storedName("bkt", "dir/k")
	g.store.reply = &backend.Reply{Status: 404, Code: "NoSuchTagSet", Message: "no tags on " + stored}
	a := g.do(call{method: http.MethodGet, target: "/bkt/dir/k?tagging"})
	if g.want(a, 404, "NoSuchTagSet"); strings.Contains(string(a.body), stored) || !strings.Contains(string(a.body), "dir/k") {
		t.Errorf("%s", a.body)
	}
}

func FuzzListToken(f *testing.F) {
	f.Add((&listToken{"after", "page", "behind"}).encode())
	f.Add((&listToken{}).encode())
	f.Add("\x01\xff\xff")
	f.Fuzz(func(t *testing.T, s string) {
		token, ok := parseListToken(s)
		if ok && token.encode() != s {
			t.Fatalf("%q is %+v, which is %q", s, token, token.encode())
		}
	})
}

// A store that tidies paths is found out below sealed names too: what they leave of a
// key, its slashes, is what such a store changes.
func TestSealedNamesOnAStoreThatTidiesPaths(t *testing.T) {
	g, w := newWireRig(t, sealedNames)
	w.tidy = tidyPosix
	g.put("/bkt/a/b", []byte("stays"))
	for key, code := range map[string]string{"a//b": "InvalidArgument", "/a/b": "InvalidArgument", "a/b//": "InvalidArgument", "a/./b": "400"} {
		g.want(g.do(call{method: "PUT", target: "/bkt/" + key, body: []byte("x")}), 400, code)
	}
	if a := g.get("/bkt/a/b"); string(a.body) != "stays" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
