package paper

import (
	"fmt"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// Measures of a page in mm, from the top but for the code, which lies at the bottom. The lower of the two sizes, Letter
// with 279.4, has to hold all of it.
const (
	margin     = 15.0
	factsTop   = 48.5
	factHeight = 5.5
	bodyTop    = 72.0
	bodyHeight = 102.0
	codeSize   = 80.0
)

// page draws one content.
type page struct {
	pdf           *fpdf.Fpdf
	width, height float64 // of the paper
	inner         float64 // width between the margins
}

func newPage(pdf *fpdf.Fpdf) *page {
	pdf.AddPage()
	w, h := pdf.GetPageSize()
	return &page{pdf: pdf, width: w, height: h, inner: w - 2*margin}
}

func (p *page) print(c content, date time.Time, number, of int) {
	p.head(c, number, of)
	p.facts(append(c.facts, [2]string{"Date", date.Format("2006-01-02")}))
	if c.kind == kindMaster {
		p.words(c)
	} else {
		p.lines(c)
	}
	top := p.height - margin - codeSize
	c.code.draw(p.pdf, margin, top, codeSize)
	p.todo(c, top)
}

// put writes one line of text at x with its base line at y.
func (p *page) put(x, y float64, font, style string, points float64, text string) {
	p.pdf.SetFont(font, style, points)
	p.pdf.Text(x, y, latin1(text))
}

// fit is put, smaller if the text is wider than width.
func (p *page) fit(x, y, width float64, font, style string, points float64, text string) {
	text = latin1(text)
	for p.pdf.SetFont(font, style, points); points > 4 && p.pdf.GetStringWidth(text) > width; {
		points -= 0.25
		p.pdf.SetFont(font, style, points)
	}
	p.pdf.Text(x, y, text)
}

func (p *page) head(c content, number, of int) {
	p.put(margin, 21, "Helvetica", "B", 20, c.title)
	if of > 1 {
		sheet := fmt.Sprintf("page %d of %d", number, of)
		p.pdf.SetFont("Helvetica", "", 9)
		p.put(p.width-margin-p.pdf.GetStringWidth(sheet), 21, "Helvetica", "", 9, sheet)
	}
	p.put(margin, 28, "Helvetica", "", 10, c.what)
	p.pdf.SetLineWidth(0.8)
	p.pdf.Rect(margin, 32, p.inner, 10, "D")
	p.fit(margin+3, 38.5, p.inner-6, "Helvetica", "B", 11, c.warning)
}

// facts prints the label over the whole width, the others in two columns.
func (p *page) facts(facts [][2]string) {
	const caption = 27
	column := p.inner / 2
	for i, fact := range facts {
		x, y, width := margin, factsTop+factHeight*float64((i+1)/2), column
		if i == 0 {
			width = p.inner
		} else if i%2 == 0 {
			x += column
		}
		p.put(x, y, "Helvetica", "", 9, fact[0])
		p.fit(x+caption, y, width-caption-2, "Helvetica", "B", 10, fact[1])
	}
}

// words prints three columns, numbered downwards.
func (p *page) words(c content) {
	const rows, pitch, points = 9, 9.5, 15
	p.put(margin, bodyTop, "Helvetica", "", 10, c.heading)
	for i, word := range c.rows {
		x := margin + p.inner/3*float64(i/rows)
		y := bodyTop + 10 + pitch*float64(i%rows)
		p.put(x, y, "Courier", "", 11, fmt.Sprintf("%2d.", i+1))
		p.put(x+9, y, "Courier", "B", points, word)
	}
}

// lines prints one column, or two smaller ones.
func (p *page) lines(c content) {
	first := head(c.kind, len(c.rows))
	p.put(margin, bodyTop, "Helvetica", "", 10, c.heading)
	p.put(margin+p.pdf.GetStringWidth(c.heading)+3, bodyTop, "Courier", "B", 11, first)
	rows, points := len(c.rows), 10.5
	if rows > maxRows-4 {
		rows, points = (rows+1)/2, 7.2
	}
	pitch := min(7.5, (bodyHeight-4)/float64(rows))
	for i, line := range c.rows {
		x := margin + (p.inner+2)/2*float64(i/rows)
		y := bodyTop + 6 + pitch*float64(i%rows)
		p.put(x, y, "Courier", "B", points, fmt.Sprintf("%2d. %s", i+1, grouped(line)))
	}
}

// grouped puts blanks between groups of five characters, and before the check.
func grouped(line string) string {
	data, check := line[:len(line)-checkChars], line[len(line)-checkChars:]
	var out []string
	for len(data) > 5 {
		out = append(out, data[:5])
		data = data[5:]
	}
	return strings.Join(append(out, data, check), " ")
}

func (p *page) todo(c content, top float64) {
	x := margin + codeSize + 4
	p.put(x, top+10, "Helvetica", "B", 11, "What to do with this page")
	p.pdf.SetXY(x, top+14)
	for i, text := range c.todo {
		p.pdf.SetFont("Helvetica", "", 10)
		p.pdf.SetX(x)
		p.pdf.MultiCell(p.width-margin-x, 5, latin1(fmt.Sprintf("%d. %s", i+1, text)), "", "L", false)
		p.pdf.Ln(2.5)
	}
}

// latin1 is the encoding of the fonts that need no file. What it has not becomes "?".
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff || r >= 0x7f && r < 0xa0 {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return string(b)
}
