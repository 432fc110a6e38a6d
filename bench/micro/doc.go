// Command micro runs the Go benchmarks of the hot packages, compares each with
// its own baseline of the same run, and writes the table into BENCHMARKS.md:
//
//	micro [-count N] [-benchtime D] [-write FILE]
//
// Every benchmark runs count times, the rows of one count one after the other,
// so that a mood of a shared machine meets all of them. A ratio is the median of
// the ratios of equal counts, never a ratio of figures from different runs.
package main
