package keyagent

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// The vectors of LOCAL.md 7, in its order.
const (
	vectorAgentHello  = "0000000b 01 4b45594c4f43414c 0001"
	vectorClientHello = "00000011 01 4b45594c4f43414c 0001 05 70726f7879"
	vectorWait        = "00000009 02 0000000000000007"
	vectorRing        = "00000013 03 0000000000000008 02 01 03 6f6c64 03 6e6577"
	vectorCleared     = "0000000b 03 0000000000000009 00 ff"
	vectorRefused     = "00000002 04 01"
	vectorWatch       = "00000009 05 0000000000000007"
	vectorNames       = "00000038 06 0000000000000008 01 00 0102030405060708 202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f 04 6d61696e"
	vectorDerive      = "0000000c 07 0102030405060708 616263"
	vectorDerived     = "00000005 08 00 616263"
)

func unhex(t testing.TB, text string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// body reads one frame of the wanted type.
func frameBody(t testing.TB, frame []byte, want byte) []byte {
	t.Helper()
	msg, body, err := readFrame(bytes.NewReader(frame), maxFrame, func() {})
	if err != nil || msg != want {
		t.Fatalf("message %d, %v; want %d", msg, err, want)
	}
	return body
}

func TestWireVectors(t *testing.T) {
	check := func(name string, got []byte, vector string) {
		t.Helper()
		if want := unhex(t, vector); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", name, got, want)
		}
	}
	check("agent hello", appendAgentHello(nil), vectorAgentHello)
	check("client hello", appendClientHello(nil, "proxy"), vectorClientHello)
	check("wait", appendWait(nil, 7), vectorWait)
	check("refused", appendRefused(nil, refusedUser), vectorRefused)
	ring := ringHead{generation: 8, active: 1, labels: []string{"old", "new"}}
	cleared := ringHead{generation: 9, active: -1}
	check("ring", appendRing(nil, ring), vectorRing)
	check("cleared", appendRing(nil, cleared), vectorCleared)

	names := Names{Generation: 8, Keys: []KeyName{{ID: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, Label: "main", Active: true}}}
	for i := range names.Keys[0].KVT {
		names.Keys[0].KVT[i] = 0x20 + byte(i)
	}
	check("watch", appendWatch(nil, 7), vectorWatch)
	check("names", appendNames(nil, names), vectorNames)
	check("derive", appendDerive(nil, names.Keys[0].ID, []byte("abc")), vectorDerive)
	check("derived", appendDerived(nil, derivedOK, []byte("abc")), vectorDerived)
	if got, err := parseNames(frameBody(t, unhex(t, vectorNames), msgNames)); err != nil || !reflect.DeepEqual(got, names) {
		t.Errorf("names %+v, %v", got, err)
	}

	if err := parseAgentHello(frameBody(t, unhex(t, vectorAgentHello), msgHello)); err != nil {
		t.Error(err)
	}
	if name, err := parseClientHello(frameBody(t, unhex(t, vectorClientHello), msgHello)); name != "proxy" || err != nil {
		t.Errorf("name %q, %v", name, err)
	}
	if after, err := parseWait(frameBody(t, unhex(t, vectorWait), msgWait)); after != 7 || err != nil {
		t.Errorf("wait %d, %v", after, err)
	}
	if reason, err := parseRefused(frameBody(t, unhex(t, vectorRefused), msgRefused)); reason != refusedUser || err != nil {
		t.Errorf("refused %d, %v", reason, err)
	}
	for vector, want := range map[string]ringHead{vectorRing: ring, vectorCleared: cleared} {
		if got, err := parseRing(frameBody(t, unhex(t, vector), msgRing)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ring %v, %v; want %v", got, err, want)
		}
	}
}

// TestDocumentsNameWhatExists: the normative text has these vectors, and the tests that doc.go promises are there.
func TestDocumentsNameWhatExists(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	local := read("LOCAL.md")
	for _, v := range []string{vectorAgentHello, vectorClientHello, vectorWait, vectorRing, vectorCleared, vectorRefused} {
		if !strings.Contains(local, v) {
			t.Errorf("LOCAL.md has no vector %q", v)
		}
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := ""
	for _, f := range files {
		tests += read(f)
	}
	named := regexp.MustCompile(`\bTest[A-Z0-9]\w+`).FindAllString(read("doc.go"), -1)
	if len(named) < 20 {
		t.Errorf("doc.go names %d tests", len(named))
	}
	for _, name := range named {
		if !strings.Contains(tests, "func "+name+"(") {
			t.Errorf("doc.go names %s, which does not exist", name)
		}
	}
}

// TestRegionVector is the region of LOCAL.md 7.
func TestRegionVector(t *testing.T) {
	master := make([]byte, KeySize)
	for i := range master {
		master[i] = byte(i)
	}
	keys := []Key{{Label: "k", Master: newTestSecret(t, master), Active: true}}
	defer Ring{Keys: keys}.Wipe()
	got := make([]byte, regionSize(1))
	if err := fillRegion(got, 8, keys); err != nil {
		t.Fatal(err)
	}
	want := unhex(t, "4b455952494e4731 0000000000000008"+
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"+
		"fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0")
	if !bytes.Equal(got, want) {
		t.Errorf("region %x, want %x", got, want)
	}
}

func TestParsersRefuseEveryOtherMessage(t *testing.T) {
	refuses := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v, want ErrProtocol", name, err)
		}
	}
	hello := frameBody(t, unhex(t, vectorClientHello), msgHello)
	edit := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v
		return b
	}
	for name, body := range map[string][]byte{
		"empty": nil, "short": hello[:9], "other magic": edit(hello, 0, 'k'), "no name length": hello[:10],
		"version 0": edit(hello, 9, 0), "version 2": edit(hello, 9, 2), "version 257": edit(hello, 8, 1),
		"name cut": hello[:15], "name longer": append(bytes.Clone(hello), 'x'), "newline": edit(hello, 12, '\n'),
		"not ASCII": edit(hello, 12, 0xc3), "delete": edit(hello, 12, 0x7f),
		"name of 65": append(edit(hello[:11], 10, 65), strings.Repeat("x", 65)...),
	} {
		_, err := parseClientHello(body)
		refuses("client hello: "+name, err)
		if version := strings.HasPrefix(name, "version"); errors.Is(err, errVersion) != version {
			t.Errorf("client hello: %s: %v, errVersion wanted: %t", name, err, version)
		}
	}
	refuses("agent hello with more", parseAgentHello(hello))
	refuses("agent hello empty", parseAgentHello(nil))
	for n := range 17 {
		if n != 8 {
			_, err := parseWait(make([]byte, n))
			refuses("wait", err)
		}
		if n != 1 {
			_, err := parseRefused(make([]byte, n))
			refuses("refused", err)
		}
	}
	ring := frameBody(t, unhex(t, vectorRing), msgRing)
	cleared := frameBody(t, unhex(t, vectorCleared), msgRing)
	for n := range ring {
		_, err := parseRing(ring[:n])
		refuses("ring cut", err)
	}
	for name, body := range map[string][]byte{
		"longer": append(bytes.Clone(ring), 0), "generation 0": append(make([]byte, 8), ring[8:]...),
		"17 keys": append(edit(ring[:10], 8, 17), make([]byte, 17)...), "active is the count": edit(ring, 9, 2),
		"active none": edit(ring, 9, 0xff), "cleared with active": edit(cleared, 9, 0), "control": edit(ring, 11, 7),
		"not UTF-8": edit(ring, 11, 0xff), "label of 65": append([]byte{0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 65}, strings.Repeat("x", 65)...),
	} {
		_, err := parseRing(body)
		refuses("ring: "+name, err)
	}
}

func TestReadFrameChecksTheLengthBeforeItAllocates(t *testing.T) {
	for _, frame := range []string{"00000000", "00010001 01", "ffffffff 01", "00000011 01"} {
		_, _, err := readFrame(bytes.NewReader(unhex(t, frame)), 16, func() {})
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v, want ErrProtocol", frame, err)
		}
	}
	huge := unhex(t, "7fffffff 01")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 100
	for range rounds {
		_, _, _ = readFrame(bytes.NewReader(huge), maxAgentFrame, func() {})
	}
	runtime.ReadMemStats(&after)
	if allocated := (after.TotalAlloc - before.TotalAlloc) / rounds; allocated > 1024 {
		t.Errorf("a frame that claims 2 GiB costs %d bytes", allocated)
	}
}

func TestReadFrameTellsACleanEndFromATruncation(t *testing.T) {
	frame := unhex(t, vectorWait)
	for n := range frame {
		_, _, err := readFrame(bytes.NewReader(frame[:n]), 64, func() {})
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if err != want {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
	begun := 0
	msg, body, err := readFrame(iotest.OneByteReader(bytes.NewReader(frame)), 64, func() { begun++ })
	if msg != msgWait || len(body) != 8 || err != nil || begun != 1 {
		t.Errorf("byte by byte: message %d, %x, %v, begun %d times", msg, body, err, begun)
	}
}

func TestFrameLimitsFitTheLargestMessages(t *testing.T) {
	labels := slices.Repeat([]string{strings.Repeat("x", MaxLabel)}, MaxKeys)
	if n := len(appendRing(nil, ringHead{generation: 1, labels: labels})) - 4; n > maxAgentFrame {
		t.Errorf("the largest RING has %d bytes, maxAgentFrame is %d", n, maxAgentFrame)
	}
	names := Names{Generation: 1}
	for _, l := range labels {
		names.Keys = append(names.Keys, KeyName{Label: l})
	}
	if n := len(appendNames(nil, names)) - 4; n != maxAgentFrame {
		t.Errorf("the largest NAMES has %d bytes, maxAgentFrame is %d", n, maxAgentFrame)
	}
	if n := len(appendClientHello(nil, strings.Repeat("x", MaxClientName))) - 4; n != maxClientFrame {
		t.Errorf("the largest HELLO has %d bytes, maxClientFrame is %d", n, maxClientFrame)
	}
}

func TestReadRegionRefusesDamageWholly(t *testing.T) {
	keys, err := testRing(3) // 4 keys
	if err != nil {
		t.Fatal(err)
	}
	defer Ring{Keys: keys}.Wipe()
	good := make([]byte, regionSize(len(keys)))
	if err := fillRegion(good, 5, keys); err != nil {
		t.Fatal(err)
	}
	head := headOf(5, keys)
	ring, err := readRegion(good, head)
	if n, cerr := checkTestRing(ring); n != 3 || err != nil || cerr != nil {
		t.Fatalf("load %d, %v, %v", n, err, cerr)
	}
	ring.Wipe()
	refuse := func(name string, b []byte, head ringHead) {
		t.Helper()
		if ring, err := readRegion(b, head); err == nil || ring.Keys != nil {
			ring.Wipe()
			t.Errorf("%s: %v, %v", name, ring, err)
		}
	}
	for bit := range 8 * len(good) {
		b := bytes.Clone(good)
		b[bit/8] ^= 1 << (bit % 8)
		refuse("flipped bit", b, head)
	}
	for n := range len(good) - regionFixed { // a wipe that is under way
		b := bytes.Clone(good)
		clear(b[regionFixed : regionFixed+n+1])
		refuse("half wiped", b, head)
	}
	refuse("short", good[:len(good)-1], head)
	refuse("empty", nil, head)
	refuse("longer", append(bytes.Clone(good), 0), head)
	other := head
	other.generation = 6
	refuse("other generation", good, other)
	twice := bytes.Clone(good)
	copy(twice[regionSize(1):regionSize(2)], twice[regionSize(0):regionSize(1)])
	refuse("the same key twice", twice, head)
	zero := bytes.Clone(good)
	clear(zero[regionSize(2) : regionSize(2)+KeySize])
	for i := range KeySize {
		zero[regionSize(2)+KeySize+i] = 0xff
	}
	refuse("a key of zeros", zero, head)
	none := head
	none.active = -1
	refuse("no active key", good, none)
}

func FuzzReadFrame(f *testing.F) {
	for _, v := range []string{vectorAgentHello, vectorClientHello, vectorWait, vectorRing, vectorCleared, vectorRefused, "", "00", "00000000"} {
		f.Add(unhex(f, v), 64)
	}
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		msg, body, err := readFrame(bytes.NewReader(in), limit, func() {})
		if err != nil {
			return
		}
		if 1+len(body) > limit || len(body) > maxFrame {
			t.Errorf("%d bytes beyond the limit of %d", len(body), limit)
		}
		if out := appendFrame(nil, msg, body...); !bytes.HasPrefix(in, out) {
			t.Errorf("%x reads as %x", in, out)
		}
	})
}

func FuzzClientHello(f *testing.F) {
	f.Add(unhex(f, vectorClientHello)[5:])
	f.Add(unhex(f, vectorAgentHello)[5:])
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := parseAgentHello(in); err == nil && !bytes.Equal(appendAgentHello(nil)[5:], in) {
			t.Errorf("agent hello %x", in)
		}
		name, err := parseClientHello(in)
		if err == nil && !bytes.Equal(appendClientHello(nil, name)[5:], in) {
			t.Errorf("%x reads as %q", in, name)
		}
	})
}

func FuzzWait(f *testing.F) {
	f.Add(unhex(f, vectorWait)[5:])
	f.Add(unhex(f, vectorRefused)[5:])
	f.Fuzz(func(t *testing.T, in []byte) {
		if after, err := parseWait(in); err == nil && !bytes.Equal(appendWait(nil, after)[5:], in) {
			t.Errorf("%x reads as %d", in, after)
		}
		if reason, err := parseRefused(in); err == nil && (!bytes.Equal(appendRefused(nil, reason)[5:], in) || reason.String() == "") {
			t.Errorf("%x reads as %d", in, reason)
		}
	})
}

func FuzzRing(f *testing.F) {
	f.Add(unhex(f, vectorRing)[5:])
	f.Add(unhex(f, vectorCleared)[5:])
	f.Fuzz(func(t *testing.T, in []byte) {
		head, err := parseRing(in)
		if err != nil {
			return
		}
		if out := appendRing(nil, head)[5:]; !bytes.Equal(out, in) {
			t.Errorf("%x reads as %x", in, out)
		}
		if len(head.labels) > MaxKeys || head.generation == 0 || (head.active < 0) != (len(head.labels) == 0) {
			t.Errorf("%v", head)
		}
	})
}

func FuzzRegion(f *testing.F) {
	keys := []Key{{Label: "a", Master: newTestSecret(f, testKey(1)), Active: true}, {Label: "b", Master: newTestSecret(f, testKey(2))}}
	defer Ring{Keys: keys}.Wipe()
	b := make([]byte, regionSize(2))
	if err := fillRegion(b, 7, keys); err != nil {
		f.Fatal(err)
	}
	f.Add(b, uint64(7), uint8(2), uint8(0))
	f.Add(b[:regionSize(1)], uint64(7), uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, in []byte, generation uint64, count, active uint8) {
		head := ringHead{generation: generation, active: int(active), labels: make([]string, count%(MaxKeys+1))}
		ring, err := readRegion(in, head)
		if err != nil {
			if ring.Keys != nil {
				t.Error("keys with an error")
			}
			return
		}
		defer ring.Wipe()
		out := make([]byte, regionSize(len(ring.Keys)))
		if err := fillRegion(out, ring.Generation, ring.Keys); err != nil || !bytes.Equal(out, in) {
			t.Errorf("%x reads as %x, %v", in, out, err)
		}
	})
}
