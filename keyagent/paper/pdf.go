package paper

import (
	"fmt"
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// Write writes sheet as a PDF: the masters' pages, then the shares', each in its order. It uses the fonts that every
// reader has, and tells nothing but what is printed: no name of a program, machine or person, no time of day. Two runs
// with one date write the same bytes. What it writes is the key in clear. Nothing is written if it fails with ErrSheet or
// ErrTooLong.
func Write(w io.Writer, sheet Sheet) error {
	if err := sheet.check(); err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	var contents []content
	for i, m := range sheet.Masters {
		c, err := masterContent(m, sheet.Generation)
		if err != nil {
			return fmt.Errorf("cannot print Masters[%d]: %w", i, err)
		}
		contents = append(contents, c)
	}
	for i, s := range sheet.Shares {
		c, err := shareContent(s)
		if err != nil {
			return fmt.Errorf("cannot print Shares[%d]: %w", i, err)
		}
		contents = append(contents, c)
	}
	pdf := newPDF(sheet.Size, sheet.Date)
	for i, c := range contents {
		p := newPage(pdf)
		p.print(c, sheet.Date, i+1, len(contents))
	}
	if err := pdf.Output(w); err != nil {
		return fmt.Errorf("cannot print: %w", err)
	}
	return nil
}

// newPDF makes an empty document without metadata. The format wants a date: it gets the printed day.
func newPDF(size Size, date time.Time) *fpdf.Fpdf {
	pdf := fpdf.New("P", "mm", size.String(), "")
	day := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, time.UTC)
	pdf.SetCreationDate(day)
	pdf.SetModificationDate(day)
	pdf.SetProducer("", false)
	pdf.SetCatalogSort(true) // else the order of the fonts is that of a map
	pdf.SetMargins(margin, margin, margin)
	pdf.SetAutoPageBreak(false, 0)
	return pdf
}

// A content is what one page says.
type content struct {
	kind    byte
	title   string
	what    string
	warning string
	facts   [][2]string
	heading string
	rows    []string // words or lines, not numbered yet
	text    string   // for the QR code
	todo    [3]string
	code    code
}

func masterContent(m Master, generation uint64) (c content, err error) {
	id, kvt, err := names(m.Master)
	if err != nil {
		return c, err
	}
	words, err := Words(m.Master)
	if err != nil {
		return c, err
	}
	text, err := MasterText(m.Master)
	if err != nil {
		return c, err
	}
	state := "active: new objects are sealed with it"
	if !m.Active {
		state = "older: it only opens"
	}
	c = content{
		kind:    kindMaster,
		title:   "Master key",
		what:    "A master key of s3-crypt-proxy, in words and as a QR code.",
		warning: "THIS IS THE KEY IN CLEAR. Who sees this page can read every object sealed with it.",
		facts: [][2]string{
			{"Label", m.Label},
			{"Key id (KID)", id.String()}, {"Check (KVT)", Check(kvt)},
			{"Generation", fmt.Sprint(generation)}, {"State", state},
		},
		heading: "The 25 words. The last one checks the others.",
		rows:    words,
		text:    text,
		todo: [3]string{
			"Lock it away where nobody copies or photographs it, and not beside the backups.",
			"Once a year: memkey-admin key drill --words, and type the words. It must find the key id and the check above. Nothing is sent.",
			"After a loss: memkey-admin key import --words, then key send. Without our programs: words 1 to 24 are BIP-39, the key is their entropy.",
		},
	}
	c.code, err = encodeQR(c.kind, c.text)
	return c, err
}

func shareContent(s *shares.Share) (c content, err error) {
	lines, err := shareLines(s)
	if err != nil {
		return c, err
	}
	if len(lines) > 2*maxRows {
		return c, fmt.Errorf("%w: the share has %d lines of %d bytes, a page has %d", ErrTooLong, len(lines), lineBytes, 2*maxRows)
	}
	public := s.Public()
	c = content{
		kind:    kindShare,
		title:   fmt.Sprintf("Share %d of %d", s.Index(), s.N()),
		what:    fmt.Sprintf("One of %d shares of a key ring of s3-crypt-proxy. Any %d of them open it.", s.N(), s.K()),
		warning: fmt.Sprintf("THIS IS ONE PART IN %d OF THE KEY, IN CLEAR. %d such pages together are the key.", s.K(), s.K()),
		heading: fmt.Sprintf("The share in %d lines. The last two characters of each line check it. Begin with:", len(lines)),
		rows:    lines,
		text:    join(kindShare, lines),
		todo: [3]string{
			"Lock it away, apart from the other shares: no two in one place.",
			"To use it: scan the code into a file F, or type " + head(kindShare, len(lines)) + " and the lines. A wrong line is named. The digits are 0 and 1: there is no O, I, L or U.",
			fmt.Sprintf("To bring the keys back: %d administrators, each as themselves, within ten minutes: memkey-admin key share --file F.", s.K()),
		},
	}
	for _, key := range public.Keys {
		if !key.Active {
			continue
		}
		more := ""
		if n := len(public.Keys) - 1; n > 0 {
			more = fmt.Sprintf(" and %d older", n)
		}
		c.facts = [][2]string{
			{"Label", key.Label},
			{"Key id (KID)", key.ID.String() + more}, {"Check (KVT)", Check(key.KVT)},
			{"Generation", fmt.Sprint(public.Generation)}, {"Set", s.Set().String()},
		}
	}
	c.code, err = encodeQR(c.kind, c.text)
	return c, err
}
