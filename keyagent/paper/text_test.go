package paper

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// testShares splits a ring of some keys and pins into 3 shares, 2 needed.
func testShares(t testing.TB, keys, pins int) []*shares.Share {
	t.Helper()
	ring := &shares.Keyring{Generation: 12}
	for i := range keys {
		master := testSecret(t, i)
		id, kvt, err := names(master)
		if err != nil {
			t.Fatal(err)
		}
		ring.Keys = append(ring.Keys, shares.Key{ID: id, KVT: kvt, Master: master, Active: i == keys-1, Label: "Büro 2026"})
	}
	for i := range pins {
		ring.Pins = append(ring.Pins, shares.Pin{Name: fmt.Sprintf("bucket-%03d", i), ID: format.BucketID{byte(i)}})
	}
	all, err := shares.Split(ring, 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range all {
			s.Wipe()
		}
	})
	return all
}

func shareText(t testing.TB, s *shares.Share) string {
	t.Helper()
	text, err := ShareText(s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func masterText(t testing.TB, i int) string {
	t.Helper()
	text, err := MasterText(testSecret(t, i))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// isShare parses and compares.
func isShare(t testing.TB, text string, want *shares.Share) {
	t.Helper()
	got, err := ParseText([]byte(text))
	if err != nil {
		t.Error(err)
		return
	}
	if got.Master != nil || got.Share == nil || !got.Share.Equal(want) {
		t.Error("another share came back")
	}
	got.Share.Wipe()
}

func TestTextRoundTrip(t *testing.T) {
	for i := range 50 {
		got, err := ParseText([]byte(masterText(t, i)))
		if err != nil || got.Share != nil {
			t.Fatal(err)
		}
		isMaster(t, got.Master, testMaster(i))
		got.Master.Wipe()
	}
	lengths := map[int]bool{}
	for _, keys := range []int{1, 2, 5, 16} {
		for pins := range 8 {
			s := testShares(t, keys, pins)[pins%3]
			text := shareText(t, s)
			lengths[len(text)%(lineChars+checkChars+1)] = true
			isShare(t, text, s)
		}
	}
	if len(lengths) < 8 {
		t.Errorf("the shares end at %d places of a line only", len(lengths))
	}
	long := testShares(t, 16, 500)[0] // near shares.MaxSize
	isShare(t, shareText(t, long), long)
}

func TestTextFormIsTheDocumentedOne(t *testing.T) {
	text := masterText(t, 1)
	if !strings.HasPrefix(text, "MKM1-2/") || len(text) != len("MKM1-2/")+lineChars+checkChars+1+18+checkChars {
		t.Errorf("a master is %d characters %q…", len(text), text[:8])
	}
	// Another way to the same bytes: bit by bit.
	m := testMaster(1)
	_, kvt, err := names(testSecret(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	data := append(m[:], kvt[:4]...)
	lines := strings.Split(text, "/")[1:]
	for i, line := range lines {
		part := data[i*25 : min((i+1)*25, len(data))]
		var bits strings.Builder
		for _, b := range part {
			fmt.Fprintf(&bits, "%08b", b)
		}
		for bits.Len()%5 != 0 {
			bits.WriteByte('0')
		}
		for j := 0; j < bits.Len(); j += 5 {
			v := 0
			fmt.Sscanf(bits.String()[j:j+5], "%b", &v)
			if line[j/5] != "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[v] {
				t.Fatalf("line %d, character %d is %c", i+1, j/5, line[j/5])
			}
		}
	}
	for _, c := range text + shareText(t, testShares(t, 1, 1)[0]) {
		if !strings.ContainsRune("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", c) {
			t.Errorf("%q is not in the alphanumeric set of QR codes", c)
		}
	}
}

// typed is what the sheet shows: a first line and numbered groups.
func typed(text, number string) []string {
	parts := strings.Split(text, "/")
	out := []string{parts[0]}
	for i, line := range parts[1:] {
		if number != "" {
			out = append(out, fmt.Sprintf(number, i+1)+grouped(line))
		} else {
			out = append(out, grouped(line))
		}
	}
	return out
}

func TestParseTextIsTolerant(t *testing.T) {
	s := testShares(t, 2, 2)[1]
	text := shareText(t, s)
	lines := typed(text, "%2d. ")
	shuffled := slices.Clone(lines)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(shuffled)-1, func(i, j int) { shuffled[i+1], shuffled[j+1] = shuffled[j+1], shuffled[i+1] })
	for name, text := range map[string]string{
		"as it is":          text,
		"line end":          text + "\r\n",
		"small letters":     strings.ToLower(text),
		"as printed":        strings.Join(lines, "\n"),
		"with 1)":           strings.Join(typed(text, "%d) "), "\r\n"),
		"without numbers":   strings.Join(typed(text, ""), "\n"),
		"empty lines":       "\n\n " + strings.Join(lines, " \n\t\n"),
		"dashes":            strings.ReplaceAll(strings.Join(typed(text, "%d."), "\n"), " ", "-"),
		"numbers, shuffled": strings.Join(shuffled, "\n"),
		"l for 1":           strings.ReplaceAll(text, "1", "l"),
		"I for 1, o for 0":  strings.ReplaceAll(strings.ReplaceAll(text, "1", "I"), "0", "o"),
		"no dash":           strings.Replace(text, "-", " ", 1),
	} {
		got, err := ParseText([]byte(text))
		if err != nil || got.Share == nil || !got.Share.Equal(s) {
			t.Errorf("%s: %v", name, err)
		}
		got.Share.Wipe()
	}
	got, err := ParseText([]byte(strings.Join(typed(masterText(t, 5), "%d. "), "\n")))
	if err != nil {
		t.Fatal(err)
	}
	isMaster(t, got.Master, testMaster(5))
	got.Master.Wipe()
}

// TestAWrongCharacterNamesItsLine changes every character of every line, in several ways.
func TestAWrongCharacterNamesItsLine(t *testing.T) {
	s := testShares(t, 1, 1)[0]
	tried, elsewhere := 0, 0
	for _, text := range []string{shareText(t, s), masterText(t, 2)} {
		parts := strings.Split(text, "/")
		for line := 1; line < len(parts); line++ {
			for i := range parts[line] {
				for step := 1; step < 32; step += 5 {
					bad := slices.Clone(parts)
					at := strings.IndexByte(alphabet, bad[line][i])
					bad[line] = bad[line][:i] + alphabet[(at+step)%32:][:1] + bad[line][i+1:]
					got, err := ParseText([]byte(strings.Join(bad, "/")))
					if err == nil || got != (Text{}) || !errors.Is(err, ErrText) {
						t.Fatalf("line %d, character %d changed: %v, %v", line, i+1, got, err)
					}
					tried++
					var wrong *LineError
					if !errors.As(err, &wrong) {
						elsewhere++ // the line's check let it pass; the share's or the KVT found it
					} else if wrong.Line != line || !strings.Contains(err.Error(), fmt.Sprintf("line %d:", line)) {
						t.Fatalf("line %d, character %d changed: %v", line, i+1, err)
					}
				}
			}
		}
	}
	t.Logf("%d changes, all caught; %d by what is behind the lines' checks", tried, elsewhere)
	if elsewhere > tried/1024*4+8 {
		t.Errorf("the lines' checks let %d of %d pass", elsewhere, tried)
	}
}

func TestWrongLinesAreNamed(t *testing.T) {
	text := shareText(t, testShares(t, 1, 1)[0])
	parts := strings.Split(text, "/")
	n := len(parts) - 1
	with := func(change func(lines []string) []string) string {
		return strings.Join(change(typed(text, "%d. ")), "\n")
	}
	unnumbered := func(change func(p []string) []string) string {
		return strings.Join(change(slices.Clone(parts)), "/")
	}
	for name, c := range map[string]struct {
		text string
		line int
		err  error
	}{
		"left out, numbered":   {with(func(l []string) []string { return slices.Delete(l, 4, 5) }), 4, errLineMissing},
		"left out":             {unnumbered(func(p []string) []string { return slices.Delete(p, 4, 5) }), 0, nil},
		"last left out":        {unnumbered(func(p []string) []string { return p[:n] }), n, errLineMissing},
		"first line only":      {parts[0], 1, errLineMissing},
		"twice, numbered":      {with(func(l []string) []string { return slices.Insert(l, 4, l[3]) }), 3, errLineTwice},
		"one too many":         {text + "/" + parts[1], n + 1, nil},
		"number too high":      {with(func(l []string) []string { return append(l, "999. "+l[1]) }), 999, nil},
		"two swapped":          {unnumbered(func(p []string) []string { p[2], p[5] = p[5], p[2]; return p }), 2, errLineCheck},
		"a character missing":  {unnumbered(func(p []string) []string { p[3] = p[3][1:]; return p }), 3, errLineLength},
		"a character too many": {unnumbered(func(p []string) []string { p[3] += "0"; return p }), 3, errLineLength},
		"a U":                  {unnumbered(func(p []string) []string { p[3] = "U" + p[3][1:]; return p }), 3, errLineSymbol},
		"a question mark":      {unnumbered(func(p []string) []string { p[3] = "?" + p[3][1:]; return p }), 3, errLineSymbol},
		"last line cut":        {text[:len(text)-1], n, nil},
		"last line too long":   {text + strings.Repeat("0", 50), n, errLineLength},
		"line without data":    {unnumbered(func(p []string) []string { p[n] = p[n][:2]; return p }), n, errLineLength},
	} {
		got, err := ParseText([]byte(c.text))
		var wrong *LineError
		if got != (Text{}) || !errors.Is(err, ErrText) || !errors.As(err, &wrong) {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		if c.line != 0 && wrong.Line != c.line || c.err != nil && wrong.Err != c.err {
			t.Errorf("%s: %v; want line %d, %v", name, err, c.line, c.err)
		}
	}
}

func TestOtherTextsAreRefused(t *testing.T) {
	text := masterText(t, 1)
	body := text[strings.IndexByte(text, '/'):]
	m := testMaster(1)
	wrongKVT := append(m[:], 1, 2, 3, 4)
	for name, bad := range map[string]string{
		"empty":          "",
		"blank":          " \n/ \r\n",
		"words":          strings.Join(testWords(t, 1), " "),
		"no head":        body,
		"other kind":     "MKX1-2" + body,
		"as a share":     "MKS1-2" + body,
		"version 2":      "MKM2-2" + body,
		"no number":      "MKM1-" + body,
		"no lines":       "MKM1-0" + body,
		"letters":        "MKM1-2A" + body,
		"many lines":     "MKM1-657" + body,
		"huge number":    "MKM1-" + strings.Repeat("9", 400) + body,
		"too long":       text + strings.Repeat(" ", MaxText),
		"wrong kvt":      join(kindMaster, cut(kindMaster, wrongKVT)),
		"zeros":          join(kindMaster, cut(kindMaster, make([]byte, 36))),
		"short master":   join(kindMaster, cut(kindMaster, m[:])),
		"long master":    join(kindMaster, cut(kindMaster, append(m[:], make([]byte, 90)...))),
		"not a share":    join(kindShare, cut(kindShare, bytes.Repeat([]byte{7}, 400))),
		"not the zeroes": join(kindMaster, []string{"0000000000000000000000000000000000000000ZZ"}),
	} {
		if got, err := ParseText([]byte(bad)); got != (Text{}) || !errors.Is(err, ErrText) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestOneTextPerSecret: bits beyond the last byte of a line have to be zero.
func TestOneTextPerSecret(t *testing.T) {
	for n := 1; n < lineBytes; n++ {
		data := bytes.Repeat([]byte{0xa5}, n)
		line := encodeLine(kindMaster, 1, 1, data)
		spare := (5 - n*8%5) % 5
		for v := 1; v < 1<<spare; v++ {
			last := len(line) - checkChars - 1
			bad := []byte(line)
			bad[last] = alphabet[strings.IndexByte(alphabet, line[last])|v]
			if _, err := decodeLine(kindMaster, 1, 1, bad); err != errLineCheck {
				t.Fatalf("%d bytes, spare bits %b: %v", n, v, err)
			}
		}
	}
}

func TestErrorsHaveNoKeyBytes(t *testing.T) {
	words := testWords(t, 1)
	master := testMaster(1)
	share := testShares(t, 1, 1)[0]
	texts := []string{masterText(t, 1), shareText(t, share)}
	var said []string
	try := func(err error) {
		if err == nil {
			t.Error("a damaged sheet was read")
			return
		}
		said = append(said, err.Error(), fmt.Sprintf("%+v", err))
	}
	for i := range words {
		for _, w := range []string{words[(i+1)%wordCount] + "x", "zebra", ""} {
			if testing.Short() && w == "zebra" && i%6 > 0 {
				continue // the search for the wrong word is what takes long
			}
			bad := slices.Clone(words)
			bad[i] = w
			if w != words[i] {
				_, err := ParseWords([]byte(strings.Join(bad, " ")))
				try(err)
			}
		}
	}
	for _, text := range texts {
		for i := 0; i < len(text); i += 3 {
			for _, c := range []string{"", "?", "U", "/", "ZZ", "\x00"} {
				if bad := text[:i] + c + text[i+1:]; bad != text {
					if got, err := ParseText([]byte(bad)); err == nil {
						// A dash may be left out; nothing else may.
						if text[i] != '-' {
							t.Errorf("character %d of %d as %q was read", i, len(text), c)
						}
						got.Master.Wipe()
						got.Share.Wipe()
					} else {
						try(err)
					}
				}
			}
		}
	}
	all := strings.ToLower(strings.Join(said, "\n"))
	for _, w := range words {
		for _, field := range strings.FieldsFunc(all, func(r rune) bool { return r < 'a' || r > 'z' }) {
			if field == w && !slices.Contains(strings.Fields("check word line key other there two one"), w) {
				t.Errorf("an error says %q", w)
			}
		}
	}
	for _, text := range texts {
		for _, line := range strings.Split(strings.ToLower(text), "/")[1:] {
			for i := 0; i+8 <= len(line); i++ {
				if strings.Contains(all, line[i:i+8]) {
					t.Errorf("an error has the characters %q", line[i:i+8])
				}
			}
		}
	}
	for _, form := range []string{string(master[:4]), hex.EncodeToString(master[:4]), fmt.Sprint(master[:4])} {
		if strings.Contains(all, form) {
			t.Errorf("an error has key bytes")
		}
	}
	if len(said) < 500 {
		t.Errorf("%d errors were looked at", len(said))
	}
}

func FuzzParseText(f *testing.F) {
	s := shareText(f, testShares(f, 1, 1)[0])
	f.Add([]byte(masterText(f, 1)))
	f.Add([]byte(s))
	f.Add([]byte(strings.Join(typed(s, "%d. "), "\n")))
	f.Add([]byte("MKM1-2/1. 0\n2) 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		got, err := ParseText(text)
		if !bytes.Equal(text, before) {
			t.Fatal("ParseText changed its input")
		}
		if err != nil {
			if got != (Text{}) || !errors.Is(err, ErrText) {
				t.Fatalf("%v, %v", got, err)
			}
			return
		}
		var again string
		switch {
		case got.Master != nil && got.Share == nil:
			again, err = MasterText(got.Master)
		case got.Share != nil && got.Master == nil:
			again, err = ShareText(got.Share)
		default:
			t.Fatal("not exactly one of master and share")
		}
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseText([]byte(again))
		if err != nil {
			t.Fatalf("the text of what was read: %v", err)
		}
		back.Master.Wipe()
		back.Share.Wipe()
		got.Master.Wipe()
		got.Share.Wipe()
	})
}
