package shares

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// badElements are RFC 9496 appendix A.3.
var badElements = []string{
	// Non-canonical field encodings.
	"00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	// Negative field elements.
	"0100000000000000000000000000000000000000000000000000000000000000",
	"01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
	"c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
	"c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
	"47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
	"f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
	"87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
	// Non-square x^2.
	"26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
	"4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
	"de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
	"bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
	"2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
	"f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
	"8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
	"2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
	// Negative x * y value.
	"3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
	"a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
	"d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
	"8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
	"32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
	"227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
	"5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
	"445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
	// s = -1, which causes y = 0.
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func TestEveryBitFlipIsRefused(t *testing.T) {
	for _, s := range testSplit(t, testRing(t), 5, 3)[:2] {
		good := wire(t, s)
		for i := range len(good) * 8 {
			bad := bytes.Clone(good)
			bad[i/8] ^= 1 << (i % 8)
			if got, err := Parse(bad); got != nil || !errors.Is(err, ErrFormat) {
				t.Fatalf("bit %d of byte %d flipped: %v, %v", i%8, i/8, got, err)
			}
		}
	}
}

func TestEveryTruncationAndExtensionIsRefused(t *testing.T) {
	good := wire(t, testSplit(t, testRing(t), 3, 2)[0])
	for i := range good {
		for _, bad := range [][]byte{good[:i], good[i+1:], recheck(good[:i]), recheck(good[i+1:])} {
			if got, err := Parse(bad); got != nil || !errors.Is(err, ErrFormat) {
				t.Fatalf("%d bytes cut: %v, %v", i, got, err)
			}
		}
	}
	for _, more := range []int{1, 16, 32, MaxSize} {
		for _, bad := range [][]byte{append(bytes.Clone(good), make([]byte, more)...), recheck(append(bytes.Clone(good), make([]byte, more)...))} {
			if got, err := Parse(bad); got != nil || !errors.Is(err, ErrFormat) {
				t.Fatalf("%d bytes more: %v, %v", more, got, err)
			}
		}
	}
}

// recheck corrects the check at the end, as somebody does who changes a share on purpose.
func recheck(b []byte) []byte {
	if len(b) < checkSize {
		return b
	}
	b = bytes.Clone(b)
	check := sum(b[:len(b)-checkSize])
	copy(b[len(b)-checkSize:], check[:])
	return b
}

// TestForgedSharesAreRefusedByNameOrApart: whatever bit somebody flips and corrects the check for, the share is not one,
// does not verify, or is of another set; it never counts with the good ones.
func TestForgedSharesAreRefusedByNameOrApart(t *testing.T) {
	all := testSplit(t, testRing(t), 3, 2)
	good := wire(t, all[0])
	var format, commitment, apart int
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := 0; i < (len(good)-checkSize)*8; i += step {
		bad := bytes.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		s, err := Parse(recheck(bad))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			format++
			continue
		}
		if err := s.Verify(); err != nil {
			if !errors.Is(err, ErrCommitment) {
				t.Fatal(err)
			}
			commitment++
		} else if s.digest() == all[0].digest() {
			t.Fatalf("bit %d of byte %d flipped: the share counts", i%8, i/8)
		} else {
			apart++
		}
		if ring, err := Combine([]*Share{s, all[1]}); err == nil {
			ring.Wipe()
			t.Fatalf("bit %d of byte %d flipped: the keyring opened", i%8, i/8)
		}
		s.Wipe()
	}
	if format == 0 || commitment == 0 || apart == 0 {
		t.Errorf("%d malformed, %d not verified, %d apart: the test missed a kind", format, commitment, apart)
	}
}

func TestParseTakesOneEncodingOnly(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 3, 2)
	good := wire(t, all[0])
	at := func(off int, b byte) []byte {
		bad := bytes.Clone(good)
		bad[off] = b
		return recheck(bad)
	}
	nOff := len(magic) + 1 + setIDSize
	keys := nOff + 2 + 8
	active := keys + 1 + 8 + 32
	unsorted := all[0].Public()
	slices.Reverse(unsorted.Pins)
	body := good[len(all[0].head):]
	for name, bad := range map[string][]byte{
		"magic":           at(0, 'X'),
		"version 0":       at(len(magic), 0),
		"version 2":       at(len(magic), 2),
		"n 1":             at(nOff, 1),
		"n 255":           at(nOff, 255),
		"k 1":             at(nOff+1, 1),
		"k above n":       at(nOff+1, 4),
		"k too small":     at(nOff+1, 3),
		"no keys":         at(keys, 0),
		"17 keys":         at(keys, 17),
		"active 2":        at(active, 2),
		"two active":      at(active, 1),
		"label length":    at(active+1, 255),
		"index 0":         at(len(good)-checkSize-scalarSize-1, 0),
		"index above n":   at(len(good)-checkSize-scalarSize-1, 4),
		"scalar 0":        recheck(append(bytes.Clone(good[:len(good)-checkSize-scalarSize]), make([]byte, scalarSize+checkSize)...)),
		"scalar too big":  at(len(good)-checkSize-1, 0x7f),
		"unsorted pins":   recheck(append(appendHead(nil, all[0].set, 3, 2, unsorted), body...)),
		"empty":           nil,
		"zeros":           make([]byte, 400),
		"65,535 pins":     recheck(append(append(bytes.Clone(good[:keys]), binary.BigEndian.AppendUint16([]byte{0}, 0xffff)...), body...)),
		"commitment zero": recheck(slices.Concat(all[0].head, make([]byte, elementSize), good[len(all[0].head)+elementSize:])),
	} {
		if s, err := Parse(bad); s != nil || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v, %v; want ErrFormat", name, s, err)
		}
	}
}

func TestParseKeepsNothingOfItsInput(t *testing.T) {
	s := testSplit(t, testRing(t), 2, 2)[0]
	good := wire(t, s)
	in := bytes.Clone(good)
	got := mustParse(t, in)
	if !bytes.Equal(in, good) {
		t.Error("Parse changed its input")
	}
	clear(in)
	if !bytes.Equal(wire(t, got), good) || !got.Equal(s) {
		t.Error("the share changed with the bytes it was read from")
	}
}

func TestPublicIsWhatWasSplitAndACopy(t *testing.T) {
	ring := testRing(t)
	s := mustParse(t, wire(t, testSplit(t, ring, 2, 2)[1]))
	p := s.Public()
	if p.Generation != 7 || len(p.Keys) != 2 || p.Keys[1] != (PublicKey{ring.Keys[1].ID, ring.Keys[1].KVT, true, ring.Keys[1].Label}) {
		t.Errorf("keys %+v", p)
	}
	if want := []Pin{{"pbs-bern", format.BucketID{4, 5, 6}}, {"pbs-zurich", format.BucketID{1, 2, 3}}}; !slices.Equal(p.Pins, want) {
		t.Errorf("pins %v, want %v", p.Pins, want)
	}
	p.Keys[0].Label, p.Pins[0].Name = "other", "other"
	if again := s.Public(); again.Keys[0].Label != "2025" || again.Pins[0].Name != "pbs-bern" {
		t.Error("the copy is not one")
	}
	if ring.Pins[0].Name != "pbs-zurich" {
		t.Error("Split sorted the caller's pins")
	}
}

func TestNothingPrintsSecrets(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 2, 2)
	var secrets []string
	for _, s := range all {
		b := wire(t, s)
		scalar := b[len(b)-checkSize-scalarSize:][:scalarSize]
		secrets = append(secrets, string(scalar), hex.EncodeToString(scalar[:8]), fmt.Sprint(scalar[:8])[1:])
	}
	for i := 1; i <= 2; i++ {
		m := testMaster(i)
		secrets = append(secrets, string(m[:]), hex.EncodeToString(m[:8]), fmt.Sprint(m[:8])[1:])
	}
	bad := wire(t, all[1])
	bad[len(bad)-1] ^= 1
	_, parseErr := Parse(bad)
	_, mixedErr := Combine([]*Share{all[0], testSplit(t, ring, 2, 2)[0]})
	var out strings.Builder
	for _, v := range []any{all[0], *all[0], all, ring, *ring, ring.Keys, parseErr, mixedErr, &held{share: all[0]}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		if b, err := xml.Marshal(v); err == nil {
			out.Write(b)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	for _, secret := range secrets {
		if strings.Contains(out.String(), secret) {
			t.Errorf("a printer shows %q", secret)
		}
	}
	if !strings.Contains(out.String(), "share(1 of 2, 2 needed, set "+all[0].Set().String()+", redacted)") {
		t.Error("no printer shows the public names")
	}
}

func FuzzParse(f *testing.F) {
	for _, nk := range [][2]int{{2, 2}, {5, 3}} {
		for _, s := range knownSplit(f, "fuzz", testRing(f), nk[0], nk[1])[:2] {
			f.Add(wire(f, s))
		}
	}
	small := &Keyring{Keys: []Key{testKey(f, 1, true, "")}}
	f.Add(wire(f, knownSplit(f, "fuzz", small, 2, 2)[0]))
	f.Add([]byte(magic + "\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, b := range [][]byte{b, recheck(b)} { // most changes fail at the check: correct it
			s, err := Parse(b)
			if err != nil {
				if s != nil || !errors.Is(err, ErrFormat) {
					t.Fatalf("%v, %v", s, err)
				}
				continue
			}
			again, err := s.MarshalBinary()
			if err != nil || !bytes.Equal(again, b) {
				t.Fatalf("read %x, wrote %x, %v", b, again, err)
			}
			if err := s.Verify(); err != nil && !errors.Is(err, ErrCommitment) {
				t.Fatal(err)
			}
			if err := s.public.check(); err != nil || s.index < 1 || s.index > s.n || s.k < MinK || s.k > s.n {
				t.Fatalf("%v broke the rules: %v", s, err)
			}
			s.Wipe()
		}
	})
}
