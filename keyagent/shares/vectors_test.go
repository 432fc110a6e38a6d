package shares

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

var update = flag.Bool("update", false, "write testdata/vectors.json")

const vectorFile = "testdata/vectors.json"

// A vector is one set; byte strings are hex (SHARES.md section 7).
type vector struct {
	Name         string      `json:"name"`
	N            int         `json:"n"`
	K            int         `json:"k"`
	Generation   uint64      `json:"generation"`
	Keys         []vectorKey `json:"keys"`
	Pins         []vectorPin `json:"pins"`
	Random       string      `json:"random"`       // what Split draws, to the byte
	Coefficients []string    `json:"coefficients"` // a_0 first
	SealKey      string      `json:"seal_key"`
	SealNonce    string      `json:"seal_nonce"`
	Shares       []string    `json:"shares"` // wire form, index 1 first
}

type vectorKey struct {
	Master string `json:"master"`
	ID     string `json:"id"`
	KVT    string `json:"kvt"`
	Active bool   `json:"active"`
	Label  string `json:"label"`
}

type vectorPin struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func (v *vector) ring(t *testing.T) *Keyring {
	t.Helper()
	ring := &Keyring{Generation: v.Generation}
	for _, k := range v.Keys {
		master, err := keyagent.NewSecret(unhex(t, k.Master))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(master.Wipe)
		key := Key{Master: master, Active: k.Active, Label: k.Label}
		copy(key.ID[:], unhex(t, k.ID))
		copy(key.KVT[:], unhex(t, k.KVT))
		ring.Keys = append(ring.Keys, key)
	}
	for _, p := range v.Pins {
		pin := Pin{Name: p.Name}
		copy(pin.ID[:], unhex(t, p.ID))
		ring.Pins = append(ring.Pins, pin)
	}
	return ring
}

// makeVector splits ring with a known stream and writes everything down.
func makeVector(t *testing.T, name string, ring *Keyring, n, k int) vector {
	t.Helper()
	v := vector{Name: name, N: n, K: k, Generation: ring.Generation}
	for _, key := range ring.Keys {
		var master string
		if err := key.Master.Use(func(m []byte) { master = hex.EncodeToString(m) }); err != nil {
			t.Fatal(err)
		}
		v.Keys = append(v.Keys, vectorKey{master, key.ID.String(), hex.EncodeToString(key.KVT[:]), key.Active, key.Label})
	}
	for _, pin := range ring.Pins {
		v.Pins = append(v.Pins, vectorPin{pin.Name, hex.EncodeToString(pin.ID[:])})
	}
	var random bytes.Buffer
	all, err := split(io.TeeReader(&stream{name: "vector " + name}, &random), ring, n, k)
	if err != nil {
		t.Fatal(err)
	}
	v.Random = hex.EncodeToString(random.Bytes())
	r := bytes.NewReader(random.Bytes()[setIDSize:])
	p, err := drawPolynomial(r, k)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range p {
		b, _ := a.MarshalBinary()
		v.Coefficients = append(v.Coefficients, hex.EncodeToString(b))
	}
	okm, err := sealKey(p[0], all[0].set)
	if err != nil {
		t.Fatal(err)
	}
	v.SealKey, v.SealNonce = hex.EncodeToString(okm[:keySize]), hex.EncodeToString(okm[keySize:])
	for _, s := range all {
		v.Shares = append(v.Shares, hex.EncodeToString(wire(t, s)))
		s.Wipe()
	}
	return v
}

// TestVectors holds the bytes of SHARES.md still. -update writes the file; a difference is a new version of the format.
func TestVectors(t *testing.T) {
	one := &Keyring{Generation: 1, Keys: []Key{testKey(t, 1, true, "")}}
	two := testRing(t)
	full := &Keyring{Generation: 1<<64 - 1}
	for i := range MaxKeys {
		full.Keys = append(full.Keys, testKey(t, i+1, i == MaxKeys-1, strings.Repeat("é", i*2)))
	}
	full.Pins = []Pin{{strings.Repeat("z", MaxPinName), format.BucketID{255}}, {"!", format.BucketID{}}}
	made := []vector{
		makeVector(t, "one key, two of two", one, 2, 2),
		makeVector(t, "two keys, three of five", two, 5, 3),
		makeVector(t, "sixteen keys, four of four", full, 4, 4),
	}
	got, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, got) {
		t.Error("the shares made now are not those of testdata")
	}
	var vectors []vector
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		ring := v.ring(t)
		var all []*Share
		for i, s := range v.Shares {
			share := mustParse(t, unhex(t, s))
			if share.Index() != i+1 || share.N() != v.N || share.K() != v.K {
				t.Errorf("%s: share %d calls itself %v", v.Name, i+1, share)
			}
			all = append(all, share)
		}
		for _, set := range subsets(all, v.K) {
			opened, err := Combine(set)
			if err != nil {
				t.Fatalf("%s: %v", v.Name, err)
			}
			sameRing(t, opened, ring)
			opened.Wipe()
		}
		again, err := split(bytes.NewReader(unhex(t, v.Random)), ring, v.N, v.K)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		for i, s := range again {
			if hex.EncodeToString(wire(t, s)) != v.Shares[i] {
				t.Errorf("%s: share %d is another with the same randomness", v.Name, i+1)
			}
			s.Wipe()
		}
	}
}
