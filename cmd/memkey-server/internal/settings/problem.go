package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	File  string
	Line  int    // 0 if unknown
	Key   string // dotted; "" if it is about no single key
	Value string // quoted and cut; "" if it is not shown
	Why   string
	Hint  string // what was probably meant; may be ""
}

// Error is one line.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		b.WriteString(":" + strconv.Itoa(p.Line))
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key)
		if p.Value != "" {
			b.WriteString(" is " + p.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.Why)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is everything that is wrong, in the order of the file. It is the error of Load.
type Problems []Problem

// Error has one line for each problem.
func (p Problems) Error() string {
	var lines []string
	for i, problem := range p {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("… and %d more", len(p)-maxProblems))
			break
		}
		lines = append(lines, problem.Error())
	}
	return strings.Join(lines, "\n")
}

// shown quotes a value for an error and cuts it.
func shown(s string) string {
	if len(s) > maxShown {
		return strconv.Quote(strings.ToValidUTF8(s[:maxShown], "")) + "…"
	}
	return strconv.Quote(s)
}

// printable makes a key that a file brought safe to show.
func printable(name string) string {
	if len(name) <= maxShown && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return name
	}
	return shown(name)
}
