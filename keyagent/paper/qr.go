package paper

import (
	"fmt"
	"image/color"

	"codeberg.org/go-pdf/fpdf"
	"github.com/boombuler/barcode/qr"
)

const (
	// quiet is the white margin of a QR code in modules (ISO/IEC 18004 section 9.1).
	quiet = 4

	// bleed widens each black bar a little, in mm: bars that touch leave no light seam on a screen. A module is 20 times
	// as wide at least.
	bleed = 0.02
)

// A code is a QR code without its margin: code[y][x] is black.
type code [][]bool

// encodeQR makes the QR code of a text form, in its alphanumeric mode. A master has room for level H (a third may be
// lost); a share takes level M.
func encodeQR(kind byte, text string) (code, error) {
	level := qr.M
	if kind == kindMaster {
		level = qr.H
	}
	img, err := qr.Encode(text, level, qr.AlphaNumeric)
	if err != nil {
		// The package's own text would quote what it was given.
		return nil, fmt.Errorf("cannot make a QR code of %d characters: %w", len(text), ErrTooLong)
	}
	b := img.Bounds()
	out := make(code, b.Dy())
	for y := range out {
		out[y] = make([]bool, b.Dx())
		for x := range out[y] {
			out[y][x] = color.GrayModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.Gray).Y < 128
		}
	}
	return out, nil
}

// draw draws the code as black bars into a square of size mm, its margin inside.
func (c code) draw(pdf *fpdf.Fpdf, left, top, size float64) {
	module := size / float64(len(c)+2*quiet)
	pdf.SetFillColor(0, 0, 0)
	for y, row := range c {
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			from := x
			for x < len(row) && row[x] {
				x++
			}
			pdf.Rect(left+float64(quiet+from)*module, top+float64(quiet+y)*module, float64(x-from)*module+bleed, module+bleed, "F")
		}
	}
}
