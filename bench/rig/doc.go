// Package rig starts the product as its users run it, as real processes, and stops them again: a real S3 server
// (versitygw) or a sink as the backend, a key holder with a random master key, and s3-crypt-proxy in front. The demo,
// the end-to-end benchmarks and the acceptance tests stand on it.
//
// # Processes
//
// Binaries come from the directory in S3CP_BIN, or else from bin/ of the repository. All secrets are random for each
// start and reach the processes through the environment or a configuration file of mode 0600, never through argv.
// Listeners are on loopback, on free ports unless given. S3CP_* variables of the caller's environment are passed to the
// proxy and win over what the rig would choose; the Stack tells what came out of it.
//
// A process is stopped by its pid: SIGTERM, and SIGKILL after a grace time. The kernel kills every child when its
// parent dies (PR_SET_PDEATHSIG), and those that are ours also end when the pipe on their stdin closes, so nothing
// survives the caller, however it dies. Stop removes the temporary directory; the next start removes those of callers
// that were killed.
//
// # Faults
//
// A Shim is a TCP relay that delays, throttles, swallows, half-closes or resets connections by a plan; a Tap is an
// HTTP relay that counts the requests a backend gets and may answer in its place. Both sit between the proxy and its
// backend, or between a client and the proxy. An Archive is a fake of S3's archive classes in front of a backend.
//
// # Ownership and concurrency
//
// Everything is safe for concurrent use. Whoever starts something stops it.
//
// # Promises, each with its test
//
//   - Nothing survives a parent that is killed: TestNothingSurvivesTheParent.
//   - Stop ends children that ignore SIGTERM, and only children: TestStopKillsTheStubborn.
//   - Every bucket is there before the proxy starts, and a given backend is left alone: TestStackMakesEveryBucket,
//     TestGivenBackendIsLeftAlone (bench/demo runs the first against real processes).
//   - What a killed caller left in the temporary directory goes, what is in use stays: TestSweep.
//   - A process that ends by itself is named, with the end of its log: TestEndedNamesTheProcess.
//   - A process that fails to start is reported with the end of its log: TestFailedStartShowsTheLog.
//   - CPU time and memory are the kernel's: TestUsageIsTheKernels.
//   - Each fault of the shim does what it says, and a seed repeats it: TestShim*.
//   - The tap counts and answers: TestTap.
//   - What is in the archive is refused until it is restored, and said to be there: TestArchive, and real clients in
//     bench/clients, TestArchivedObjects.
package rig
