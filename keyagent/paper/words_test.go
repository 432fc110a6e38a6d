package paper

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tyler-smith/go-bip39"
	"github.com/tyler-smith/go-bip39/wordlists"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// testMaster is the master number i; never zero.
func testMaster(i int) [32]byte { return sha256.Sum256(fmt.Appendf(nil, "paper master %d", i)) }

func secretOf(t testing.TB, master [32]byte) *keyagent.Secret {
	t.Helper()
	s, err := keyagent.NewSecret(master[:])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Wipe)
	return s
}

func testSecret(t testing.TB, i int) *keyagent.Secret {
	t.Helper()
	return secretOf(t, testMaster(i))
}

func testWords(t testing.TB, i int) []string {
	t.Helper()
	words, err := Words(testSecret(t, i))
	if err != nil {
		t.Fatal(err)
	}
	return words
}

func isMaster(t testing.TB, s *keyagent.Secret, want [32]byte) {
	t.Helper()
	if err := s.Use(func(m []byte) {
		if !bytes.Equal(m, want[:]) {
			t.Error("another master came back")
		}
	}); err != nil {
		t.Error(err)
	}
}

func TestWordsRoundTrip(t *testing.T) {
	for i := range 200 {
		words := testWords(t, i)
		got, err := ParseWords([]byte(strings.Join(words, " ")))
		if err != nil {
			t.Fatal(err)
		}
		isMaster(t, got, testMaster(i))
		got.Wipe()
	}
}

// TestWordsAreBIP39 compares with another implementation, both ways.
func TestWordsAreBIP39(t *testing.T) {
	ones, low := [32]byte{}, [32]byte{31: 1}
	for i := range ones {
		ones[i] = 0xff
	}
	masters := [][32]byte{ones, low}
	for i := range 50 {
		masters = append(masters, testMaster(i))
	}
	for _, master := range masters {
		words, err := Words(secretOf(t, master))
		if err != nil {
			t.Fatal(err)
		}
		want, err := bip39.NewMnemonic(master[:])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(words[:24], " "); got != want {
			t.Errorf("words %q, want %q", got, want)
		}
		entropy, err := bip39.EntropyFromMnemonic(strings.Join(words[:24], " "))
		if err != nil || !bytes.Equal(entropy, master[:]) {
			t.Errorf("entropy %x, %v; want %x", entropy, err, master)
		}
	}
}

// TestFourLettersAreEnough: the list is sorted, as find needs it, and its first four letters tell every word.
func TestFourLettersAreEnough(t *testing.T) {
	list := wordlists.English
	if len(list) != listSize || !slices.IsSorted(list) {
		t.Fatalf("%d words, sorted %t", len(list), slices.IsSorted(list))
	}
	for i, word := range list {
		for n := min(prefix, len(word)); n <= len(word); n++ {
			if got, ok := find(word[:n]); !ok || got != i {
				t.Errorf("%q is found at %d, %t; want %d", word[:n], got, ok, i)
			}
		}
		if _, ok := find(word + "x"); ok {
			t.Errorf("%qx was taken", word)
		}
		if len(word) > maxWord {
			t.Errorf("%q is longer than maxWord", word)
		}
	}
	for _, no := range []string{"", "a", "ab", "aba", "zoox", "zzzz", "abx"} {
		if i, ok := find(no); ok {
			t.Errorf("%q was taken as %q", no, list[i])
		}
	}
}

func TestParseWordsIsTolerant(t *testing.T) {
	words := testWords(t, 1)
	numbered := func(form string, order []int) string {
		var b strings.Builder
		for _, i := range order {
			fmt.Fprintf(&b, form, i+1, words[i])
		}
		return b.String()
	}
	inOrder := make([]int, wordCount)
	rows := make([]int, 0, wordCount) // as somebody types the sheet's three columns, row by row
	for i := range inOrder {
		inOrder[i] = i
	}
	for row := range 9 {
		for i := row; i < wordCount; i += 9 {
			rows = append(rows, i)
		}
	}
	short := make([]string, wordCount)
	for i, w := range words {
		short[i] = strings.ToUpper(w[:min(4, len(w))])
	}
	partly := slices.Clone(words)
	partly[6] = "7. " + partly[6]
	for name, text := range map[string]string{
		"blanks":          "  " + strings.Join(words, " \t  ") + "\n\n",
		"lines":           strings.Join(words, "\r\n"),
		"commas":          strings.Join(words, ", "),
		"capitals":        strings.ToUpper(strings.Join(words, " ")),
		"title case":      strings.ToUpper(words[0][:1]) + words[0][1:] + " " + strings.Join(words[1:], " "),
		"four letters":    strings.Join(short, " "),
		"1. word":         numbered("%d. %s\n", inOrder),
		"1.word":          numbered("%d.%s ", inOrder),
		"1) word":         numbered(" %2d) %s ", inOrder),
		"1: word":         numbered("%d: %s; ", inOrder),
		"1 word":          numbered("%d %s ", inOrder),
		"01word":          numbered("%02d%s ", inOrder),
		"row by row":      numbered("%d. %s ", rows),
		"one number":      strings.Join(partly, " "),
		"no-break spaces": strings.Join(words, "\u00a0"),
		"byte order mark": "\ufeff" + strings.Join(words, " "),
		"table":           "| " + strings.Join(words, " | ") + " |",
		"quoted":          `"` + strings.Join(words, " ") + `".`,
	} {
		got, err := ParseWords([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		isMaster(t, got, testMaster(1))
		got.Wipe()
	}
}

func TestWrongWordIsNamedWithTheNearest(t *testing.T) {
	words := testWords(t, 1)
	for i := range words {
		for _, typo := range []string{words[i][:len(words[i])-1] + "qq", "q" + words[i][1:], words[i] + "x", "zqzqzq", "é", "a1b", strings.Repeat("y", 3000)} {
			if _, ok := find(typo); ok {
				continue
			}
			bad := slices.Clone(words)
			bad[i] = typo
			got, err := ParseWords([]byte(strings.Join(bad, " ")))
			var wrong *WordError
			if got != nil || !errors.Is(err, ErrWords) || !errors.As(err, &wrong) {
				t.Fatalf("%q: %v, %v", typo, got, err)
			}
			if wrong.Position != i+1 || !strings.Contains(err.Error(), fmt.Sprintf("word %d ", i+1)) {
				t.Errorf("%q at %d: %v", typo, i+1, err)
			}
			if !slices.Contains(wordlists.English, wrong.Suggestion) {
				t.Errorf("%q: the suggestion %q is not in the list", typo, wrong.Suggestion)
			}
		}
	}
	for typo, want := range map[string]string{
		"abandn": "abandon", "abandonn": "abandon", "bananna": "banana", "zooo": "zoo", "recieve": "receive", "abuot": "about",
		"wrold": "world", "zebar": "zebra", "yelow": "yellow", "": "act",
	} {
		if got := nearest(typo); got != want {
			t.Errorf("nearest to %q is %q, want %q", typo, got, want)
		}
	}
}

func TestWrongCountsAndNumbersAreRefused(t *testing.T) {
	words := testWords(t, 1)
	numbered := func(numbers ...int) string {
		var b strings.Builder
		for i, n := range numbers {
			fmt.Fprintf(&b, "%d. %s ", n, words[i%wordCount])
		}
		return b.String()
	}
	all := make([]int, wordCount)
	for i := range all {
		all[i] = i + 1
	}
	twice, missing, high := slices.Clone(all), slices.Clone(all[:24]), slices.Clone(all)
	twice[7] = 7
	missing[10] = 25
	high[3] = 26
	for name, c := range map[string]struct{ text, say string }{
		"empty":         {"", "there are 0 words"},
		"24 words":      {strings.Join(words[:24], " "), "there are 24 words"},
		"26 words":      {strings.Join(append(slices.Clone(words), words[0]), " "), "there are 26 words"},
		"2000 words":    {strings.Repeat(words[0]+" ", 2000), "more than 1000"},
		"too long":      {strings.Repeat(" ", MaxText+1), "bytes, at most"},
		"number twice":  {numbered(twice...), "number 7 is there twice"},
		"no 11":         {numbered(missing...), "number 11 is missing"},
		"number 26":     {numbered(high...), "number 26"},
		"number 99999…": {"9999999999999999999999 " + words[0], "number "},
	} {
		got, err := ParseWords([]byte(c.text))
		if got != nil || !errors.Is(err, ErrWords) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v, %v; want %q", name, got, err, c.say)
		}
	}
	zeros := strings.Repeat("abandon ", 23) + "art "
	for _, check := range []string{"abandon", "zoo"} {
		if got, err := ParseWords([]byte(zeros + check)); got != nil || !errors.Is(err, ErrWords) {
			t.Errorf("a master of zeros: %v, %v", got, err)
		}
	}
}

// TestEverySubstitutionOfOneWordIsCaught tries all 25 × 2,047 of each of many masters. The checksum lets 1 of 256 pass,
// the check word 1 of 2,048 of those.
func TestEverySubstitutionOfOneWordIsCaught(t *testing.T) {
	masters := 40
	if testing.Short() {
		masters = 3
	}
	tried, checksums, passed := 0, 0, 0
	for n := range masters {
		m := testMaster(n)
		var indexes [wordCount]int
		encode(&indexes, m[:])
		_, kvt, err := names(secretOf(t, m))
		if err != nil {
			t.Fatal(err)
		}
		indexes[keyWords] = checkWord(kvt)
		var got [32]byte
		for i := range keyWords {
			was := indexes[i]
			for w := range listSize {
				if w == was {
					continue
				}
				tried++
				indexes[i] = w
				if decode(&got, &indexes) {
					checksums++
					if matches(&got, indexes[keyWords]) {
						passed++
					}
				}
			}
			indexes[i] = was
		}
		for w := range listSize { // the check word itself: the key is right, so every other is caught
			if w != indexes[keyWords] && matches(&m, w) {
				t.Fatalf("check word %d passes for master %d", w, n)
			}
			if w != indexes[keyWords] {
				tried++
			}
		}
	}
	caught := 1 - float64(passed)/float64(tried)
	t.Logf("%d of %d substitutions passed the checksum, %d the check word too: %.7f caught", checksums, tried, passed, caught)
	expected := float64(tried) / 256 / 2048
	if float64(passed) > expected+6+4*expected/3 {
		t.Errorf("%d substitutions of %d were not caught, expected about %.1f", passed, tried, expected)
	}
	if r := float64(checksums) / float64(tried) * 256; r < 0.8 || r > 1.2 {
		t.Errorf("the checksum lets %.2f times 1/256 pass", r)
	}
}

func TestCheckErrorNamesThePosition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alone, n := 0, 30
	if testing.Short() {
		n = 10
	}
	for range n {
		words := testWords(t, r.IntN(50))
		i := r.IntN(wordCount)
		was := words[i]
		for words[i] == was {
			words[i] = wordlists.English[r.IntN(listSize)]
		}
		got, err := ParseWords([]byte(strings.Join(words, " ")))
		var check *CheckError
		if got != nil || !errors.Is(err, ErrWords) || !errors.As(err, &check) {
			t.Fatalf("word %d changed: %v, %v", i+1, got, err)
		}
		if !slices.Contains(check.Positions, i+1) {
			t.Errorf("word %d changed: %v", i+1, err)
		}
		if len(check.Positions) == 1 {
			alone++
			if !strings.HasSuffix(err.Error(), fmt.Sprintf("look at word %d", i+1)) {
				t.Errorf("word %d changed: %v", i+1, err)
			}
		}
	}
	if alone < n*2/3 {
		t.Errorf("the position stood alone %d times of %d", alone, n)
	}
	words := testWords(t, 3)
	words[4], words[17] = words[17], words[4]
	got, err := ParseWords([]byte(strings.Join(words, " ")))
	if got != nil || !errors.Is(err, ErrWords) {
		t.Errorf("two words swapped: %v, %v", got, err)
	}
}

func TestCheckIsTheFrontAndTheCheckWordTheEnd(t *testing.T) {
	kvt := [32]byte{0xde, 0xad, 0xbe, 0xef, 30: 0xf9, 31: 0x02}
	if got := Check(kvt); got != "deadbeef" {
		t.Errorf("Check is %q", got)
	}
	if got := checkWord(kvt); got != 0x102 {
		t.Errorf("the check word is %#x", got)
	}
}

func TestWipedMastersGiveNothing(t *testing.T) {
	s := testSecret(t, 1)
	s.Wipe()
	if w, err := Words(s); w != nil || !errors.Is(err, keyagent.ErrWiped) {
		t.Errorf("Words: %v", err)
	}
	if text, err := MasterText(s); text != "" || !errors.Is(err, keyagent.ErrWiped) {
		t.Errorf("MasterText: %v", err)
	}
}

func FuzzParseWords(f *testing.F) {
	words := testWords(f, 1)
	f.Add([]byte(strings.Join(words, " ")))
	f.Add([]byte("1. " + strings.Join(words, "\n2. ")))
	f.Add([]byte("25. zoo 1) abandon é \ufeff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		got, err := ParseWords(text)
		if !bytes.Equal(text, before) {
			t.Fatal("ParseWords changed its input")
		}
		if err != nil {
			if got != nil || !errors.Is(err, ErrWords) {
				t.Fatalf("%v, %v", got, err)
			}
			return
		}
		defer got.Wipe()
		again, err := Words(got)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseWords([]byte(strings.Join(again, " ")))
		if err != nil || !back.Equal(got) {
			t.Fatalf("the words of what was read: %v", err)
		}
		back.Wipe()
	})
}
