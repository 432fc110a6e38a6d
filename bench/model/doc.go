// Command model says what bounds the proxy on machines that are not here, and holds its own arithmetic against this one.
//
// # The model
//
// Client, proxy and store each cost so many CPU seconds a GiB. On one machine with n cores, all of them busy, the rate is
//
//	n / (client + proxy + store)
//
// since nothing else is shared that matters: no lock, no single goroutine, no copy of memory between cores shows in a profile.
// On a host of its own the proxy has n / proxy, and is bounded by what comes first:
//
//	cores      n / proxy
//	stream     1 / hash for each body that is in motion: MD5 of one body cannot be split
//	link       the network's bits, once towards the clients and once towards the store
//
// # What is measured
//
// The unit costs come from `e2e -only sink` on all cores. The model is then asked for the rate on all cores, and, with the same
// unit costs, for the rate on one core; both are measured, the latter with everything pinned to one core by taskset. The
// deviations are in the table, and past 15 % the program fails. The figures for larger hosts are extrapolated by the formula, and
// say so.
//
// # Locks and pools
//
// That nothing shared matters is looked at, too: the same runs with many more of Go's processors than there are cores, under a
// profile of locks. What it costs then, and who waited for what, is a table of its own.
//
//	model [-write BENCHMARKS.md]
package main
