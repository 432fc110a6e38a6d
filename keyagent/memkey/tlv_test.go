package memkey

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// field is one TLV field; raw pads fields to a package.
func field(tag byte, value ...[]byte) []byte {
	v := bytes.Join(value, nil)
	return append(binary.BigEndian.AppendUint16([]byte{tag}, uint16(len(v))), v...)
}

func raw(fields ...[]byte) []byte {
	b := append(bytes.Join(fields, nil), 0)
	return append(b, make([]byte, (packageUnit-len(b)%packageUnit)%packageUnit)...)
}

func keyField(t testing.TB, n int, active byte, label string) []byte {
	k := testKey(t, n)
	return field(tagKey, k.ID[:], k.KVT[:], testMaster(n), []byte{active}, []byte(label))
}

// TestOnlyTheCanonicalPackageIsRead: each other encoding, and each package against the rules, has its status.
func TestOnlyTheCanonicalPackageIsRead(t *testing.T) {
	op := func(o Op) []byte { return field(tagOp, []byte{byte(o)}) }
	generation := field(tagGeneration, make([]byte, 8))
	key0, key1 := testKey(t, 0), testKey(t, 1)
	one, off, two := keyField(t, 0, 1, "a"), keyField(t, 0, 0, "a"), keyField(t, 1, 0, "b")
	active := field(tagActive, key0.ID[:])
	pin := func(name string) []byte { return field(tagPin, make([]byte, bucketIDSize), []byte(name)) }
	share := field(tagShare, []byte("s"))
	wrongKVT := key0.KVT
	wrongKVT[0]++
	good := raw(op(OpDeliver), generation, one, two, active, pin("a"), pin("b"))
	padded := func(b []byte, at int, v byte) []byte { b = bytes.Clone(b); b[at] = v; return b }
	var many, pins [][]byte
	for n := range MaxKeys + 1 {
		many = append(many, keyField(t, n, bit(n == 0), ""))
	}
	for n := range MaxPins + 1 {
		pins = append(pins, pin(string([]byte{'a' + byte(n>>8), 'a' + byte(n>>4&15), 'a' + byte(n&15)})))
	}
	for name, c := range map[string]struct {
		b    []byte
		want Status
	}{
		"good":                        {good, StatusOK},
		"clear":                       {raw(op(OpClear), generation), StatusOK},
		"share":                       {raw(op(OpShare), generation, share), StatusOK},
		"empty":                       {nil, StatusMalformed},
		"zeros":                       {make([]byte, packageUnit), StatusMalformed},
		"no end":                      {field(tagOp, make([]byte, packageUnit-3)), StatusMalformed},
		"not a multiple":              {good[:packageUnit-1], StatusMalformed},
		"too much padding":            {append(bytes.Clone(good), make([]byte, packageUnit)...), StatusMalformed},
		"padding that is not zero":    {padded(good, packageUnit-1, 1), StatusMalformed},
		"no op":                       {raw(generation, one, active), StatusMalformed},
		"no generation":               {raw(op(OpDeliver), one, active), StatusMalformed},
		"op twice":                    {raw(op(OpDeliver), op(OpDeliver), generation, one, active), StatusMalformed},
		"op of two bytes":             {raw(field(tagOp, []byte{1, 1}), generation, one, active), StatusMalformed},
		"generation of seven bytes":   {raw(op(OpDeliver), field(tagGeneration, make([]byte, 7)), one, active), StatusMalformed},
		"out of order":                {raw(generation, op(OpDeliver), one, active), StatusMalformed},
		"key behind active":           {raw(op(OpDeliver), generation, active, one), StatusMalformed},
		"unknown field":               {raw(op(OpDeliver), generation, one, active, field(7, []byte("x"))), StatusMalformed},
		"unknown field 200":           {raw(op(OpDeliver), generation, one, active, field(200, []byte("x"))), StatusMalformed},
		"unknown op":                  {raw(op(9), generation), StatusMalformed},
		"status":                      {raw(op(OpStatus), generation), StatusMalformed},
		"deliver without keys":        {raw(op(OpDeliver), generation), StatusMalformed},
		"deliver with share":          {raw(op(OpDeliver), generation, one, active, share), StatusMalformed},
		"clear with keys":             {raw(op(OpClear), generation, one, active), StatusMalformed},
		"clear with pins":             {raw(op(OpClear), generation, pin("a")), StatusMalformed},
		"share with keys":             {raw(op(OpShare), generation, one, active, share), StatusMalformed},
		"share without share":         {raw(op(OpShare), generation), StatusMalformed},
		"empty share":                 {raw(op(OpShare), generation, field(tagShare)), StatusMalformed},
		"too long a share":            {raw(op(OpShare), generation, field(tagShare, make([]byte, MaxShare+1))), StatusMalformed},
		"key too short":               {raw(op(OpDeliver), generation, field(tagKey, make([]byte, keyFieldSize-1)), active), StatusMalformed},
		"label too long":              {raw(op(OpDeliver), generation, keyField(t, 0, 1, strings.Repeat("x", MaxLabel+1)), active), StatusMalformed},
		"label with a line feed":      {raw(op(OpDeliver), generation, keyField(t, 0, 1, "a\nb"), active), StatusMalformed},
		"label that is not UTF-8":     {raw(op(OpDeliver), generation, keyField(t, 0, 1, "\xff"), active), StatusMalformed},
		"state 2":                     {raw(op(OpDeliver), generation, keyField(t, 0, 2, ""), active), StatusMalformed},
		"seventeen keys":              {raw(append(append([][]byte{op(OpDeliver), generation}, many...), active)...), StatusMalformed},
		"too many pins":               {raw(append([][]byte{op(OpDeliver), generation, one, active}, pins...)...), StatusMalformed},
		"pins out of order":           {raw(op(OpDeliver), generation, one, active, pin("b"), pin("a")), StatusMalformed},
		"a pin twice":                 {raw(op(OpDeliver), generation, one, active, pin("a"), pin("a")), StatusMalformed},
		"a pin without a name":        {raw(op(OpDeliver), generation, one, active, pin("")), StatusMalformed},
		"a pin with a space":          {raw(op(OpDeliver), generation, one, active, pin("a b")), StatusMalformed},
		"a pin too long":              {raw(op(OpDeliver), generation, one, active, pin(strings.Repeat("x", MaxPinName+1))), StatusMalformed},
		"a pin too short":             {raw(op(OpDeliver), generation, one, active, field(tagPin, make([]byte, 15))), StatusMalformed},
		"no active key":               {raw(op(OpDeliver), generation, off, two, active), StatusDuplicate},
		"two active keys":             {raw(op(OpDeliver), generation, one, keyField(t, 1, 1, ""), active), StatusDuplicate},
		"active is not named":         {raw(op(OpDeliver), generation, one), StatusDuplicate},
		"another one is named active": {raw(op(OpDeliver), generation, one, two, field(tagActive, key1.ID[:])), StatusDuplicate},
		"active without keys":         {raw(op(OpClear), generation, active), StatusDuplicate},
		"a key twice":                 {raw(op(OpDeliver), generation, one, off, active), StatusDuplicate},
		"another KVT":                 {raw(op(OpDeliver), generation, field(tagKey, key0.ID[:], wrongKVT[:], testMaster(0), []byte{1}), active), StatusKeyMismatch},
		"another KID":                 {raw(op(OpDeliver), generation, field(tagKey, key1.ID[:], key0.KVT[:], testMaster(0), []byte{1}), field(tagActive, key1.ID[:])), StatusKeyMismatch},
		"a master of zeros":           {raw(op(OpDeliver), generation, field(tagKey, key0.ID[:], key0.KVT[:], make([]byte, 32), []byte{1}), active), StatusKeyMismatch},
	} {
		b := bytes.Clone(c.b)
		p, refusal := parsePackage(b)
		if got := statusOf(t, asError(refusal)); got != c.want || (p == nil) != (refusal != nil) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if p == nil {
			continue
		}
		for n := range p.Keys {
			if bytes.Contains(b, testMaster(n)) {
				t.Errorf("%s: master %d is still in the buffer", name, n)
			}
		}
		again, err := appendPackage(p)
		if err != nil || !bytes.Equal(again, c.b) {
			t.Errorf("%s: does not encode to itself, %v", name, err)
		}
		p.Wipe()
	}
}

func asError(r *Refusal) error {
	if r == nil {
		return nil
	}
	return r
}

// TestOnlyGoodPackagesAreSent: the sender refuses by the same rules, and says so before the server hears of it.
func TestOnlyGoodPackagesAreSent(t *testing.T) {
	for name, change := range map[string]func(*Package){
		"status":        func(p *Package) { p.Op = OpStatus },
		"no op":         func(p *Package) { p.Op = 0 },
		"no keys":       func(p *Package) { p.Keys = nil },
		"no master":     func(p *Package) { p.Keys[0].Master = nil },
		"wiped master":  func(p *Package) { p.Keys[1].Master.Wipe() },
		"other master":  func(p *Package) { p.Keys[0].Master = p.Keys[1].Master },
		"other KVT":     func(p *Package) { p.Keys[0].KVT[5]++ },
		"two active":    func(p *Package) { p.Keys[1].Active = true },
		"none active":   func(p *Package) { p.Keys[0].Active = false },
		"a key twice":   func(p *Package) { p.Keys[1] = p.Keys[0]; p.Keys[1].Active = false },
		"a pin twice":   func(p *Package) { p.Pins = append(p.Pins, p.Pins[0]) },
		"no pin name":   func(p *Package) { p.Pins[0].Name = "" },
		"label":         func(p *Package) { p.Keys[0].Label = "\x1b[31m" },
		"with share":    func(p *Package) { p.Share = []byte("x") },
		"clear, keys":   func(p *Package) { p.Op = OpClear },
		"seventeen":     func(p *Package) { p.Keys = slices.Repeat(p.Keys, 9) },
		"too many pins": func(p *Package) { p.Pins = make([]BucketPin, MaxPins+1) },
	} {
		p := testPackage(t, 2)
		change(p)
		b, err := appendPackage(p)
		if !errors.Is(err, ErrPackage) || b != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPackageLengthHidesWhatIsInIt: one key or five, long labels or none.
func TestPackageLengthHidesWhatIsInIt(t *testing.T) {
	for n := 1; n <= 5; n++ {
		p := testPackage(t, n)
		p.Keys[0].Label = strings.Repeat("x", n*10)
		b, err := appendPackage(p)
		if err != nil || len(b) != packageUnit || cap(b) != packageUnit {
			t.Errorf("%d keys: %d bytes of %d, %v", n, len(b), cap(b), err)
		}
	}
}

// TestStateAndReceiptRules: a state that contradicts itself is neither sent nor read.
func TestStateAndReceiptRules(t *testing.T) {
	a, b := KeyState{ID: format.KeyID{1}, Active: true}, KeyState{ID: format.KeyID{2}}
	good := State{Generation: 3, Loaded: true, Active: a.ID, Keys: []KeyState{a, b}}
	wire, err := appendState(nil, good)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parseState(wire); err != nil || got.Active != a.ID || len(got.Keys) != 2 || got.Generation != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	for name, s := range map[string]State{
		"loaded without keys": {Loaded: true},
		"keys but not loaded": {Active: a.ID, Keys: []KeyState{a}},
		"active unnamed":      {Loaded: true, Keys: []KeyState{a}},
		"active is another":   {Loaded: true, Active: b.ID, Keys: []KeyState{a, b}},
		"none active":         {Loaded: true, Active: b.ID, Keys: []KeyState{b}},
		"two active":          {Loaded: true, Active: a.ID, Keys: []KeyState{a, a}},
		"active without keys": {Active: a.ID},
		"seventeen":           {Loaded: true, Active: a.ID, Keys: make([]KeyState, 17)},
	} {
		if _, err := appendState(nil, s); err == nil {
			t.Errorf("%s is sent", name)
		}
		// The same on the wire, encoded without the check.
		c := append(append(make([]byte, 0), bit(s.Loaded)), make([]byte, 8)...)
		c = appendKeyStates(append(append(c, s.Active[:]...), s.PinsDigest[:]...), s.Keys)
		if _, err := parseState(c); err == nil {
			t.Errorf("%s is read", name)
		}
		if s.Loaded == (len(s.Keys) != 0) {
			if _, err := appendM4(nil, [sessionSize]byte{}, Receipt{Active: s.Active, Keys: s.Keys}); err == nil {
				t.Errorf("%s is sent in a receipt", name)
			}
		}
	}
	for i := range wire {
		if _, err := parseState(wire[:i]); err == nil {
			t.Errorf("%d of %d bytes are read", i, len(wire))
		}
	}
	if _, err := parseState(append(wire, 0)); err == nil {
		t.Error("a byte too many is read")
	}
}
