package paper

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

var testDate = time.Date(2026, 3, 1, 23, 59, 58, 0, time.FixedZone("X", 9*3600))

func writePDF(t testing.TB, sheet Sheet) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, sheet); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// printed is what a page of a PDF shows.
type printed struct {
	width, height float64 // pt
	text          []run
	bars          []bar
}

// run is a piece of text with its base line's start; bar is a filled rectangle. Both in pt from the lower left corner.
type run struct {
	x, y, points float64
	font         string // "/F…"
	text         string
}

type bar struct{ x, y, w, h float64 }

var (
	streamForm = regexp.MustCompile(`(?s)/Length (\d+)>>\nstream\n`)
	boxForm    = regexp.MustCompile(`/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]`)
	fontForm   = regexp.MustCompile(`(/F\w+) ([\d.]+) Tf`)
	textForm   = regexp.MustCompile(`BT (-?[\d.]+) (-?[\d.]+) Td \(((?:[^()\\]|\\.)*)\)\s*Tj ET`)
	barForm    = regexp.MustCompile(`(-?[\d.]+) (-?[\d.]+) (-?[\d.]+) (-?[\d.]+) re f`)
)

func number(t testing.TB, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readPDF reads the pages of what Write made, from the file's own bytes.
func readPDF(t testing.TB, pdf []byte) (pages []printed) {
	t.Helper()
	box := boxForm.FindSubmatch(pdf)
	if box == nil {
		t.Fatal("no size of the page in the PDF")
	}
	for _, at := range streamForm.FindAllSubmatchIndex(pdf, -1) {
		n, _ := strconv.Atoi(string(pdf[at[2]:at[3]]))
		r, err := zlib.NewReader(bytes.NewReader(pdf[at[1] : at[1]+n]))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		page := printed{width: number(t, string(box[1])), height: number(t, string(box[2]))}
		font, points := "", 0.0
		for line := range strings.Lines(string(content)) {
			if m := fontForm.FindStringSubmatch(line); m != nil {
				font, points = m[1], number(t, m[2])
			}
			for _, m := range textForm.FindAllStringSubmatch(line, -1) {
				s := regexp.MustCompile(`\\(.)`).ReplaceAllString(m[3], "$1")
				page.text = append(page.text, run{number(t, m[1]), number(t, m[2]), points, font, s})
			}
			for _, m := range barForm.FindAllStringSubmatch(line, -1) {
				b := bar{number(t, m[1]), number(t, m[2]), number(t, m[3]), number(t, m[4])}
				if b.h < 0 {
					b.y, b.h = b.y+b.h, -b.h
				}
				page.bars = append(page.bars, b)
			}
		}
		pages = append(pages, page)
	}
	return pages
}

// all is the page's text, one line a piece.
func (p printed) all() string {
	var b strings.Builder
	for _, r := range p.text {
		b.WriteString(r.text + "\n")
	}
	return b.String()
}

// corner is the lower left of the page, with the code and little else.
func (p printed) corner() printed {
	const side = (margin + codeSize + 10) * 72 / 25.4
	return printed{width: min(p.width, side), height: min(p.height, side), bars: p.bars}
}

// image draws the bars at some pixels a pt.
func (p printed) image(scale float64) image.Image {
	img := image.NewGray(image.Rect(0, 0, int(p.width*scale), int(p.height*scale)))
	for i := range img.Pix {
		img.Pix[i] = 0xff
	}
	for _, b := range p.bars {
		for y := int(math.Round((p.height - b.y - b.h) * scale)); y < int(math.Round((p.height-b.y)*scale)); y++ {
			for x := int(math.Round(b.x * scale)); x < int(math.Round((b.x+b.w)*scale)); x++ {
				img.SetGray(x, y, color.Gray{})
			}
		}
	}
	return img
}

// module is the width of a square of the code: the distance of the lowest from the highest bar over their number.
func (p printed) module() float64 {
	rows := map[float64]bool{}
	low, high := math.Inf(1), 0.0
	for _, b := range p.bars {
		rows[b.y], low, high = true, min(low, b.y), max(high, b.y)
	}
	return (high - low) / float64(len(rows)-1)
}

// scan reads the QR code of a page. Finding a code in a picture is guesswork, at which this reader fails once in twenty
// or so, as a telephone does that is held a little to the side: so it looks at several sizes, and in the end straight.
// straight tells that it had to.
func scan(t testing.TB, page printed) (text string, straight bool) {
	t.Helper()
	var err error
	module := page.module()
	for _, pixels := range []float64{3, 2.3, 4} {
		if text, err = decodeQR(page.image(pixels/module), gozxing.DecodeHintType_TRY_HARDER); err == nil {
			return text, false
		}
	}
	if text, err = decodeQR(page.image(4/module), gozxing.DecodeHintType_PURE_BARCODE); err != nil {
		t.Fatalf("the code cannot be read: %v", err)
	}
	return text, true
}

func decodeQR(img image.Image, hint gozxing.DecodeHintType) (string, error) {
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		return "", err
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true})
	if err != nil {
		return "", err
	}
	return result.GetText(), nil
}

// biggestShares splits a ring that makes a share of as many lines as a page takes.
func biggestShares(t testing.TB) []*shares.Share {
	t.Helper()
	all := testShares(t, 13, 8)
	if n := len(strings.Split(shareText(t, all[0]), "/")) - 1; n < 2*maxRows-3 || n > 2*maxRows {
		t.Fatalf("the long share has %d lines", n)
	}
	return all
}

// TestCodeOnThePageIsReadAgain: the QR code, from the bytes of the PDF, on both papers, short to long.
func TestCodeOnThePageIsReadAgain(t *testing.T) {
	short, middle, long := testShares(t, 1, 0)[0], testShares(t, 4, 6)[1], biggestShares(t)[2]
	sizes := []Size{A4, Letter}
	if testing.Short() {
		sizes = sizes[1:]
	}
	for _, size := range sizes {
		pages := readPDF(t, writePDF(t, Sheet{
			Size: size, Date: testDate, Generation: 3,
			Masters: []Master{{testSecret(t, 1), "one", true}, {testSecret(t, 2), "", false}},
			Shares:  []*shares.Share{short, middle, long},
		}))
		if len(pages) != 5 {
			t.Fatalf("%d pages, want 5", len(pages))
		}
		for i, page := range pages {
			text, _ := scan(t, page.corner())
			got, err := ParseText([]byte(text))
			if err != nil {
				t.Fatalf("page %d: %v", i+1, err)
			}
			if i < 2 {
				if want := masterText(t, i+1); text != want {
					t.Errorf("page %d: another text", i+1)
				}
				isMaster(t, got.Master, testMaster(i+1))
			} else if want := []*shares.Share{short, middle, long}[i-2]; !got.Share.Equal(want) {
				t.Errorf("page %d: another share", i+1)
			}
			got.Master.Wipe()
			got.Share.Wipe()
		}
	}
}

// TestCodeSurvivesDamage: a master's code with a blot over some of it.
func TestCodeSurvivesDamage(t *testing.T) {
	text := masterText(t, 1)
	c, err := encodeQR(kindMaster, text)
	if err != nil {
		t.Fatal(err)
	}
	for y := range 8 {
		for x := range 9 {
			c[len(c)-1-y][len(c)/2+x] = true
		}
	}
	page := printed{width: 300, height: 300}
	for y, row := range c {
		for x, black := range row {
			if black {
				page.bars = append(page.bars, bar{float64(20 + 4*x), float64(280 - 4*y), 4, 4})
			}
		}
	}
	if got, straight := scan(t, page); got != text || straight {
		t.Error("another text was read, or only just")
	}
}

// TestCodesOfEveryLengthAreRead: the longer the text, the larger the code's version.
func TestCodesOfEveryLengthAreRead(t *testing.T) {
	step := 3
	if testing.Short() {
		step = 15
	}
	codes, straight := 0, 0
	random := rand.NewChaCha8([32]byte{1})
	for lines := 1; lines <= 2*maxRows; lines += step {
		data := make([]byte, lines*lineBytes)
		_, _ = random.Read(data)
		text := join(kindShare, cut(kindShare, data))
		c, err := encodeQR(kindShare, text)
		if err != nil {
			t.Fatal(err)
		}
		page := printed{width: 400, height: 400}
		for y, row := range c {
			for x, black := range row {
				if black {
					page.bars = append(page.bars, bar{float64(20 + 2*x), float64(380 - 2*y), 2, 2})
				}
			}
		}
		got, hard := scan(t, page)
		if got != text {
			t.Errorf("%d lines: another text was read", lines)
		}
		codes++
		if hard {
			straight++
		}
	}
	if straight > codes/8+1 {
		t.Errorf("%d of %d codes were not found in their picture", straight, codes)
	}
	if _, err := encodeQR(kindShare, strings.Repeat("A", 5000)); !errors.Is(err, ErrTooLong) {
		t.Errorf("5,000 characters: %v", err)
	}
}

func TestPageOfAMasterSaysEverything(t *testing.T) {
	master := testSecret(t, 1)
	id, kvt, err := names(master)
	if err != nil {
		t.Fatal(err)
	}
	sheet := Sheet{Date: testDate, Generation: 4711, Masters: []Master{{master, "Zürich (neu) \\ 2026", true}, {testSecret(t, 2), "older Ω", false}}}
	pages := readPDF(t, writePDF(t, sheet))
	text := pages[0].all()
	for _, want := range []string{
		"Master key\n", "page 1 of 2", "KEY IN CLEAR", id.String(), Check(kvt), "4711", "2026-03-01", "active",
		"Z\xfcrich (neu) \\ 2026", "key drill --words", "key import --words", "1. Lock", "2. Once", "3. After",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if !strings.Contains(pages[1].all(), "only opens") || !strings.Contains(pages[1].all(), "older ?") {
		t.Error("the second page does not say that the key is older, or its label")
	}
	// The numbers and what is right of each of them: a person types it off the page.
	var typed strings.Builder
	for i, r := range pages[0].text {
		if regexp.MustCompile(`^[ \d]\d\.$`).MatchString(r.text) {
			if word := pages[0].text[i+1]; word.y == r.y && word.x > r.x {
				typed.WriteString(r.text + " " + word.text + "\n")
			}
		}
	}
	got, err := ParseWords([]byte(typed.String()))
	if err != nil {
		t.Fatal(err)
	}
	isMaster(t, got, testMaster(1))
	got.Wipe()
}

func TestPageOfAShareSaysEverything(t *testing.T) {
	for _, all := range [][]*shares.Share{testShares(t, 1, 1), testShares(t, 3, 2), biggestShares(t)} {
		s := all[1]
		page := readPDF(t, writePDF(t, Sheet{Date: testDate, Shares: []*shares.Share{s}}))[0]
		text := page.all()
		public := s.Public()
		active := public.Keys[len(public.Keys)-1]
		for _, want := range []string{
			"Share 2 of 3\n", "Any 2 of them", "IN CLEAR", active.ID.String(), Check(active.KVT), "B\xfcro 2026", "12", "2026-03-01", s.Set().String(),
			"key share --file", "1. Lock", "2. To use", "3. To bring",
		} {
			if !strings.Contains(strings.ReplaceAll(text, "\n", " "), strings.TrimSpace(want)) {
				t.Errorf("the page does not say %q", want)
			}
		}
		if strings.Contains(text, "page 1 of 1") {
			t.Error("a single page is numbered")
		}
		var typed []string
		for _, r := range page.text {
			if regexp.MustCompile(`^(MKS1-\d+|[ \d]\d\. .*[0-9A-Z]{2})$`).MatchString(r.text) {
				typed = append(typed, r.text)
			}
		}
		isShare(t, strings.Join(typed, "\n"), s)
	}
}

// TestNothingLeavesThePageOrOverlaps: text of the fixed-pitch font has a known width; the code has its corner.
func TestNothingLeavesThePageOrOverlaps(t *testing.T) {
	const mm = 72 / 25.4
	wide := strings.Repeat("W", MaxLabel)
	for _, size := range []Size{A4, Letter} {
		for _, page := range readPDF(t, writePDF(t, Sheet{
			Size: size, Date: testDate, Generation: 1<<64 - 1,
			Masters: []Master{{testSecret(t, 1), wide, true}},
			Shares:  []*shares.Share{testShares(t, 1, 1)[0], testShares(t, 5, 5)[0], biggestShares(t)[0]},
		})) {
			codeTop, codeRight := 0.0, 0.0
			for _, b := range page.bars {
				codeTop, codeRight = max(codeTop, b.y+b.h), max(codeRight, b.x+b.w)
				if b.x < margin*mm || b.y < margin*mm {
					t.Errorf("%v: a bar at %.1f, %.1f", size, b.x, b.y)
				}
			}
			if len(page.bars) < 200 {
				t.Errorf("%v: %d bars", size, len(page.bars))
			}
			type place struct{ x, y float64 }
			seen := map[place]string{}
			for _, r := range page.text {
				width := 0.0
				if grouped := regexp.MustCompile(`^[ \d]\d\. \S{5} `); grouped.MatchString(r.text) {
					width = 0.6 * r.points * float64(len(r.text))
					for other, text := range seen {
						if grouped.MatchString(text) && math.Abs(other.y-r.y) < r.points*0.8 && math.Abs(other.x-r.x) < width {
							t.Errorf("%v: two lines lie over each other", size)
						}
					}
				}
				if r.x < margin*mm-0.1 || r.x+width > page.width-margin*mm+3 || r.y < margin*mm || r.y > page.height-margin*mm {
					t.Errorf("%v: %.20q… at %.1f, %.1f leaves the page", size, r.text, r.x, r.y)
				}
				if r.x < codeRight+2*mm && r.y < codeTop+2*mm {
					t.Errorf("%v: %.20q… lies over the code", size, r.text)
				}
				if text, ok := seen[place{r.x, r.y}]; ok {
					t.Errorf("%v: %.20q… lies over %.20q…", size, r.text, text)
				}
				seen[place{r.x, r.y}] = r.text
			}
		}
	}
}

func TestSameSheetSameBytes(t *testing.T) {
	all := testShares(t, 2, 2)
	sheet := Sheet{Date: testDate, Masters: []Master{{testSecret(t, 1), "a", true}, {testSecret(t, 2), "b", false}}, Shares: all}
	first := writePDF(t, sheet)
	for range 3 {
		if !bytes.Equal(writePDF(t, sheet), first) {
			t.Fatal("two runs wrote different bytes")
		}
	}
	sheet.Date = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if !bytes.Equal(writePDF(t, sheet), first) {
		t.Error("the time of day or its zone changes the bytes")
	}
	sheet.Date = sheet.Date.AddDate(0, 0, 1)
	if bytes.Equal(writePDF(t, sheet), first) {
		t.Error("another date changes nothing")
	}
}

func TestNoMetadataAndNoFontFiles(t *testing.T) {
	pdf := string(writePDF(t, Sheet{Date: testDate, Masters: []Master{{testSecret(t, 1), "a", true}}, Shares: testShares(t, 1, 1)[:1]}))
	for _, no := range []string{"/Producer", "/Creator ", "/Author", "/Title", "/Subject", "/Keywords", "/Metadata", "/FontFile", "/FontDescriptor", "/ID", "FPDF", "235958", "/JavaScript", "/URI", "/Filespec"} {
		if strings.Contains(pdf, no) {
			t.Errorf("the file has %s", no)
		}
	}
	if host, err := os.Hostname(); err == nil && len(host) > 4 && strings.Contains(pdf, host) {
		t.Error("the file has the machine's name")
	}
	dates := regexp.MustCompile(`D:\d+`).FindAllString(pdf, -1)
	if len(dates) != 2 || dates[0] != "D:20260301000000" || dates[1] != dates[0] {
		t.Errorf("dates %v", dates)
	}
	fonts := regexp.MustCompile(`/BaseFont /(\S+)`).FindAllStringSubmatch(pdf, -1)
	for _, f := range fonts {
		if !strings.HasPrefix(f[1], "Helvetica") && !strings.HasPrefix(f[1], "Courier") {
			t.Errorf("font %s", f[1])
		}
	}
	if len(fonts) != 4 {
		t.Errorf("%d fonts", len(fonts))
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestBadSheetsAreRefused(t *testing.T) {
	good := Master{testSecret(t, 1), "a", true}
	gone := testSecret(t, 2)
	gone.Wipe()
	lost := testShares(t, 1, 1)
	lost[0].Wipe()
	for name, c := range map[string]struct {
		sheet Sheet
		want  error
		say   string
	}{
		"nothing":       {Sheet{Date: testDate}, ErrSheet, "0 pages"},
		"no date":       {Sheet{Masters: []Master{good}}, ErrSheet, "Date"},
		"size":          {Sheet{Date: testDate, Size: 7, Masters: []Master{good}}, ErrSheet, "Size"},
		"no master":     {Sheet{Date: testDate, Masters: []Master{good, {}}}, ErrSheet, "Masters[1]"},
		"long label":    {Sheet{Date: testDate, Masters: []Master{{good.Master, strings.Repeat("x", MaxLabel+1), true}}}, ErrSheet, "Masters[0].Label"},
		"label":         {Sheet{Date: testDate, Masters: []Master{{good.Master, "a\nb", true}}}, ErrSheet, "Masters[0].Label"},
		"no share":      {Sheet{Date: testDate, Shares: []*shares.Share{nil}}, ErrSheet, "Shares[0]"},
		"many pages":    {Sheet{Date: testDate, Masters: make([]Master, MaxPages+1)}, ErrSheet, "pages"},
		"wiped master":  {Sheet{Date: testDate, Masters: []Master{{gone, "", true}}}, keyagent.ErrWiped, "Masters[0]"},
		"wiped share":   {Sheet{Date: testDate, Shares: lost[:1]}, keyagent.ErrWiped, "Shares[0]"},
		"share too big": {Sheet{Date: testDate, Masters: []Master{good}, Shares: testShares(t, 16, 20)[:1]}, ErrTooLong, "Shares[0]"},
	} {
		var out bytes.Buffer
		err := Write(&out, c.sheet)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.say) || out.Len() != 0 {
			t.Errorf("%s: %d bytes, %v; want %q", name, out.Len(), err, c.say)
		}
	}
	if err := Write(fullDisk{}, Sheet{Date: testDate, Masters: []Master{good}}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("full disk: %v", err)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]Size{"a4": A4, "A4": A4, "letter": Letter, "LETTER": Letter} {
		if got, err := ParseSize(s); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	if _, err := ParseSize("a5"); err == nil {
		t.Error("a5 was taken")
	}
	if fmt.Sprint(A4, Letter, Size(9)) != "A4 Letter size 9" {
		t.Error("names of the sizes")
	}
}
