package format

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// nameVector is one bucket's names: pairs that seal and open to each other, and stored names that must not open.
type nameVector struct {
	Name     string     `json:"name"`
	BucketID string     `json:"bucket_id"`
	NameKey  string     `json:"name_key"`
	MACKey   string     `json:"k_mac"`
	EncKey   string     `json:"k_enc"`
	Names    []namePair `json:"names"`
	Refused  []string   `json:"refused"`
}

type namePair struct {
	Plain  string `json:"plain"`
	Stored string `json:"stored"`
}

// refNameKeys and refName are section 18 of SPEC.md, line by line.
func refNameKeys(bucket, key []byte) (mac, enc []byte) {
	okm := refExpand(refExtract(bucket, key), []byte("s3-crypt-proxy/v2/name-encryption"), 64)
	return okm[:32], okm[32:]
}

func refComponent(mac, enc []byte, parent, component string) []byte {
	siv := refHMAC(mac, refCat(uint16(len(parent)), parent, component))[:16]
	block, err := aes.NewCipher(enc)
	if err != nil {
		panic(err)
	}
	ct := make([]byte, len(component))
	cipher.NewCTR(block, siv).XORKeyStream(ct, []byte(component))
	return refCat(siv, ct)
}

func refName(mac, enc []byte, name string) string {
	parent, out := "", []string(nil)
	for _, c := range strings.Split(name, "/") {
		sealed := ""
		if c != "" {
			sealed = base64.RawURLEncoding.EncodeToString(refComponent(mac, enc, parent, c))
		}
		out = append(out, sealed)
		parent += c + "/"
	}
	return strings.Join(out, "/")
}

// longestName is the longest name of one component that can be sealed: 752 + 16 bytes are 1,024 in base64url.
var longestName = strings.Repeat("n", 752)

func nameVectors() (out []nameVector) {
	for i, name := range []string{"names/a", "names/b"} {
		bucket, key := counting(byte(0xa0+16*i), 16), counting(0x60, 32)
		mac, enc := refNameKeys(bucket, key)
		v := nameVector{Name: name, BucketID: hex.EncodeToString(bucket), NameKey: hex.EncodeToString(key), MACKey: hex.EncodeToString(mac), EncKey: hex.EncodeToString(enc)}
		for _, plain := range []string{"", "a", "ab", "/", "//", "/a", "a/", "a/a", "a/a/a", "a//b", ".", "..", "a/../b", vectorKey,
			"ds/.chunks/0000/" + strings.Repeat("0123456789abcdef", 4), "ds/\xc3\xa4/\xe6\xbc\xa2/ +%2F", "tab\there", longestName} {
			v.Names = append(v.Names, namePair{plain, refName(mac, enc, plain)})
		}
		a, deep := refName(mac, enc, "a"), refName(mac, enc, "a/b")
		raw := refComponent(mac, enc, "", "ab")
		b64 := base64.RawURLEncoding.EncodeToString
		flip := func(at int) string { r := append([]byte(nil), raw...); r[at] ^= 1; return b64(r) }
		otherMAC, otherEnc := refNameKeys(counting(0xc0, 16), key)
		v.Refused = append(v.Refused, "plain", "a", "/plain", flip(0), flip(15), flip(16), flip(17), b64(raw[:17]), b64(raw[:16]), b64(append(raw, 0)),
			a+"=", a+"\n", a[:5]+"\n"+a[5:], a[:5]+"\r"+a[5:], a+"A", a[:len(a)-1], strings.ToLower(a), strings.ToUpper(a),
			deep[strings.Index(deep, "/")+1:], a+"/"+a, deep+"/plain", deep+deep[strings.Index(deep, "/"):], refName(otherMAC, otherEnc, "a"),
			b64(refComponent(mac, enc, "", "a/b")), b64(refComponent(mac, enc, "", "")), base64.StdEncoding.EncodeToString(append(raw[:16:16], 0xff)),
			strings.Repeat("A", 1025), strings.Repeat("/", 1025))
		if last := a[len(a)-1]; last != 'A' && last != 'Q' && last != 'g' && last != 'w' {
			v.Refused = append(v.Refused, a[:len(a)-1]+string(last+1)) // spare bits
		}
		out = append(out, v)
	}
	return out
}

// TestNameVectors seals and opens every name, and refuses every forged one.
func TestNameVectors(t *testing.T) {
	for _, v := range nameVectors() {
		n := testNamer(t, BucketID(unhex(v.BucketID)), NameKey(unhex(v.NameKey)))
		for _, p := range v.Names {
			if got, err := n.Seal(p.Plain); err != nil || got != p.Stored {
				t.Errorf("%s: %q sealed to %q, %v; want %q", v.Name, p.Plain, got, err, p.Stored)
			}
			if got, err := n.Open(p.Stored); err != nil || got != p.Plain {
				t.Errorf("%s: %q opened to %q, %v; want %q", v.Name, p.Stored, got, err, p.Plain)
			}
		}
		for _, stored := range v.Refused {
			if got, err := n.Open(stored); err == nil {
				t.Errorf("%s: forged %q opened to %q", v.Name, stored, got)
			}
		}
	}
}
