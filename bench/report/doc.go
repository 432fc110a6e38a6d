// Package report is what the benchmark programs share when they write
// BENCHMARKS.md: the machine line, the spread of repeated figures, and the marked
// sections that a program rewrites, so that no figure is ever typed by hand.
package report
