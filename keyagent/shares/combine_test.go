package shares

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

func TestSplitCombineRoundTrip(t *testing.T) {
	sixteen := &Keyring{Generation: 1<<64 - 1}
	for i := range MaxKeys {
		sixteen.Keys = append(sixteen.Keys, testKey(t, i+1, i == 5, strings.Repeat("x", i*4)))
	}
	for i := range 40 {
		sixteen.Pins = append(sixteen.Pins, Pin{fmt.Sprintf("bucket-%02d", 39-i), format.BucketID{byte(i)}})
	}
	one := &Keyring{Keys: []Key{testKey(t, 1, true, "")}}
	rings := []*Keyring{one, testRing(t), sixteen}
	if testing.Short() {
		rings = rings[2:]
	}
	for _, ring := range rings {
		for _, nk := range [][2]int{{2, 2}, {5, 3}, {7, 7}, {MaxN, 2}} {
			all := testSplit(t, ring, nk[0], nk[1])
			if len(all) != nk[0] {
				t.Fatalf("%d shares, want %d", len(all), nk[0])
			}
			var back []*Share
			for i, s := range all {
				if s.N() != nk[0] || s.K() != nk[1] || s.Index() != i+1 || s.Set() != all[0].Set() || s.Set() == (SetID{}) {
					t.Fatalf("share %d calls itself %v", i+1, s)
				}
				b := wire(t, s)
				if len(b) > MaxSize {
					t.Fatalf("a share has %d bytes", len(b))
				}
				back = append(back, mustParse(t, b))
			}
			got, err := Combine(back[len(back)-nk[1]:])
			if err != nil {
				t.Fatal(err)
			}
			sameRing(t, got, ring)
			got.Wipe()
		}
	}
}

func TestEverySubsetOfKOpens(t *testing.T) {
	ring := testRing(t)
	all := testSplit(t, ring, 5, 3)
	for k := 3; k <= 5; k++ {
		for _, set := range subsets(all, k) {
			for range 2 {
				got, err := Combine(set)
				if err != nil {
					t.Fatalf("%v: %v", set, err)
				}
				sameRing(t, got, ring)
				got.Wipe()
				set[0], set[k-1] = set[k-1], set[0] // the order does not matter
			}
		}
	}
}

// TestFewerThanKGiveNothing: the call fails; and beyond that, two of three shares fit every secret equally, so that
// nobody who goes around the call learns more.
func TestFewerThanKGiveNothing(t *testing.T) {
	all := testSplit(t, testRing(t), 5, 3)
	for k := range 3 {
		for _, set := range subsets(all, k) {
			if ring, err := Combine(set); !errors.Is(err, ErrTooFew) || ring != nil {
				t.Fatalf("%d shares: %v, %v", k, ring, err)
			}
			if k == 0 {
				continue
			}
			if ring, err := Combine(append(set, set[0], set[0])); !errors.Is(err, ErrTooFew) || ring != nil {
				t.Fatalf("%d shares, one three times: %v, %v", k, ring, err)
			}
			scalar, err := recoverScalar(set)
			if err != nil {
				t.Fatal(err)
			}
			if ring, err := open(scalar, set[0]); !errors.Is(err, ErrSet) || ring != nil {
				t.Fatalf("the polynomial through %d of 3 shares opened the keyring", k)
			}
		}
	}
	seen := map[string]bool{}
	for i := range 50 {
		guess := *all[4]
		guess.scalar, _ = lock(index(i + 1))
		scalar, err := recoverScalar([]*Share{all[0], all[1], &guess})
		if err != nil {
			t.Fatal(err)
		}
		b, _ := scalar.MarshalBinary()
		seen[string(b)] = true
		guess.Wipe()
	}
	if len(seen) != 50 {
		t.Errorf("50 guesses of the third share gave %d secrets: two shares say something", len(seen))
	}
}

func TestMixedSetsAreRefused(t *testing.T) {
	ring := testRing(t)
	a, b := testSplit(t, ring, 3, 2), testSplit(t, ring, 3, 2)
	for i := range a {
		for j := range b {
			got, err := Combine([]*Share{a[i], b[j]})
			var fault *ShareError
			if got != nil || !errors.Is(err, ErrMixed) || !errors.As(err, &fault) {
				t.Fatalf("mixed: %v, %v", got, err)
			}
			if fault.Index != j+1 || fault.Set != b[j].Set() {
				t.Errorf("blamed %d of %v", fault.Index, fault.Set)
			}
		}
	}
	// Same id, same n and k, same keyring: still another set.
	c, d := knownSplit(t, "c", ring, 3, 2), knownSplit(t, "d", ring, 3, 2)
	for _, s := range d {
		s.head = appendHead(nil, c[0].set, 3, 2, s.public)
		s.set = c[0].set
	}
	if _, err := Combine([]*Share{c[0], d[1]}); !errors.Is(err, ErrMixed) {
		t.Errorf("two sets that claim one id: %v", err)
	}
	if _, err := Combine(d[:2]); !errors.Is(err, ErrSet) {
		t.Errorf("a set under a foreign id opened: %v", err)
	}
}

func TestCombineNamesTheBadShare(t *testing.T) {
	all := testSplit(t, testRing(t), 5, 3)
	bad := *all[3]
	bad.scalar = all[2].scalar
	ring, err := Combine([]*Share{all[0], all[1], &bad, all[4]})
	var fault *ShareError
	if ring != nil || !errors.Is(err, ErrCommitment) || !errors.As(err, &fault) || fault.Index != 4 {
		t.Errorf("got %v, %v", ring, err)
	}
	if !strings.Contains(err.Error(), "share 4") {
		t.Errorf("the text does not name the share: %v", err)
	}
}

func TestWipedSharesAreUseless(t *testing.T) {
	all := testSplit(t, testRing(t), 2, 2)
	all[1].Wipe()
	if _, err := Combine(all); !errors.Is(err, keyagent.ErrWiped) {
		t.Errorf("Combine: %v", err)
	}
	if _, err := all[1].MarshalBinary(); !errors.Is(err, keyagent.ErrWiped) {
		t.Errorf("MarshalBinary: %v", err)
	}
	if all[0].Equal(all[1]) || all[1].Equal(all[1]) || !all[0].Equal(all[0]) {
		t.Error("Equal is wrong about wiped shares")
	}
	(*Share)(nil).Wipe()
	(*Keyring)(nil).Wipe()
}

func TestSplitRefusesBadInput(t *testing.T) {
	ring := testRing(t)
	for _, nk := range [][2]int{{0, 0}, {1, 1}, {2, 1}, {5, 0}, {5, -1}, {-5, 3}, {3, 4}, {MaxN + 1, 3}, {258, 2}} {
		if s, err := Split(ring, nk[0], nk[1]); err == nil || s != nil {
			t.Errorf("Split(%d, %d) gave %d shares", nk[0], nk[1], len(s))
		}
	}
	key := func(i int, active bool) Key { return testKey(t, i, active, "") }
	wrongKVT, wrongID := key(1, true), key(1, true)
	wrongKVT.KVT[31] ^= 1
	wrongID.ID[0] ^= 1
	gone := key(3, true)
	gone.Master.Wipe()
	nothing := key(4, true)
	nothing.Master = nil
	var many, crowd []Key
	for i := range MaxKeys + 1 {
		many = append(many, key(i, i == 0))
	}
	crowd = append(crowd, key(1, true))
	var buckets []Pin
	for i := range 300 {
		buckets = append(buckets, Pin{fmt.Sprintf("%063d", i), format.BucketID{}})
	}
	for name, ring := range map[string]*Keyring{
		"no keys":         {},
		"too many keys":   {Keys: many},
		"none active":     {Keys: []Key{key(1, false)}},
		"two active":      {Keys: []Key{key(1, true), key(2, true)}},
		"one key twice":   {Keys: []Key{key(1, true), key(1, false)}},
		"wrong kvt":       {Keys: []Key{wrongKVT}},
		"wrong id":        {Keys: []Key{wrongID}},
		"wiped master":    {Keys: []Key{gone}},
		"no master":       {Keys: []Key{nothing}},
		"long label":      {Keys: []Key{testKey(t, 1, true, strings.Repeat("x", MaxLabel+1))}},
		"control label":   {Keys: []Key{testKey(t, 1, true, "a\nb")}},
		"label not utf-8": {Keys: []Key{testKey(t, 1, true, "\xff")}},
		"empty pin":       {Keys: crowd, Pins: []Pin{{}}},
		"blank in pin":    {Keys: crowd, Pins: []Pin{{Name: "a b"}}},
		"long pin":        {Keys: crowd, Pins: []Pin{{Name: strings.Repeat("x", MaxPinName+1)}}},
		"pin twice":       {Keys: crowd, Pins: []Pin{{Name: "a"}, {Name: "b"}, {Name: "a"}}},
		"too long":        {Keys: crowd, Pins: buckets},
	} {
		if s, err := Split(ring, 3, 2); !errors.Is(err, ErrKeyring) || s != nil {
			t.Errorf("%s: %d shares, %v; want ErrKeyring", name, len(s), err)
		}
	}
}

func TestSplitFailsWithoutRandomness(t *testing.T) {
	ring := testRing(t)
	for _, after := range []int{0, setIDSize, setIDSize + scalarSize, setIDSize + 2*scalarSize} {
		if s, err := split(&failingReader{after}, ring, 5, 3); err == nil || s != nil {
			t.Errorf("Split with %d random bytes made %d shares", after, len(s))
		}
	}
}

// TestInterpolationIsTheLibrarys compares polynomial and interpolation with the library's own.
func TestInterpolationIsTheLibrarys(t *testing.T) {
	for k := MinK; k <= 9; k++ {
		p, err := drawPolynomial(&stream{name: "poly"}, k)
		if err != nil {
			t.Fatal(err)
		}
		var mine []*Share
		var theirs []secretsharing.Share
		for i := range k {
			idx := 3*i + 1
			theirs = append(theirs, secretsharing.Share{ID: index(idx), Value: p.at(idx)})
			secret, err := lock(p.at(idx))
			if err != nil {
				t.Fatal(err)
			}
			mine = append(mine, &Share{index: idx, scalar: secret})
		}
		want, err := secretsharing.Recover(uint(k-1), theirs)
		if err != nil {
			t.Fatal(err)
		}
		got, err := recoverScalar(mine)
		if err != nil {
			t.Fatal(err)
		}
		if !got.IsEqual(want) || !got.IsEqual(p[0]) {
			t.Fatalf("k=%d: interpolation disagrees", k)
		}
		p.wipe()
		for _, a := range p {
			if !a.IsZero() {
				t.Fatal("a wiped coefficient is not zero")
			}
		}
		for _, s := range mine {
			s.Wipe()
		}
	}
}

// TestScalarsAndElementsAreCanonical: encodings of RFC 9496 appendix A.3 and numbers at and above the order.
func TestScalarsAndElementsAreCanonical(t *testing.T) {
	for _, bad := range badElements {
		if _, err := parseCommitments(unhex(t, bad)); err == nil {
			t.Errorf("the element %s was taken", bad)
		}
	}
	if _, err := parseCommitments(make([]byte, elementSize)); err == nil {
		t.Error("the identity was taken")
	}
	base, _ := group.Ristretto255.Generator().MarshalBinaryCompress()
	if _, err := parseCommitments(base); err != nil {
		t.Errorf("the generator was not taken: %v", err)
	}
	const order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"
	for bad, ok := range map[string]bool{
		order:                                  false,
		"ec" + order[2:]:                       true,
		"ee" + order[2:]:                       false,
		strings.Repeat("ff", 32):               false,
		strings.Repeat("00", 32):               false,
		"01" + strings.Repeat("00", 31):        true,
		"01" + strings.Repeat("00", 30) + "80": false,
		order[2:]:                              false,
	} {
		if _, err := parseScalar(unhex(t, bad)); (err == nil) != ok {
			t.Errorf("the scalar %s: %v", bad, err)
		}
	}
}

func TestDrawScalarIsTheWholeRange(t *testing.T) {
	r := &stream{name: "range"}
	var top [32]int
	for range 4000 {
		s, err := drawScalar(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := s.MarshalBinary()
		top[b[31]&0x1f]++
	}
	for i, n := range top {
		if i < 16 && (n < 150 || n > 350) { // 250 expected, deviation 15
			t.Errorf("top bits %d: %d of 4000", i, n)
		}
		if i > 16 && n > 0 {
			t.Errorf("top bits %d: %d scalars above the order", i, n)
		}
	}
}

// TestNamesThatLieAreRefused: a set made by somebody who seals other masters than the shares name.
func TestNamesThatLieAreRefused(t *testing.T) {
	for name, lie := range map[string]func(*PublicKey){
		"id":  func(k *PublicKey) { k.ID[0] ^= 1 },
		"kvt": func(k *PublicKey) { k.KVT[31] ^= 1 },
	} {
		ring := testRing(t)
		all := testSplit(t, ring, 2, 2)
		public := all[0].Public()
		lie(&public.Keys[1])
		scalar, err := recoverScalar(all)
		if err != nil {
			t.Fatal(err)
		}
		head := appendHead(nil, all[0].set, 2, 2, public)
		sealed, err := seal(scalar, all[0].set, head, all[0].commitments, ring)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			s.head, s.public, s.sealed = head, public, sealed
		}
		if got, err := Combine(all); !errors.Is(err, ErrSet) || got != nil {
			t.Errorf("%s: %v, %v; want ErrSet", name, got, err)
		}
	}
}
