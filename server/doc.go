// Package server is the S3 front: it authenticates a client's request, moves
// the object between the client and the backend through the sealing pipeline,
// and answers as S3 would.
//
// # The way of a request
//
//	fasthttp (streamed body, raw target)
//	  -> frame check        one framing rule, no absolute form     (frame.go)
//	  -> target             bucket, key and query, decoded once    (target.go)
//	  -> sigv4              headers only, before any body byte     (auth.go)
//	  -> route table        operation, body kind: all data         (route.go)
//	  -> scope              the client's grant, allowed buckets, reserved names (request.go, grant.go)
//	  -> bucket gate        sealed state object, key verified      (gate.go)
//	  -> one verb           put, get, head, list, delete, copy
//	  -> answer             or one row of the error table          (errors.go)
//
// # Promises, each with the test that proves it
//
//   - No request reaches the backend before its signature, its bucket and its
//     route are accepted, and its client may do it: TestRefusedRequestsNeverReachTheBackend,
//     TestNothingRefusedReachesTheBackend.
//   - An append-only client replaces nothing, whoever writes beside it, and writes
//     nothing where the store would let it: TestAppendOnlyNeverReplaces,
//     TestAppendOnlyRaceHasOneWinner, TestAppendOnlyOnALaxStoreIsRefused. It cannot get
//     at the uploads of others (TestUploadsOfOthersAreOutOfReach), and who completes an
//     upload is told of the object of its own list alone: TestCompleteTellsOfItsOwnPartsAlone.
//     No spelling of .. leads out of a prefix: TestPrefixesHoldWhatClimbs.
//   - A condition that the store ignores is refused, or held by this process where the
//     configuration says so; nothing of the proxy's own rests on that:
//     TestConditionsThatTheStoreIgnoresAreRefused, TestConditionalDeleteOnADeafStoreIsRefused,
//     TestEmulatedConditions, TestEmulatedConditionsHaveOneWinner,
//     TestEmulatedConditionsSeeWritesWithout, TestNothingElseRestsOnTheEmulation,
//     TestBucketOfADeafStore.
//   - A form stores what its policy allows, and its file as it was:
//     TestFormsAreHeldToTheirPolicy, TestFormsStoreWhatTheyCarry. Strangers' forms take a
//     bounded part of memory: TestFormsOfStrangersAreBounded. Forms and pages
//     (cors.go) are served only where the configuration says so:
//     TestFormsAreOffByDefault, TestWithoutRulesThereIsNoCORS.
//   - Malformed documents, targets, lengths and chunks get S3's answer within bounded
//     memory: TestMalformedDocuments, TestMalformedRequests.
//   - Each figure moves when it should, none is undocumented, and no client and no backend
//     can make new ones: TestEveryMetricMoves, TestEveryMetricIsTested, TestMetricsAreThoseOfTheTable,
//     TestLabelsAreBounded. Each request has one line in the log, whose id the client is
//     told; names of objects are there at debug only, secrets never: TestAccessLog. Readiness blames what fails: TestReadinessNamesTheDependency.
//   - A request is verified and judged by one set of terms (terms.go), whatever is set
//     meanwhile: TestCredentialsChangeAtOnce. What comes behind a body is none of its
//     headers: TestTrailersOfHTTPAreNoHeaders.
//   - An object exists at the backend only after length, SHA-256 and MD5 of the
//     client's body were proved: TestPutWithWrongDigestLeavesNothing.
//   - 200 is answered only after the backend committed:
//     TestPutIsAcknowledgedAfterCommit.
//   - Objects up to limits.go's wholeGet are opened whole before the status
//     line; larger ones are opened batch by batch and a failure breaks the
//     connection, never ends the body cleanly: TestTamperedObjectIsRefused,
//     TestTamperedTailBreaksTheConnection.
//   - Several threads for one object (readahead.go, put_parts.go) change no byte of an answer and
//     nothing that is stored but where an upload was cut: TestThreadsGiveTheSameAnswers,
//     TestPartsAreSentBesideEachOther, TestOneThreadAsksOnce. Bytes of two objects are never mixed
//     (TestBytesOfTwoObjectsAreNeverMixed), nothing is completed that was not proved
//     (TestNothingUnprovedIsCompleted), and memory that is short means fewer threads, never
//     none: TestFullMemoryLeavesOneThread, TestManyReadersShareTheBudget.
//   - 404 is answered only for a proven absence: TestBackendFaultIsNever404.
//   - A new active key is recorded in a bucket's state before anything is sealed
//     under it, by a write that one proxy wins; an older, a foreign and an
//     incomplete ring get 503 and change nothing; proxies whose rings differ seal
//     under one key, the state's (gate_rotate.go has the table):
//     TestRotationIsRecordedBeforeTheFirstWrite, TestTwoRotationsAtOnceHaveOneWinner,
//     TestOlderRingIsRefusedAfterRotation, TestForeignRingChangesNothing,
//     TestRingThatLacksARecordedKeyIsRefusedForThatBucketAlone,
//     TestRingThatIsBehindSealsUnderTheBucketsKey, TestRotationCutAnywhere,
//     TestRotationOnAStoreThatIgnoresIfMatchIsRefused.
//   - A bucket is removed only if nothing that was acknowledged is in it, whichever
//     proxy did so, and a write that crosses that is refused (gate_close.go, fence.go):
//     TestStormAgainstRemoval, TestWriteThatCrossesARemoval, TestRemovalCutAnywhere,
//     TestRetryThatCrossesARemoval, TestRemovalTakesNoStateOfOthers,
//     TestProxyThatDiesWhileItRemoves, TestProxyThatKnewTheOldBucket.
//   - Bodies wait for their turn unread and without memory (turn.go). Clients that are
//     slow, that stop or that leave keep nobody waiting, and neither does a full budget:
//     TestSlowClientsDoNotStarveFastOnes, TestAdmissionAndBudgetDoNotBlockEachOther,
//     TestClientsWhoLeaveGiveTheirTurnBack.
//   - A body the handler left unread never becomes the next request:
//     TestUnreadBodyIsNotTheNextRequest.
//   - An upload in parts lives in its id and in the ETags of its parts alone: any
//     proxy with the keys goes on with it (TestUploadInAnyOrderThroughTwoProxies),
//     with up to 10,000 parts (TestUploadOfTenThousandParts),
//     nobody can forge or move them (TestForeignTokensAndETagsAreRefused), and a
//     Complete that was cut anywhere leaves the old object or the new one and may
//     be sent again (TestCompleteCutAfterEveryCall, TestCompleteWhoseAnswerWasLost,
//     TestCompleteIsIdempotent, TestTwoCompletesAtOnce, TestLateCompleteReplacesNothing,
//     TestCompleteOfAnotherAttemptIsNoSuccess). Success is told after the object was looked at:
//     TestCompleteLooksAtTheObject. One that another write has replaced by then is a
//     success, too: TestOvertakenCompleteIsASuccess. One that crosses an Abort makes the
//     whole object or none: TestAbortRacingComplete.
//   - Nothing of an upload is left after Complete or Abort, and what is staged until
//     then cannot be named or listed: TestAbortRemovesEverything,
//     TestStagedObjectsAreUnreachable. A part that crosses them is removed:
//     TestPartThatCrossesAbortIsRemoved.
//   - In a bucket with sealed names no verb tells the backend a name of a client
//     (TestEveryVerbSealsTheName), and but for the order of listings nothing else
//     changes: TestSealedNamesChangeNothingElse. All names are mapped in names.go,
//     by the settings that the gate verified; listings are names_list.go's.
//   - What such a listing costs is bounded (TestListingsOfSealedNamesAreBounded), it
//     survives deletes (TestPagesOfSealedNamesSurviveDeletes), and what nobody sealed
//     is not in it (TestForeignNamesAreLeftOutAndCounted). Names of a bucket that was
//     made anew are asked for anew (TestProxyThatKnewTheOldNames).
//   - A folder (an empty object, dir/) is the same on a store that keeps no content there
//     (TestFolderMarkers), in a form of its own there alone (TestFolderMarkersOnlyWhereTheyMust),
//     and proved as any object (TestForgedFolderMarkerIsRefused).
//   - Two proxies over one store are the map that the same was done to, whatever the
//     settings of the bucket: TestModel.
//   - A bucket that pads sizes shows no other to the backend, and refuses what would:
//     TestPaddedObjects, TestPaddedBucketsRefuseWhatShowsSizes.
//   - Readers are told of an object's locks, those of the object that they read, and what that
//     costs is bounded: TestReadersAreToldOfLocks, TestWhatTellingLocksCosts,
//     TestLocksAreOfTheObjectThatIsRead.
//   - A copy is of one object, whatever becomes of the source: TestCopyOfAChangingSource.
//   - No plaintext hash, name of a client key, or unsealed byte is sent to the
//     backend; nothing unsealed is ever passed on: TestUnsealedObjectIsRefused.
//
// # Ownership and concurrency
//
// A Server is safe for concurrent use; New's Config is not changed after. One
// goroutine (fasthttp's, one a connection) runs a request from its first to its
// last byte; a PUT above the whole-object limit or under memory pressure adds
// one goroutine for the backend leg, with Config.Threads one for each part on its way, and a GET one for
// each range that is fetched ahead; they are joined before the request ends. Every byte
// of a body lives in a pipeline batch, whose owner is named where it changes
// hands; a turn, then reservations of the byte budget, are taken before the first body byte
// is read and released when the last batch is.
package server
