package server

import (
	"bytes"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
)

func withoutDefault(c *Config) { c.DefaultChecksum = ChecksumNone }

// shown is the CRC64NVME that HEAD, GET and GetObjectAttributes tell of an object, which
// must be one and the same; "" = none.
func (g *rig) shown(key string) string {
	g.t.Helper()
	c := checksumByCode(codeCRC64NVME)
	a := g.do(call{method: "GET", target: "/bkt/" + key + "?attributes", header: map[string]string{"x-amz-object-attributes": "Checksum,ETag"}})
	g.want(a, 200, "")
	sum := between(a.body, "ChecksumCRC64NVME")
	for _, method := range []string{"HEAD", "GET"} {
		a := g.do(call{method: method, target: "/bkt/" + key, header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
		g.want(a, 200, "")
		if got := a.header.Get(c.header()); got != sum || sum != "" && a.header.Get("x-amz-checksum-type") != "FULL_OBJECT" {
			g.t.Errorf("%s: %s says %q, GetObjectAttributes %q", key, method, got, sum)
		}
		if a := g.do(call{method: method, target: "/bkt/" + key}); a.header.Get(c.header()) != "" {
			g.t.Errorf("%s: %s shows a checksum nobody asked for", key, method)
		}
	}
	return sum
}

// TestObjectsWithoutAChecksumGetS3s: whatever way the bytes come, and go to the backend.
func TestObjectsWithoutAChecksumGetS3s(t *testing.T) {
	t.Parallel()
	c := checksumByCode(codeCRC64NVME)
	fused, err := hashing.New(hashing.Auto, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"whole": func(*Config) {}, "in parts": func(c *Config) { c.WholeObject = 1 << 10 }, "md5": withMD5, "one pass": func(c *Config) { c.Hashing = fused },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, withForms, change)
			for _, n := range []int{0, 1, 70_000, 2 * mib} {
				data := pattern(n)
				for way, put := range map[string]func() answer{
					"PUT":         func() answer { return g.do(call{method: "PUT", target: "/bkt/k", body: data}) },
					"PUT, no MD5": func() answer { return g.do(call{method: "PUT", target: "/bkt/k", body: data, noMD5: true}) },
					"no trailer": func() answer {
						return g.doStreamed(streamedPut{target: "/bkt/k", payload: unsignedTrailer, data: data})
					},
					"form": func() answer {
						return g.post(uploadForm{conditions: `, {"key": "k"}, {"success_action_status": "200"}`, fields: [][2]string{{"key", "k"}, {"success_action_status", "200"}}, file: data})
					},
				} {
					a := put()
					g.want(a, 200, "")
					if got := a.header.Get(c.header()); got != c.text(data) || a.header.Get("x-amz-checksum-type") != "FULL_OBJECT" {
						t.Errorf("%d bytes, %s: the answer says %q, want %q", n, way, got, c.text(data))
					}
					if got := g.shown("k"); got != c.text(data) {
						t.Errorf("%d bytes, %s: %q, want %q", n, way, got, c.text(data))
					}
					if got := g.get("/bkt/k"); !bytes.Equal(got.body, data) {
						t.Errorf("%d bytes, %s: other bytes come back", n, way)
					}
				}
			}
			// A copy keeps it, and one that the client sends takes its place.
			g.want(g.do(call{method: "PUT", target: "/bkt/copy", header: map[string]string{"x-amz-copy-source": "/bkt/k"}}), 200, "")
			if got := g.shown("copy"); got != c.text(pattern(2*mib)) {
				t.Errorf("the copy has %q", got)
			}
			sha := sumOf("sha1", []byte("x"))
			g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: map[string]string{sha.Name: sha.Value}}), 200, "")
			if got := g.shown("k"); got != "" {
				t.Errorf("beside the client's checksum there is %q", got)
			}
		})
	}
}

// TestUploadsWithoutAChecksumGetS3s: of parts that were sent, with and without checksums
// of their own, and copied, through several proxies; the same when Complete comes twice.
func TestUploadsWithoutAChecksumGetS3s(t *testing.T) {
	t.Parallel()
	c := checksumByCode(codeCRC64NVME)
	for name, change := range map[string]func(*Config){"opaque": func(*Config) {}, "md5": withMD5} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, change)
			src := pattern(6 * mib)
			g.put("/bkt/src", src)
			u := &summedUp{partsUp: g.begin("/bkt/k", nil), checksum: checksumByName("SHA512")}
			u.send(src)
			list := u.list
			list = append(list, listed{2, u.copied(g.do(u.copyCall(2, "/bkt/src", "bytes=1-5242880")))})
			u.rig = g.twin2(change)
			last := pattern(4321)
			list = append(list, listed{7, u.part(7, last)})
			crc := u.partCall(8, []byte("tail"))
			crc.header = map[string]string{c.header(): c.text([]byte("tail"))}
			a := u.do(crc)
			g.want(a, 200, "")
			// 7 is below 5 MiB and 8 follows: it is left out of the list.
			list[2] = listed{8, a.header.Get("ETag")}
			want := c.text(bytes.Join([][]byte{src, src[1:5242881], []byte("tail")}, nil))
			for range 2 {
				doc := u.completeCall(list...)
				doc.body = bytes.ReplaceAll(doc.body, []byte("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"), nil)
				doc.header = map[string]string{c.header(): c.text([]byte("not this"))} // ignored, as at S3
				a := u.do(doc)
				g.want(a, 200, "")
				if got := between(a.body, "ChecksumCRC64NVME"); got != want || between(a.body, "ChecksumType") != "FULL_OBJECT" {
					t.Errorf("Complete says %s, want %s", a.body, want)
				}
			}
			if got := g.shown("k"); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			// One small part makes an object like that of a PUT.
			one := g.begin("/bkt/one", nil)
			g.want(one.complete(listed{1, one.part(1, last)}), 200, "")
			if got := g.shown("one"); got != c.text(last) {
				t.Errorf("the object of one part has %q", got)
			}
			// A part that a proxy without the setting stored leaves nothing to tell.
			mixed := g.begin("/bkt/mixed", nil)
			first := listed{1, mixed.part(1, src)}
			mixed.rig = g.twin2(func(c *Config) { change(c); withoutDefault(c) })
			second := listed{2, mixed.part(2, last)}
			mixed.rig = g
			g.want(mixed.complete(first, second), 200, "")
			if got := g.shown("mixed"); got != "" {
				t.Errorf("half of the parts are summed, and the object has %q", got)
			}
		})
	}
}

// TestDefaultChecksumCostsNoObjectAnything: where there is no room for it in the block or
// in memory, or it is switched off, the object is stored without, and as it was before.
func TestDefaultChecksumCostsNoObjectAnything(t *testing.T) {
	t.Parallel()
	data := pattern(3 * mib)
	t.Run("no room in the block", func(t *testing.T) {
		for _, change := range []func(*Config){func(*Config) {}, withMD5} {
			g := newRig(t, change)
			without := 0
			for n := 700; n < 900; n++ {
				h := map[string]string{"x-amz-meta-a": strings.Repeat("m", n)}
				g1, g2 := g.do(call{method: "PUT", target: "/bkt/k", body: data[:10], header: h}), g.twin2(func(c *Config) { change(c); withoutDefault(c) })
				if b := g2.do(call{method: "PUT", target: "/bkt/other", body: data[:10], header: h}); b.status != g1.status {
					t.Fatalf("metadata of %d bytes: %d, without the default %d", n, g1.status, b.status)
				}
				if g1.status != 200 {
					break
				}
				if g.shown("k") == "" {
					without++
				}
			}
			if without < 5 || without > 20 {
				t.Errorf("%d sizes of metadata have no room for 12 bytes", without)
			}
		}
	})
	t.Run("no room in the tail", func(t *testing.T) {
		g := newRig(t)
		without, with := 0, 0
		for n := 700; n < 900; n++ {
			a := g.do(call{method: "POST", target: "/bkt/k?uploads", header: map[string]string{"x-amz-meta-a": strings.Repeat("m", n)}})
			if a.status != 200 {
				break
			}
			if n%4 > 0 {
				continue
			}
			u := &partsUp{rig: g, target: "/bkt/k", id: between(a.body, "UploadId")}
			a = u.complete(listed{1, u.part(1, []byte("x"))})
			g.want(a, 200, "")
			if sum := g.shown("k"); sum == "" {
				without++
			} else {
				with++
			}
		}
		if without == 0 || with == 0 {
			t.Errorf("%d objects with a checksum, %d without", with, without)
		}
	})
	t.Run("no room in memory", func(t *testing.T) {
		g := newRig(t)
		g.put("/bkt/first", nil)
		hold, err := g.engine.Reserve(t.Context(), g.engine.Stats().Budget/4*3)
		if err != nil {
			t.Fatal(err)
		}
		defer hold.Release()
		before := g.store.count()
		a := g.do(call{method: "PUT", target: "/bkt/k", body: data})
		g.want(a, 200, "")
		puts := 0
		for _, c := range g.store.callsSince(before) {
			if strings.HasPrefix(c, "Put ") {
				puts++
			} else if strings.Contains(c, "Upload") {
				t.Errorf("it was stored by %s", c)
			}
		}
		if puts != 1 || a.header.Get("x-amz-checksum-crc64nvme") != "" || g.shown("k") != "" {
			t.Errorf("%d PUTs, and the answer says %q", puts, a.header.Get("x-amz-checksum-crc64nvme"))
		}
	})
	t.Run("switched off", func(t *testing.T) {
		g := newRig(t, withoutDefault)
		g.put("/bkt/k", data)
		if got := g.shown("k"); got != "" {
			t.Errorf("%q", got)
		}
	})
	t.Run("a hint is asked for", func(t *testing.T) {
		g := newRig(t, func(c *Config) { c.BlockHint, c.WholeObject = true, 1<<20 })
		for key, n := range map[string]int{"small": 1000, "large": 3 * mib} {
			g.put("/bkt/"+key, data[:n])
			hint := g.store.buckets["bkt"][key].with.BlockHint
			if hint == "" || (g.shown(key) == "") != (key == "large") {
				t.Errorf("%s: hint %v, checksum %q", key, hint, g.shown(key))
			}
		}
	})
}
