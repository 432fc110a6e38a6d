package server

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// checkValues are digests that others published: of nothing and of "123456789" by the
// definitions of the algorithms, of 1 MiB of pattern by coreutils 9.1 and xxhsum 0.8.1.
var checkValues = map[string][3]string{
	"CRC32":     {"00000000", "cbf43926", ""},
	"CRC32C":    {"00000000", "e3069283", ""},
	"CRC64NVME": {"0000000000000000", "ae8b14860a799888", ""},
	"SHA1":      {"da39a3ee5e6b4b0d3255bfef95601890afd80709", "f7c3bc1d808e04732adf679965ccc34ca7ae3441", ""},
	"SHA256": {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225", ""},
	"SHA512": {"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
		"d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
		"3baea6b009a6496d76086127789c29201bedad6e605ad589478e6675f25d49981301c60eef2d769f9cd84fa06021b7b3498386dd6835b4b631eab1a11a3f44cf"},
	"MD5":       {"d41d8cd98f00b204e9800998ecf8427e", "25f9e794323b453885f5181f1b624d0b", "c5377728d1e5adf08badec6a7fed1111"},
	"XXHASH64":  {"ef46db3751d8e999", "8cb841db40e6ae83", "158cabdf4c1c565d"},
	"XXHASH3":   {"2d06800538d394c2", "72dcb18b67a17dff", "6be46941fe9abe03"},
	"XXHASH128": {"99aa06d3014798d86001c324468d497f", "33119477ede5dcd5e9716427681d5860", "d914de5978f092986be46941fe9abe03"},
}

func TestChecksumsHaveTheirPublishedValues(t *testing.T) {
	if len(checkValues) != len(checksums) {
		t.Errorf("%d algorithms, %d have values", len(checksums), len(checkValues))
	}
	for i := range checksums {
		c := &checksums[i]
		for j, data := range [][]byte{nil, []byte("123456789"), pattern(1 << 20)} {
			want := checkValues[c.name][j]
			if j < 2 && len(want) != 2*c.size {
				t.Errorf("%s has no value for %d bytes", c.name, len(data))
			}
			if got := hex.EncodeToString(c.sumOf(data)); want != "" && got != want {
				t.Errorf("%s of %d bytes is %s, want %s", c.name, len(data), got, want)
			}
			// In pieces, at odd addresses too.
			h := c.make()
			for rest := data; len(rest) > 0; {
				n := min(len(rest), 1+len(rest)*3/7)
				h.Write(rest[:n])
				rest = rest[n:]
			}
			if got := h.Sum(nil); !bytes.Equal(got, c.sumOf(data)) {
				t.Errorf("%s of %d bytes in pieces is %x", c.name, len(data), got)
			}
		}
	}
	// NVM Command Set Specification 1.0, "64b CRC test cases".
	up, down := make([]byte, 4096), make([]byte, 4096)
	for i := range up {
		up[i], down[i] = byte(i), ^byte(i)
	}
	nvme := checksumByName("CRC64NVME")
	for want, data := range map[string][]byte{
		"6482d367eb22b64e": make([]byte, 4096), "c0ddba7302eca3ac": bytes.Repeat([]byte{0xff}, 4096), "3e729f5f6750449c": up, "9a2df64b8e9e517e": down,
	} {
		if got := hex.EncodeToString(nvme.sumOf(data)); got != want {
			t.Errorf("CRC64NVME is %s, want %s", got, want)
		}
	}
}

// Codes lie in sealed objects: none may ever change its meaning.
func TestCodesOfChecksumsStay(t *testing.T) {
	codes := map[byte]string{1: "CRC32", 2: "CRC32C", 3: "CRC64NVME", 4: "SHA1", 5: "SHA256", 6: "SHA512", 7: "MD5", 8: "XXHASH64", 9: "XXHASH3", 10: "XXHASH128"}
	for i := range checksums {
		if c := &checksums[i]; codes[c.code] != c.name || checksumByCode(c.code) != c || checksumByName(strings.ToLower(c.name)) != c || len(c.sumOf(nil)) != c.size {
			t.Errorf("%s has the code %d and %d bytes", c.name, c.code, len(c.sumOf(nil)))
		}
	}
	if len(checksums) != len(codes) {
		t.Errorf("%d algorithms", len(checksums))
	}
}

// TestEveryChecksumIsProved: a value that is not the body's makes no object, wherever it
// stands, and one that is comes back.
func TestEveryChecksumIsProved(t *testing.T) {
	fused, err := hashing.New(hashing.Auto, 2)
	if err != nil {
		t.Fatal(err)
	}
	data := pattern(70_001)
	for name, change := range map[string]func(*Config){
		"one by one": withForms, "in one pass": func(c *Config) { c.PostForms, c.Hashing = true, fused }, "md5": func(c *Config) { c.PostForms, c.Hashing, c.ETags, c.ETagCache = true, fused, ETagMD5, 10 },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, change)
			for i := range checksums {
				c := &checksums[i]
				sum := c.sumOf(data)
				wrong := slices.Clone(sum)
				wrong[len(wrong)-1] ^= 1
				ways := map[string]func(value string) answer{
					"header": func(v string) answer {
						return g.do(call{method: "PUT", target: "/bkt/k", body: data, header: map[string]string{c.header(): v}})
					},
					"header, hash unsigned": func(v string) answer {
						return g.do(call{method: "PUT", target: "/bkt/k", body: data, noMD5: true, sha: "UNSIGNED-PAYLOAD", header: map[string]string{c.header(): v}})
					},
					"trailer": func(v string) answer {
						return g.doStreamed(streamedPut{target: "/bkt/k", payload: unsignedTrailer, data: data, trailer: []sigv4.Header{{Name: c.header(), Value: v}}})
					},
					"signed trailer": func(v string) answer {
						return g.doStreamed(streamedPut{target: "/bkt/k", payload: signedTrailer, data: data, trailer: []sigv4.Header{{Name: c.header(), Value: v}}})
					},
					"form": func(v string) answer {
						return g.post(uploadForm{conditions: fmt.Sprintf(`, {"key": "k"}, ["starts-with", "$%s", ""], {"success_action_status": "200"}`, c.header()),
							fields: [][2]string{{"key", "k"}, {c.header(), v}, {"success_action_status", "200"}}, file: data})
					},
				}
				for way, put := range ways {
					g.want(put(base64.StdEncoding.EncodeToString(wrong)), 400, "BadDigest")
					for _, bad := range []string{"x", "", base64.StdEncoding.EncodeToString(sum[1:]), base64.StdEncoding.EncodeToString(append([]byte{0}, sum...))} {
						if bad == "" && strings.Contains(way, "header") {
							continue // call leaves empty headers out
						}
						if a := put(bad); a.status != 400 {
							t.Errorf("%s, %s %q: %d", c.name, way, bad, a.status)
						}
					}
					if g.store.stored("bkt", "k") != nil {
						t.Fatalf("%s, %s: an object was stored", c.name, way)
					}
					a := put(c.text(data))
					g.want(a, 200, "")
					got := g.do(call{method: "GET", target: "/bkt/k", header: map[string]string{"x-amz-checksum-mode": "ENABLED"}})
					if !bytes.Equal(got.body, data) || got.header.Get(c.header()) != c.text(data) || a.header.Get(c.header()) != c.text(data) {
						t.Errorf("%s, %s: PUT says %q, GET %q", c.name, way, a.header.Get(c.header()), got.header.Get(c.header()))
					}
					g.want(g.do(call{method: "DELETE", target: "/bkt/k"}), 204, "")
				}
			}
		})
	}
}

// TestEachAlgorithmRunsOnce: a checksum that is the signed hash or Content-MD5 too is
// computed once, and all of them are still proved.
func TestEachAlgorithmRunsOnce(t *testing.T) {
	made := map[string]int{}
	counting := func(name string) *checksum {
		c := *checksumByName(name)
		make := c.make
		c.make = func() hash.Hash { made[name]++; return make() }
		return &c
	}
	md5, sha := counting("MD5"), counting("SHA256")
	data := pattern(1000)
	for _, bad := range []error{nil, errBodySHA256, errBodyMD5, errBodyChecksum} {
		for _, c := range []*checksum{md5, sha} {
			d := digests{checksum: c}
			for _, claim := range []struct {
				of  *checksum
				err error
			}{{sha, errBodySHA256}, {md5, errBodyMD5}, {c, errBodyChecksum}} {
				sum := claim.of.sumOf(data)
				if claim.err == bad {
					sum[0] ^= 1
				}
				d.claim(claim.of, sum, claim.err)
			}
			clear(made)
			d.write(data[:10])
			d.write(data[10:])
			if err := d.prove(); bad == nil && err != nil || bad != nil && !strings.HasPrefix(fmt.Sprint(err), bad.Error()) {
				t.Errorf("%s, wrong %v: %v", c.name, bad, err)
			}
			if made["MD5"] != 1 || made["SHA256"] != 1 {
				t.Errorf("%s: %v", c.name, made)
			}
		}
	}
}

// TestBackendHearsOfNoChecksum: whatever verb brings one, no header, name or stored byte
// at the backend has it, nor the MD5 of the plain bytes.
func TestBackendHearsOfNoChecksum(t *testing.T) {
	g, w := newWireRig(t)
	data := pattern(5000)
	for i := range checksums {
		c := &checksums[i]
		h := map[string]string{c.header(): c.text(data)}
		g.want(g.do(call{method: "PUT", target: "/bkt/k", body: data, header: h}), 200, "")
		g.want(g.doStreamed(streamedPut{target: "/bkt/t", payload: unsignedTrailer, data: data, trailer: []sigv4.Header{{Name: c.header(), Value: c.text(data)}}}), 200, "")
		g.want(g.do(call{method: "PUT", target: "/bkt/c", header: map[string]string{"x-amz-copy-source": "/bkt/k", "x-amz-checksum-algorithm": c.name}}), 200, "")
		u := g.beginSummed("/bkt/u", c, c.kinds[0])
		u.send(data)
		g.want(u.finish(map[string]string{c.header(): c.whole(c.kinds[0], data)}, nil), 200, "")
		tags := []byte("<Tagging><TagSet/></Tagging>")
		g.do(call{method: "PUT", target: "/bkt/k?tagging", body: tags, header: map[string]string{c.header(): c.text(tags)}}) // passed on
	}
	var seen []byte
	for _, key := range []string{"k", "t", "c", "u"} {
		seen = append(seen, g.store.stored("bkt", key)...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen = append(seen, strings.Join(w.targets, "\n")...)
	for _, h := range w.headers {
		for name, values := range h {
			// The CRC32C of the sealed bytes is the proxy's own, as is the Content-MD5 of a document.
			if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-checksum-") && name != "x-amz-checksum-crc32c" {
				t.Errorf("the backend gets %s: %q", name, values)
			}
			seen = append(seen, strings.Join(values, "\n")...)
		}
	}
	for i := range checksums {
		c := &checksums[i]
		for _, sum := range [][]byte{c.sumOf(data), c.sumOf(c.sumOf(data))} {
			for form, text := range map[string]string{"raw": string(sum), "hex": hex.EncodeToString(sum), "base64": base64.StdEncoding.EncodeToString(sum)} {
				if bytes.Contains(seen, []byte(text)) {
					t.Errorf("the backend has the %s, %s", c.name, form)
				}
			}
		}
	}
}

// TestChecksumTableOfTheDocument: docs/s3-compatibility.md has every algorithm.
func TestChecksumTableOfTheDocument(t *testing.T) {
	doc, err := os.ReadFile("../docs/s3-compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	for i := range checksums {
		c := &checksums[i]
		var kinds []string
		for _, k := range c.kinds {
			kinds = append(kinds, kindNames[k])
		}
		if row := fmt.Sprintf("| %s | `%s` | %d | FULL_OBJECT | %s |\n", c.name, c.header(), c.size, strings.Join(kinds, ", ")); !bytes.Contains(doc, []byte(row)) {
			t.Errorf("it lacks %s", row)
		}
	}
}

// TestLongestPartList: a list of the most parts, with the longest ETags and checksums
// that there are, indented, is no larger than may be.
func TestLongestPartList(t *testing.T) {
	g := newRig(t, withMD5)
	c := checksumByName("SHA512")
	u := &summedUp{partsUp: g.begin("/bkt/k", nil), checksum: c}
	u.send([]byte("x"))
	backends := 128 - 32 // the store's ETags have 32 bytes, others' 128 at most
	n := len("    <Part>\r\n        <ETag>&quot;&quot;</ETag>\r\n        <PartNumber>10000</PartNumber>\r\n        <ChecksumSHA512></ChecksumSHA512>\r\n    </Part>\r\n") +
		len(u.list[0].etag) + backends + len(u.sums[0])
	if n*10_000 > maxPartList {
		t.Errorf("a part has %d bytes, which is more than %d for 10,000", n, maxPartList)
	}
	g.want(u.finish(nil, nil), 200, "")
}

// FuzzSealedChecksum: what opens is what was sealed, and has its algorithm's size.
func FuzzSealedChecksum(f *testing.F) {
	for i := range checksums {
		c := &checksums[i]
		f.Add(sealedChecksum{c, fullObject, make([]byte, c.size), 0}.encode())
		f.Add(sealedChecksum{c, composite, make([]byte, c.size), 10_000}.encode())
	}
	f.Add([]byte{})
	f.Add([]byte{11, 1, 0, 0, 0, 0})
	f.Add([]byte{1, 3, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := openChecksum(format.Meta{Checksum: b})
		if !ok {
			return
		}
		if !bytes.Equal(c.encode(), b) || len(c.sum) != c.size || kindNames[c.kind] == "" || c.value() == "" {
			t.Fatalf("%x opens as %+v", b, c)
		}
		if c.digestXML() == (checksumXML{}) {
			t.Fatalf("%s has no element", c.name)
		}
	})
}

// BenchmarkOfferedChecksum is what the default checksum adds to a PUT, in segments as
// bodies are read.
func BenchmarkOfferedChecksum(b *testing.B) {
	h := checksumByCode(codeCRC64NVME).make()
	p := pattern(64 << 10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		h.Write(p)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(p)), "ns/B")
}
