package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration. It never holds the
// value of a secret, nor one that could hold credentials.
type Problem struct {
	File  string // where the value came from; "" if not from a file
	Line  int    // in File; 0 if unknown
	Env   string // the variable it came from; "" if not from the environment
	Key   string // dotted; "" if it is about no single key
	Value string // quoted and shortened; "" if there is none or it is not shown
	Why   string // what is wrong, and what is allowed
	Hint  string // what to do; may be ""
}

// Error names the place, the key, the value and what is allowed, in one line.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	switch {
	case p.Env != "" && p.Key != "":
		b.WriteString(p.Env + " (" + p.Key + ")")
	case p.Env != "":
		b.WriteString(p.Env)
	default:
		b.WriteString(p.Key)
	}
	if p.Value != "" {
		b.WriteString(" is " + p.Value)
	}
	if p.Env != "" || p.Key != "" {
		b.WriteString(": ")
	}
	b.WriteString(p.Why)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is everything that is wrong, in the order of the file, then of the
// environment, then of the key table. It is the error of Load.
type Problems []Problem

// Error has one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, 0, len(p)+1)
	for i, problem := range p {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("… and %d more", len(p)-maxProblems))
			break
		}
		lines = append(lines, problem.Error())
	}
	return strings.Join(lines, "\n")
}

// shown quotes s for an error, shortened.
func shown(s string) string {
	if len(s) > maxShown {
		return strconv.Quote(strings.ToValidUTF8(s[:maxShown], "")) + "…"
	}
	return strconv.Quote(s)
}
