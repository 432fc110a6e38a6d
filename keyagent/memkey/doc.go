// Package memkey is MEMKEY/2, the delivery of master keys from an administrator to a key agent: the wire, both ends, HTTP
// and TLS. ../PROTOCOL.md is the normative text, testdata/exchange.json one exchange byte by byte.
//
//	admin                                        server
//	Client.Send    M1 signed request       →     Agent.Challenge
//	               M2 session, state       ←
//	               M3 sealed package       →     Agent.Key → Apply (the caller's: pins, generations, holder)
//	               M4 receipt, M4e refusal ←
//
// # Files
//
//	config.go agent.go            AgentConfig, Admin, Request, Event; NewAgent
//	challenge.go key.go           M1 to M2; M3 to M4
//	session.go throttle.go        what M1 leaves behind; who fails is slowed down
//	handler.go tls.go listener.go HTTP; TLS 1.3 with X25519MLKEM768; connections
//	client.go exchange.go         the admin's side with HTTP, and without
//	message1.go … message4.go     one message each; state.go, tlv.go what is inside
//	package.go status.go role.go  what people and callers handle; fingerprint.go signer.go
//	transcript.go cursor.go       labels and hashes; reading fields
//	limits.go errors.go           every cap with its reason; the errors a caller decides on
//
// # Use
//
// A server makes an Agent, a certificate (IdentityCertificate) and NewServer, and serves it on a NewListener. An admin's
// tool makes a Client and calls Status and Send. Exchange is the admin's side for other transports.
//
// # Ownership
//
// Masters are keyagent.Secrets. Send borrows its Package: the caller wipes it. Apply owns its Package once it returns nil;
// otherwise, and when it panics, the agent wipes it. Every buffer with a package in clear is cleared before the call
// returns. No function keeps a []byte that it was given; what parsers return inside the package points into the message.
//
// # Concurrency
//
// Agent, Listener and Client are safe for concurrent use. Apply, State, Admins and Audit are called from several
// goroutines, Apply also for two packages at once: it has to order them. An Exchange belongs to one goroutine.
//
// # Promises and the tests that hold them
//
//   - Every byte is as PROTOCOL.md says, by two implementations; sizes and limits in the text are those of the code:
//     TestVectors, TestVectorFieldByField, TestSizesInTheText, TestLabelsArePrefixFree.
//   - No bit of any message can change unnoticed, no message counts twice or elsewhere: TestEveryFlipInM1IsRefusedAlike,
//     TestEveryFlipInM2IsRefused, TestEveryFlipInM3IsRefused, TestEveryFlipInM4IsUnconfirmed,
//     TestEveryFlipInM4eIsUnconfirmed, TestReplayAndReorder.
//   - What broke the earlier protocol fails: TestAttackKeySwappingRelay, TestAttackLyingReply, TestAttackForeignAdmin,
//     TestAttackRecordedSessionAndStolenIdentity, TestAttackJunkPostLockout, TestAttack300MiBBody,
//     TestAttackChallengeFlood, TestAttackSilentConnections, TestAttackDowngrade.
//   - Nothing that needs no key keeps an admin out: the attacks above, TestSessionsAreSharedFairly,
//     TestChecksInTheNameOfAnAdmin, TestLockoutIsPerSourceAndEnds, TestListenerEndsTheOldestOfTheGreediest.
//   - Strangers learn nothing from refusals: TestRefusalsBeforeTheAdminIsKnownReadAlike,
//     TestLockedOutSourceLearnsNothing. They cannot fill memory or the audit log: TestAttackChallengeFlood,
//     TestAnnouncedLengthIsNotBelieved, TestStrangersDoNotFillTheAuditLog, TestSlowBodyIsCut.
//   - An ephemeral key serves once and goes in time: TestExpiredSession, TestOwnOldestSessionGoesFirst. A role counts when
//     the package arrives: TestAdminRemovedMidway.
//   - There is one encoding of a package, and a key under a wrong name is never applied:
//     TestOnlyTheCanonicalPackageIsRead, TestOnlyGoodPackagesAreSent.
//   - The client never takes a claim for a fact: TestLostAnswerIsUnconfirmed, TestServersThatAreNone,
//     TestWrongFingerprint, TestClockOffByADay.
//   - No secret is printed or left in a buffer: TestNoSecretIsPrinted, TestBuffersWithMastersAreCleared,
//     TestPackageIsWipedUnlessApplied.
//   - No input panics a parser: the Fuzz targets.
//
// # What Go cannot promise
//
// crypto/hpke keeps its key schedule, and the KEM its private key, on the Go heap; they are dropped as early as possible
// but not cleared. The process around forbids core dumps and foreign readers (keyagent.Harden).
package memkey
