// Command compare says whether this tree is slower than another revision: it builds the benchmarks of both, runs them in
// turns on the same machine, has benchstat compare them, and fails if one is slower beyond the noise.
//
//	compare -base REVISION [-rounds 8] [-benchtime 100ms] [-bench REGEXP]
//
// # Method
//
// The base is checked out in a work tree of its own, in a temporary directory. A round runs every package of one tree and then of
// the other, and rounds begin with either in turn, so that a slow minute of the machine hits both. benchstat's p (the Mann-Whitney
// test) tells a difference from noise; one is a regression if p is below 0.01 and the median is worse by more than 5 %, time and
// allocations alike. Benchmarks that only one of the two trees has are named and not compared.
//
// Exit status: 0 no regression, 1 it could not be measured, 3 a regression.
package main
