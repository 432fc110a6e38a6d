package server

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// model is what a bucket should hold: nothing but a map.
type model struct {
	t       *testing.T
	rng     *rand.Rand
	proxies []*rig // over one store
	padded  bool
	objects map[string][]byte
}

// sizes lie at the borders of powers of two, of segments and of Padmé's classes.
func (m *model) size() int {
	n := 1<<m.rng.IntN(18) + m.rng.IntN(3) - 1
	switch m.rng.IntN(6) {
	case 0:
		n = m.rng.IntN(4)
	case 1:
		n = int(format.PaddedSize(int64(m.rng.IntN(200_000)))) + m.rng.IntN(3) - 1
	}
	return max(n, 0)
}

func (m *model) key() string {
	words := []string{"a", "b", "ab", "a.b", "ä", "z z", "0"}
	parts := make([]string, 1+m.rng.IntN(3))
	for i := range parts {
		parts[i] = words[m.rng.IntN(len(words))]
	}
	return strings.Join(parts, "/")
}

func (m *model) any() *rig { return m.proxies[m.rng.IntN(len(m.proxies))] }

func (m *model) target(key string) string {
	return "/bkt/" + strings.ReplaceAll(url.PathEscape(key), "%2F", "/")
}

func etagOfBytes(b []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(b)) }

// step does one thing to the bucket and to the map.
func (m *model) step() {
	key := m.key()
	old, exists := m.objects[key]
	switch m.rng.IntN(8) {
	case 0, 1:
		body := make([]byte, m.size())
		for i := range body {
			body[i] = byte(m.rng.Uint32())
		}
		c := call{method: "PUT", target: m.target(key), body: body, noMD5: m.rng.IntN(2) == 0}
		status := 200
		switch m.rng.IntN(4) {
		case 0:
			c.header = map[string]string{"if-none-match": "*"}
			if exists {
				status = 412
			}
		case 1: // an ETag of what was there some time, or is there
			c.header = map[string]string{"if-match": etagOfBytes(old)}
			if !exists {
				status = 404
			}
		case 2:
			c.header = map[string]string{"if-match": etagOfBytes(append(body, 'x'))}
			if status = 412; !exists {
				status = 404
			}
		}
		a := m.any().do(c)
		if a.status != status && !(status == 404 && a.status == 412) {
			m.t.Fatalf("PUT %q %v, there: %v: %d %s, want %d", key, c.header, exists, a.status, a.body, status)
		}
		if a.status == 200 {
			m.objects[key] = body
			if got := a.header.Get("ETag"); got != etagOfBytes(body) {
				m.t.Fatalf("PUT %q gave ETag %s", key, got)
			}
		}
	case 2:
		m.any().want(m.any().do(call{method: "DELETE", target: m.target(key)}), 204, "")
		delete(m.objects, key)
	case 3:
		to := m.key()
		if to == key {
			return
		}
		a := m.any().do(call{method: "PUT", target: m.target(to), header: map[string]string{"x-amz-copy-source": m.target(key)}})
		switch {
		case exists && a.status == 200:
			m.objects[to] = old
		case exists || a.status != 404:
			m.t.Fatalf("copy %q to %q, there: %v: %d %s", key, to, exists, a.status, a.body)
		}
	case 4, 5:
		m.read(key)
	case 6:
		m.list()
	case 7:
		a := m.any().do(call{method: "HEAD", target: m.target(key)})
		switch {
		case !exists:
			m.any().want(a, 404, "")
		case a.status != 200 || a.header.Get("Content-Length") != strconv.Itoa(len(old)) || a.header.Get("ETag") != etagOfBytes(old):
			m.t.Fatalf("HEAD %q of %d bytes: %d %v", key, len(old), a.status, a.header)
		}
	}
}

// read reads an object, or a range that may begin, end or lie in its padding.
func (m *model) read(key string) {
	body, exists := m.objects[key]
	if !exists {
		m.any().want(m.any().get(m.target(key)), 404, "NoSuchKey")
		return
	}
	n := len(body)
	if n == 0 || m.rng.IntN(3) == 0 {
		if a := m.any().get(m.target(key)); a.status != 200 || !bytes.Equal(a.body, body) {
			m.t.Fatalf("GET %q of %d bytes: %d, %d bytes", key, n, a.status, len(a.body))
		}
		return
	}
	var spec string
	var want []byte
	switch first := m.rng.IntN(n + 2); m.rng.IntN(3) {
	case 0:
		spec = fmt.Sprintf("bytes=%d-", first)
		want = body[min(first, n):]
	case 1:
		last := first + m.rng.IntN(n+70_000)
		spec = fmt.Sprintf("bytes=%d-%d", first, last)
		want = body[min(first, n):min(last+1, n)]
	default:
		spec = fmt.Sprintf("bytes=-%d", first+1)
		want = body[n-min(first+1, n):]
	}
	a := m.any().do(call{method: "GET", target: m.target(key), header: map[string]string{"range": spec}})
	if len(want) == 0 {
		m.any().want(a, 416, "InvalidRange")
		return
	}
	if a.status != 206 || !bytes.Equal(a.body, want) || !strings.HasSuffix(a.header.Get("Content-Range"), fmt.Sprintf("/%d", n)) {
		m.t.Fatalf("GET %q %s of %d bytes: %d, %d bytes, %s", key, spec, n, a.status, len(a.body), a.header.Get("Content-Range"))
	}
}

// list lists from page to page, each from another proxy, and compares names, sizes and
// ETags; no page is skipped, repeated or without an end.
func (m *model) list() {
	q := url.Values{"max-keys": {strconv.Itoa(1 + m.rng.IntN(7))}, "list-type": {"2"}}
	prefix := []string{"", "", "a", "a/", "a/b", "ab/a", "z", "ä/"}[m.rng.IntN(8)]
	delimited := m.rng.IntN(2) == 0
	after := ""
	if m.rng.IntN(3) == 0 {
		after = m.key()
		q.Set("start-after", after)
	}
	q.Set("prefix", prefix)
	if delimited {
		q.Set("delimiter", "/")
	}
	var want []string
	for k, body := range m.objects {
		rest, below := strings.CutPrefix(k, prefix)
		if !below || k <= after {
			continue
		}
		if at := strings.IndexByte(rest, '/'); delimited && at >= 0 {
			want = append(want, prefix+rest[:at+1])
			continue
		}
		size := int64(len(body))
		if m.padded {
			size = format.PaddedSize(size)
		}
		want = append(want, fmt.Sprintf("%s %d %s", k, size, etagOfBytes(body)))
	}
	slices.Sort(want)
	want = slices.Compact(want)
	var got []string
	for pages := 0; ; pages++ {
		if pages > 2000 {
			m.t.Fatalf("the listing %v does not end", q)
		}
		a := m.any().get("/bkt/?" + strings.ReplaceAll(q.Encode(), "+", "%20"))
		m.any().want(a, 200, "")
		var d struct {
			IsTruncated           bool
			NextContinuationToken string
			Contents              []struct {
				Key, ETag string
				Size      int64
			}
			CommonPrefixes []struct{ Prefix string }
		}
		if err := xml.Unmarshal(a.body, &d); err != nil {
			m.t.Fatal(err)
		}
		for _, c := range d.Contents {
			got = append(got, fmt.Sprintf("%s %d %s", c.Key, c.Size, c.ETag))
		}
		for _, p := range d.CommonPrefixes {
			got = append(got, p.Prefix)
		}
		if !d.IsTruncated {
			break
		}
		q.Set("continuation-token", d.NextContinuationToken)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		m.t.Fatalf("the listing %v gave\n%q\nwant\n%q", q, got, want)
	}
}

// TestModel: whatever is done to a bucket, through whichever proxy, it is the map that
// the same was done to; with every setting that changes how objects are stored.
func TestModel(t *testing.T) {
	t.Parallel()
	padded := func(c *Config) { c.PadSizes = []string{"*"} }
	md5s := func(c *Config) { c.ETags = ETagMD5 }
	steps := 200
	if testing.Short() {
		steps = 100
	}
	for name, settings := range map[string][]func(*Config){
		"names and padding": {sealedNames, padded, md5s},
		"padding":           {padded, md5s},
		"names":             {sealedNames, md5s, func(c *Config) { c.BlockHint = true }},
		"none":              {md5s},
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				one := newRig(t, settings...)
				two := newRig(t, append(settings, func(c *Config) { c.Backend = one.store })...)
				two.store = one.store
				m := &model{t, rand.New(rand.NewPCG(seed, 11)), []*rig{one, two}, strings.Contains(name, "padding"), map[string][]byte{}}
				for range steps {
					m.step()
				}
				for _, key := range slices.Sorted(maps.Keys(m.objects)) {
					m.read(key)
				}
				m.list()
			})
		}
	}
}
