// Package keyagent keeps master keys in locked memory and hands them from the key agent to the proxies on its host.
//
// A master key is the one thing whose loss, leak or silent change cannot be repaired. It therefore has no file, no
// environment variable and no argument in this product; it lives in the memory of the agent and, as the source of the
// keys that are derived from it, for moments in that of the proxies.
//
//	Holder ── Serve ══ Unix socket, region by descriptor (LOCAL.md) ══ Client.Run ── apply(Ring)
//	 the agent's ring                                                                the proxy's key derivation
//	Holder ── Serve ══ names, and keys of single objects ════════════ Client.Watch, Client.Derive
//	 with a Deriver                                                    a proxy that never holds a master (mode agent)
//
// # Files
//
//	secret*.go                    Secret: one key in locked memory
//	ring.go holder.go             Key, Ring and the in-memory Holder
//	LOCAL.md wire.go region*.go   the local hand-over: normative text, messages, key regions
//	listen*.go peer*.go           the socket file; who is at the other end
//	server.go session.go          the agent's side: admission; one connection
//	client.go backoff.go          the proxy's side
//	names.go derive.go rate.go    mode agent, both sides
//	conn*.go                      frames and descriptors on a Unix connection
//	process*.go                   Harden
//	limits.go errors.go           every cap with its reason; the errors a caller decides on
//
// # Memory
//
// A Secret has a page of its own between two guard pages, with the key at the page's end, read-only while it lives:
//
//	memfd_secret  Linux 5.14 and later, unless switched off: not in the kernel's direct map; /proc/pid/mem, ptrace and
//	              core dumps cannot read it; locked; not inherited by fork
//	mlock         otherwise, and on BSD and macOS: locked; on Linux also kept out of core dumps and of forked children
//	heap          where the package knows no better (the administrator's tool on other systems)
//
// Secret.Memory tells which. If locking fails there is no key and an error that names the limit: the package never falls
// back from locked to unlocked memory on the same system.
//
// # Ownership
//
// Every Secret has one owner, who wipes it. NewSecret clears the bytes it is given. Holder.Load takes the secrets when it
// succeeds; Snapshot and Wait return clones, which the caller wipes (Ring.Wipe). Client.Run owns the ring it passes to
// apply and wipes it afterwards; apply clones what it wants to keep. Clones share one copy of the bytes, which is zeroed
// when the last of them is wiped: Holder.Clear empties the holder at once, and memory as soon as no reader is left.
// The slice that Secret.Use passes is valid during the call only.
//
// # Promises and the tests that hold them
//
//   - A Secret prints as "redacted" everywhere: TestSecretIsRedactedInEveryPrinter. No log line has key bytes:
//     TestServerAndClientLogNoKeyBytes.
//   - A key is whole or gone, never changed: TestConcurrentUseCloneAndWipe, TestWipeWaitsForUsersAndLetsThemNest,
//     TestKeyPageIsReadOnlyAndGuarded, TestWritingToAKeyKillsTheProcess, TestWipeZeroesBeforeItUnmaps.
//   - After the hand-over no memory of agent or client outside the key pages, and no core dump, has the key in raw, hex or
//     base64 form: TestNoKeyBytesOutsideTheKeyMemory. A hardened process leaves no core and cannot be read by its user's
//     other processes: TestHardenForbidsCoreFilesAndForeignReaders.
//   - A ring is taken whole or not at all, also when the agent is killed meanwhile: TestReadRegionRefusesDamageWholly,
//     TestClientRefusesEveryWrongRing, TestStormOfLoadsAndClears, TestKillingTheAgentNeverGivesHalfARing.
//   - Wait and the clients lose no change: TestWaitLosesNoChange, TestHandOverOfEveryChange. A change reaches a client
//     within 100 ms: TestPushIsBelow100Milliseconds.
//   - The restart of an agent is no outage, an explicit clear is one at once:
//     TestClientKeepsItsRingWhileTheAgentIsGoneAndGetsTheNewOne,
//     TestClientTriesAgainWhenApplyFailsAndStillHearsClearAtOnce.
//   - Keys go to listed users only and come from trusted ones only: TestOnlyAllowedUsersGetTheKeys,
//     TestClientTakesNoKeyFromAForeignServer.
//   - The socket never has a wider mode than 0660, and is never taken from a living agent:
//     TestSocketModeIsRightFromTheFirstMoment, TestListenReplacesOnlyASocketThatNobodyAnswers,
//     TestListenLetsOneOfManyWin.
//   - In mode agent the client gets names and answers, no masters; answers are never mixed up, nor under a key that is not
//     the one named: TestDeriveAnswersEachItsOwn, TestDerivationsThatAreGivenUpDisturbNoOther,
//     TestDerivationsDuringChangesAreOfOneWholeKey,
//     TestDeriveFailsWhenItCannotAsk, TestAgentOnlyUsersGetNoMasters, TestDeriveRateIsBounded.
//   - Nothing is left behind, neither goroutines nor descriptors nor key pages: checkLeaks in most tests, TestMain for
//     all of them.
//   - All of it holds without memfd_secret: TestWithoutMemfdSecret.
//
// # What Go cannot promise
//
// Whoever uses a key copies it: into registers, key schedules and stacks, which the runtime may move and never clears. The
// package itself moves keys byte by byte for that reason; what is derived in Use is the business of the deriving code. A
// process killed in the fallback without memfd_secret leaves the pages of a region to the kernel, which clears them before
// they are used again. Root on the host wins in every case.
package keyagent
