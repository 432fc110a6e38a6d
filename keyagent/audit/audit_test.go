package audit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

func testEntry(i int) Entry {
	return Entry{
		Time: time.Date(2026, 2, 1, 10, 0, i, 0, time.UTC), Boot: [16]byte{1, 2}, Op: "deliver", Admin: &[32]byte{0xaa, byte(i)},
		Source: netip.MustParseAddr("192.0.2.7"), Generation: uint64(i + 1), Keys: []format.KeyID{{byte(i), 2}, {3}}, Result: "ok",
		Detail: "two \"keys\" <&> Ü",
	}
}

// newLog writes n lines to a new file and returns it with its content.
func newLog(t testing.TB, n int) (path string, content []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	l := openLog(t, path)
	for i := range n {
		if _, _, err := l.Append(testEntry(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

func openLog(t testing.TB, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func put(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAppendIsFoundAgain(t *testing.T) {
	path, content := newLog(t, 3)
	n, head, err := Verify(bytes.NewReader(content))
	if n != 3 || err != nil || head == ([32]byte{}) {
		t.Fatalf("%d lines, head %x, %v", n, head, err)
	}
	l := openLog(t, path)
	if seq, again := l.Head(); seq != 3 || again != head {
		t.Errorf("after opening: line %d, head %x, want 3, %x", seq, again, head)
	}
	seq, next, err := l.Append(Entry{Op: "start", Result: "ok"})
	if seq != 4 || next == head || err != nil {
		t.Fatalf("line %d, head %x, %v", seq, next, err)
	}
	content, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	want := `{"seq":1,"time":"2026-02-01T10:00:00.000Z","boot":"01020000000000000000000000000000","op":"deliver",` +
		`"admin":"aa` + strings.Repeat("0", 62) + `","source":"192.0.2.7","generation":1,` +
		`"keys":["0002000000000000","0300000000000000"],"result":"ok","detail":"two \"keys\" <&> Ü","prev":"` + strings.Repeat("0", 64) + `"}`
	if lines[0] != want {
		t.Errorf("line 1 is\n%s, want\n%s", lines[0], want)
	}
	if !strings.Contains(lines[3], `"prev":"`+hex.EncodeToString(head[:])+`"`) || strings.Contains(lines[3], "admin") {
		t.Errorf("line 4 is %s", lines[3])
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestEveryFlippedByteIsRefused(t *testing.T) {
	path, content := newLog(t, 3)
	last := bytes.LastIndexByte(content[:len(content)-1], '\n') + 1
	for i := range content {
		for _, bit := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(content)
			bad[i] ^= bit
			n, _, err := Verify(bytes.NewReader(bad))
			if i >= last && err == nil {
				continue // the last line has no witness in the file: its digest is the head
			}
			var at *LineError
			if torn := errors.Is(err, ErrTorn); torn && i == len(content)-1 {
				continue
			}
			if !errors.As(err, &at) {
				t.Fatalf("byte %d ^ %#x: %d lines, %v", i, bit, n, err)
			}
			line := uint64(bytes.Count(content[:i], []byte("\n")) + 1)
			if at.Line != line && at.Line != line+1 {
				t.Errorf("byte %d of line %d: the error names line %d", i, line, at.Line)
			}
		}
	}
	bad := bytes.Clone(content)
	bad[10] ^= 1
	put(t, path, bad)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "line ") {
		t.Errorf("Open of a changed log: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
		t.Errorf("a refused log was changed (%v)", err)
	}
}

func TestLinesCannotBeRemovedMovedOrRepeated(t *testing.T) {
	_, content := newLog(t, 5)
	lines := bytes.SplitAfter(content, []byte("\n"))[:5]
	_, other := newLog(t, 7)
	foreign := bytes.SplitAfter(other, []byte("\n"))
	for name, order := range map[string][][]byte{
		"first removed":    lines[1:],
		"second removed":   {lines[0], lines[2], lines[3], lines[4]},
		"second repeated":  {lines[0], lines[1], lines[1], lines[2]},
		"two swapped":      {lines[0], lines[2], lines[1], lines[3]},
		"an empty line":    {lines[0], []byte("\n"), lines[1]},
		"another begin":    {foreign[1], lines[1]},
		"a space between":  {lines[0], []byte(" "), lines[1]},
		"two lines in one": {bytes.TrimSuffix(lines[0], []byte("\n")), lines[1]},
		"CRLF":             {bytes.Replace(lines[0], []byte("\n"), []byte("\r\n"), 1)},
		"endless":          {bytes.Repeat([]byte("x"), maxLine+1)},
	} {
		var at *LineError
		if _, _, err := Verify(bytes.NewReader(bytes.Join(order, nil))); !errors.As(err, &at) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOnlyCanonicalLines(t *testing.T) {
	good, err := newLine(testEntry(0), 1, [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	text := string(good.encode())
	if _, err := decode([]byte(text)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"a field more":    {`"op":`, `"extra":1,"op":`},
		"a field twice":   {`"op":"deliver"`, `"op":"clear","op":"deliver"`},
		"another order":   {`"seq":1,"time":"2026-02-01T10:00:00.000Z"`, `"time":"2026-02-01T10:00:00.000Z","seq":1`},
		"a space":         {`"seq":1`, `"seq": 1`},
		"exponent":        {`"seq":1`, `"seq":1e0`},
		"another case":    {`"op"`, `"OP"`},
		"escaped":         {`"deliver"`, `"\u0064eliver"`},
		"upper case hex":  {`"aa`, `"AA`},
		"trailing":        {`0"}`, `0"}{}`},
		"seq 0":           {`"seq":1`, `"seq":0`},
		"no milliseconds": {`00.000Z`, `00Z`},
		"zone":            {`00.000Z`, `00.000+00:00`},
		"no such day":     {`02-01T`, `02-30T`},
		"boot short":      {`"boot":"01`, `"boot":"`},
		"no op":           {`"op":"deliver",`, ``},
		"op no word":      {`"deliver"`, `"De!"`},
		"admin short":     {`"admin":"aa`, `"admin":"`},
		"source":          {`192.0.2.7`, `192.0.2.007`},
		"source zone":     {`192.0.2.7`, `fe80::1%eth0`},
		"key short":       {`"00020`, `"0020`},
		"17 keys":         {`"keys":[`, `"keys":[` + strings.Repeat(`"0002000000000000",`, 15)},
		"no result":       {`"result":"ok",`, ``},
		"long detail":     {`"detail":"`, `"detail":"` + strings.Repeat("x", maxDetail)},
		"null":            {`"generation":1`, `"generation":null`},
		"negative":        {`"generation":1`, `"generation":-1`},
		"prev short":      {`"prev":"00`, `"prev":"`},
	} {
		bad := strings.Replace(text, change[0], change[1], 1)
		if bad == text {
			t.Fatalf("%s: nothing changed", name)
		}
		if _, err := decode([]byte(bad)); err == nil {
			t.Errorf("%s is accepted: %s", name, bad)
		}
	}
}

func TestUnfitEntriesAreRefused(t *testing.T) {
	l := openLog(t, filepath.Join(t.TempDir(), "log"))
	for name, e := range map[string]Entry{
		"no op":          {Result: "ok"},
		"no result":      {Op: "start"},
		"a line break":   {Op: "start\n", Result: "ok"},
		"a long word":    {Op: strings.Repeat("a", maxWord+1), Result: "ok"},
		"too many keys":  {Op: "start", Result: "ok", Keys: make([]format.KeyID, maxKeys+1)},
		"a year of five": {Op: "start", Result: "ok", Time: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, _, err := l.Append(e); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if seq, _ := l.Head(); seq != 0 {
		t.Errorf("refused entries made %d lines", seq)
	}
	// The longest entry fits, whatever its detail has.
	for _, detail := range []string{strings.Repeat("\x00", 2000), strings.Repeat("\xff", 2000), strings.Repeat("ä", 2000), strings.Repeat("\u2028", 700)} {
		e := Entry{Op: strings.Repeat("a", maxWord), Result: strings.Repeat("b", maxWord), Admin: new([32]byte), Keys: make([]format.KeyID, maxKeys),
			Source: netip.MustParseAddr("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff%zone"), Generation: 1<<64 - 1, Detail: detail}
		if _, _, err := l.Append(e); err != nil {
			t.Errorf("the longest entry: %v", err)
		}
	}
}

func TestTornLastLineIsRemoved(t *testing.T) {
	path, content := newLog(t, 2)
	first := bytes.IndexByte(content, '\n') + 1
	n, head, err := Verify(bytes.NewReader(content[:first]))
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for size := first + 1; size < len(content); size++ {
		put(t, path, content[:size])
		if n, at, err := Verify(bytes.NewReader(content[:size])); !errors.Is(err, ErrTorn) || n != 1 || at != head {
			t.Fatalf("%d bytes: %d lines, %v", size, n, err)
		}
		l, err := Open(path)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if seq, at := l.Head(); seq != 1 || at != head || l.Torn() != size-first {
			t.Fatalf("%d bytes: line %d, %d torn", size, seq, l.Torn())
		}
		if size%50 == 0 {
			if _, _, err := l.Append(testEntry(1)); err != nil {
				t.Fatal(err)
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
				t.Fatalf("%d bytes: the chain did not go on as before (%v)", size, err)
			}
		}
		l.Close()
	}
}

func TestWitness(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openLog(t, path)
	heads := [][32]byte{{}}
	for i := range 5 {
		_, head, err := l.Append(testEntry(i))
		if err != nil {
			t.Fatal(err)
		}
		heads = append(heads, head)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 5; seq++ {
		if n, head, err := Witness(bytes.NewReader(content), seq, heads[seq]); n != 5 || head != heads[5] || err != nil {
			t.Errorf("line %d: %d, %v", seq, n, err)
		}
		if _, _, err := Witness(bytes.NewReader(content), seq, heads[seq-1]); !errors.Is(err, ErrWitness) {
			t.Errorf("line %d with the digest of another: %v", seq, err)
		}
	}
	cut := content[:bytes.LastIndexByte(content[:len(content)-1], '\n')+1]
	if _, _, err := Witness(bytes.NewReader(cut), 5, heads[5]); !errors.Is(err, ErrWitness) {
		t.Errorf("a log without its last line: %v", err)
	}
	rewritten := filepath.Join(t.TempDir(), "log")
	f := openLog(t, rewritten)
	for i := range 9 {
		e := testEntry(i)
		e.Result = "denied"
		if _, _, err := f.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	forged, err := os.ReadFile(rewritten)
	if err != nil {
		t.Fatal(err)
	}
	if n, _, err := Witness(bytes.NewReader(forged), 5, heads[5]); n != 9 || !errors.Is(err, ErrWitness) {
		t.Errorf("a log written anew: %d lines, %v", n, err)
	}
	if _, _, err := Witness(bytes.NewReader(content[:len(content)-1]), 1, heads[1]); !errors.Is(err, ErrTorn) {
		t.Errorf("a torn log: %v", err)
	}
}

// faultyFile fails as it is told to.
type faultyFile struct {
	*os.File
	write, sync, truncate error
	short                 int // bytes written before write fails
}

func (f *faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if f.write == nil {
		return f.File.WriteAt(b, at)
	}
	n, err := f.File.WriteAt(b[:f.short], at)
	return n, errors.Join(err, f.write)
}

func (f *faultyFile) Sync() error { return errors.Join(f.File.Sync(), f.sync) }

func (f *faultyFile) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.File.Truncate(size)
}

func newFaulty(t *testing.T) (*Log, *faultyFile, string) {
	path, _ := newLog(t, 2)
	l := openLog(t, path)
	f := &faultyFile{File: l.file.(*os.File)}
	l.file = f
	return l, f, path
}

var errFull = errors.New("no space left")

func TestFailedWriteLeavesTheLogAsItWas(t *testing.T) {
	l, f, path := newFaulty(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f.write, f.short = errFull, 20
	seq, head := l.Head()
	if _, _, err := l.Append(testEntry(2)); !errors.Is(err, errFull) || errors.Is(err, ErrBroken) {
		t.Fatalf("a full disk: %v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, before) {
		t.Errorf("the file changed (%v)", err)
	}
	if s, h := l.Head(); s != seq || h != head {
		t.Errorf("the head moved to line %d", s)
	}
	f.write = nil
	if s, _, err := l.Append(testEntry(2)); s != seq+1 || err != nil {
		t.Errorf("with room again: line %d, %v", s, err)
	}
	f.write, f.truncate = errFull, errors.New("no truncate")
	for range 2 {
		if _, _, err := l.Append(testEntry(3)); err == nil {
			t.Fatal("a failed write succeeds")
		}
		f.write = nil
	}
	if _, _, err := l.Append(testEntry(3)); !errors.Is(err, ErrBroken) {
		t.Errorf("after a write that could not be undone: %v", err)
	}
}

func TestFailedSyncBreaksTheLog(t *testing.T) {
	l, f, path := newFaulty(t)
	f.sync = errors.New("i/o error")
	if _, _, err := l.Append(testEntry(2)); !errors.Is(err, ErrBroken) || !errors.Is(err, f.sync) {
		t.Fatalf("a failed fsync: %v", err)
	}
	f.sync = nil
	if _, _, err := l.Append(testEntry(2)); !errors.Is(err, ErrBroken) {
		t.Fatalf("the append after it: %v", err)
	}
	l.Close()
	again := openLog(t, path)
	if seq, _ := again.Head(); seq != 2 {
		t.Errorf("opened again: line %d, want 2", seq)
	}
	if _, _, err := again.Append(testEntry(2)); err != nil {
		t.Error(err)
	}
}

func TestConcurrentAppendsChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := openLog(t, path)
	const writers, each = 8, 10
	var mu sync.Mutex
	seen := map[uint64][32]byte{}
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range each {
				seq, head, err := l.Append(testEntry(i))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				seen[seq] = head
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != writers*each {
		t.Fatalf("%d numbers for %d appends", len(seen), writers*each)
	}
	for seq, head := range seen {
		if _, _, err := Witness(bytes.NewReader(content), seq, head); err != nil {
			t.Error(err)
		}
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path, _ := newLog(t, 1)
	l := openLog(t, path)
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second Open: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if _, _, err := l.Append(testEntry(1)); !errors.Is(err, ErrBroken) {
		t.Errorf("Append after Close: %v", err)
	}
	openLog(t, path)
}

func TestOpenRefusesUnfitFiles(t *testing.T) {
	dir := t.TempDir()
	wide := filepath.Join(dir, "wide")
	put(t, wide, nil)
	if err := os.Chmod(wide, 0o666); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(wide, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		wide:                              "others can write",
		link:                              "symbolic link",
		dir:                               "is a directory",
		filepath.Join(dir, "none", "log"): "no such file",
		"/dev/full":                       "not a regular file",
	} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Open(%q): %v, want %q", path, err, want)
		}
	}
}

// FuzzVerify: nothing makes Verify panic, and what it accepts is what the package writes, line for line.
func FuzzVerify(f *testing.F) {
	_, content := newLog(f, 3)
	f.Add(content)
	f.Add(content[:len(content)-1])
	f.Add([]byte{})
	f.Add([]byte("\n"))
	f.Add([]byte(`{"seq":1}` + "\n"))
	l, err := newLine(Entry{Op: "start", Result: "ok", Time: time.Unix(0, 0)}, 1, [32]byte{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(l.encode(), '\n'))
	f.Fuzz(func(t *testing.T, content []byte) {
		n, head, err := Verify(bytes.NewReader(content))
		if err != nil {
			return
		}
		var prev [32]byte
		lines := bytes.SplitAfter(content, []byte("\n"))
		if len(lines[len(lines)-1]) != 0 || uint64(len(lines)-1) != n {
			t.Fatalf("%d lines of %d", n, len(lines))
		}
		for i, b := range lines[:n] {
			l, err := decode(bytes.TrimSuffix(b, []byte("\n")))
			if err != nil || l.Seq != uint64(i+1) || l.Prev != fmt.Sprintf("%x", prev) {
				t.Fatalf("line %d accepted: %v", i+1, err)
			}
			prev = digest(bytes.TrimSuffix(b, []byte("\n")))
		}
		if prev != head {
			t.Fatal("another head")
		}
	})
}
