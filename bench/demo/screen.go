package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// screen writes calm text: colours and a progress bar on a terminal, plain lines elsewhere.
type screen struct {
	w    io.Writer
	tty  bool
	step int
}

func newScreen(f *os.File) *screen {
	return &screen{w: f, tty: term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

const (
	bold  = "1"
	dim   = "2"
	green = "32"
	red   = "31"
)

func (s *screen) paint(code, text string) string {
	if !s.tty {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// title begins a numbered step.
func (s *screen) title(format string, args ...any) {
	s.step++
	fmt.Fprintf(s.w, "\n%s %s\n", s.paint(bold, fmt.Sprintf("%d.", s.step)), s.paint(bold, fmt.Sprintf(format, args...)))
}

// line writes one line of a step.
func (s *screen) line(format string, args ...any) { fmt.Fprintf(s.w, "   "+format+"\n", args...) }

// pair writes a name and a value.
func (s *screen) pair(name, format string, args ...any) {
	fmt.Fprintf(s.w, "   %s %s\n", s.paint(dim, fmt.Sprintf("%-14s", name)), fmt.Sprintf(format, args...))
}

func (s *screen) passed(text string) { fmt.Fprintf(s.w, "\n%s\n", s.paint(green, text)) }

func (s *screen) failed(what string, err error) {
	fmt.Fprintf(s.w, "\n%s\n   %s\n", s.paint(red, what+" failed"), strings.ReplaceAll(err.Error(), "\n", "\n   "))
}

// progress shows bytes going by; its add is safe for concurrent use.
func (s *screen) progress(what string, total int64) (add func(int), done func()) {
	if !s.tty {
		return func(int) {}, func() {}
	}
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(s.w),
		progressbar.OptionSetDescription("   "+what),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetWidth(36),
		progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "━", SaucerHead: "━", SaucerPadding: "─", BarStart: "", BarEnd: ""}))
	// A failing terminal must not fail the demo.
	return func(n int) { _ = bar.Add(n) }, func() { _ = bar.Finish() }
}

// table writes rows in columns: the first left, the others right aligned. The first row is the head.
func (s *screen) table(rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for n, r := range rows {
		var b strings.Builder
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-len([]rune(c)))
			if i == 0 {
				b.WriteString(c + pad)
			} else {
				b.WriteString("   " + pad + c)
			}
		}
		text := strings.TrimRight(b.String(), " ")
		if n == 0 {
			text = s.paint(dim, text)
		}
		fmt.Fprintf(s.w, "   %s\n", text)
	}
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
}

// counted writes a number of things.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(int64(n)) + " " + many
}

// grouped writes a number with commas.
func grouped(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
