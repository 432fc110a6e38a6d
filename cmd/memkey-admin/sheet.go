package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/paper"
)

// sheetWords is how many words a sheet of a master has.
const sheetWords = 25

// readSheet takes what is on a sheet: typed on the terminal without showing (file is ""), or from a file, "-" being
// stdin. The caller wipes what is in it.
func (a *app) readSheet(file string) (paper.Text, error) {
	text, err := a.sheetBytes(file)
	if err != nil {
		return paper.Text{}, err
	}
	defer clear(text)
	sheet, err := parseSheet(text)
	if err != nil {
		next := "the same command again, with the sheet in good light"
		if wrong := (*paper.WordError)(nil); errors.As(err, &wrong) {
			next = fmt.Sprintf("look at word %d of the sheet again", wrong.Position)
		}
		return paper.Text{}, fail(exitFile, next, fmt.Errorf("cannot read the sheet: %w", err))
	}
	return sheet, nil
}

// parseSheet reads words, or the text form that is in the QR code.
func parseSheet(text []byte) (paper.Text, error) {
	if isTextForm(text) {
		return paper.ParseText(text)
	}
	master, err := paper.ParseWords(text)
	return paper.Text{Master: master}, err
}

// isTextForm tells by the first characters, "MKM1" or "MKS1": no word of the list and no share file begins with them.
func isTextForm(text []byte) bool {
	text = bytes.TrimSpace(text)
	if len(text) < 4 || text[3] < '0' || text[3] > '9' {
		return false
	}
	start := strings.ToUpper(string(text[:3]))
	return start == "MKM" || start == "MKS"
}

func (a *app) sheetBytes(file string) ([]byte, error) {
	if file == "" {
		return a.typedSheet()
	}
	in := a.sys.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			next := "ls -l " + file
			if errors.Is(err, fs.ErrNotExist) {
				next = "memkey-admin " + a.command + " --words"
			}
			return nil, fail(exitFile, next, fmt.Errorf("cannot read the sheet: %w", err))
		}
		defer f.Close()
		in = f
	}
	buffer := make([]byte, paper.MaxText+1)
	n, err := io.ReadFull(in, buffer)
	if err == nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(buffer)
		return nil, fail(exitFile, "memkey-admin "+a.command+" --words", fmt.Errorf("cannot read the sheet: more than %d bytes, or %v", paper.MaxText, err))
	}
	return buffer[:n], nil
}

// typedSheet asks for lines until there is a whole sheet, or an empty line. A scanner that types the QR code's text does
// as well as a person.
func (a *app) typedSheet() ([]byte, error) {
	t, err := a.terminal()
	if err != nil {
		return nil, fail(exitUsage, "memkey-admin "+a.command+" --text FILE", fmt.Errorf("cannot ask for the words: %w", err))
	}
	fmt.Fprintf(t.out, "Type the %d words of the sheet, as many a line as you like, or scan its code.\nNothing shows; an empty line ends.\n", sheetWords)
	text := make([]byte, 0, paper.MaxText) // never grows: see readRaw
	for {
		line, err := t.secret(fmt.Sprintf("from word %d on: ", countWords(text)+1))
		if err != nil {
			clear(text)
			return nil, asking(err)
		}
		if len(bytes.TrimSpace(line)) == 0 || len(text)+len(line)+1 > cap(text) {
			return text, nil
		}
		text = append(append(text, line...), '\n')
		clear(line)
		if complete(text) {
			return text, nil
		}
	}
}

// countWords counts what is no number: sheets have numbers in front of words.
func countWords(text []byte) int {
	n := 0
	for _, field := range bytes.FieldsFunc(text, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if len(field) > 0 {
			n++
		}
	}
	return n
}

func complete(text []byte) bool {
	if !isTextForm(text) {
		return countWords(text) >= sheetWords
	}
	sheet, err := paper.ParseText(text)
	if err != nil {
		return false
	}
	wipeSheet(sheet)
	return true
}

func wipeSheet(sheet paper.Text) {
	sheet.Master.Wipe()
	sheet.Share.Wipe()
}
