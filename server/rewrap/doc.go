// Package rewrap brings the objects of a bucket under its active key after a
// rotation, and tells which key each of them is under. Only blocks change, and tails
// of objects that were uploaded in parts: the sealed body stays as it is, and so do
// its metadata and its time of writing.
//
//	List, page by page, in the order of the keys
//	  -> N workers: ranged GET of the block, open it
//	       under the active key      nothing to do
//	       under another of the ring format.Reblock, or ReblockTail; its tags, grants,
//	                                 class and locks; reblock.Move with If-Match
//	       anything else             named in the report, never touched
//	  -> outcomes, put in order again: counts, checkpoint, report
//	  -> the block of every noncurrent version, if the bucket keeps such
//
// # Promises, each with the test that proves it
//
//   - Every object is the old or the whole new one, and readable by the full ring,
//     whatever call fails and whenever the process dies: TestKilledAfterAnyCall.
//   - What a client stored meanwhile stays: every write is bound to the ETag of the
//     block it replaces (TestConcurrentPutsAlwaysWin), and nothing is written before
//     the store has shown that it refuses a condition that does not hold
//     (TestStoreThatIgnoresConditionsIsNotWritten). A store that checks and writes
//     in two steps, as file systems behind S3 do, can still let a write in between.
//   - What the store keeps beside an object, it keeps: tags, grants, storage class,
//     retention and legal hold are asked for and given with the write
//     (TestWhatTheStoreKeepsBesideAnObjectSurvives). An object that would lose any of
//     it, or that a lock does not let be written, is named and left
//     (TestObjectThatMayNotBeWrittenIsHeld), as is a folder marker, whose ETag is that of
//     any other (TestFolderMarkersAreHeld). S3 has no condition on these: a change of
//     them in the moment of the move can be lost.
//   - Two runs at once end in the same bucket as one: TestTwoRunsAtOnce.
//   - What does not open is never written: TestUnreadableObjectsAreNamedAndLeft. The
//     body is not read: an object whose body was changed is moved under the new key
//     as it is, and is refused under it too.
//   - A checkpoint says what was finished, no more: TestResumeGoesOnAfterTheCheckpoint,
//     TestCheckpointIsWholeOrOld. A store that is gone ends the run after some
//     objects, which the checkpoint does not count as done:
//     TestRunEndsWhenTheStoreIsGone.
//   - A key is called unused only after a whole walk in which every object's key was
//     seen: TestOldKeyIsRetirableOnlyWhenNothingNamesIt.
//   - A version that is not the current one cannot be rewrapped; moving an object makes
//     one, under the old key. While there are such, or the store does not say, their
//     keys are in use: TestNoncurrentVersionsKeepTheirKeyInUse.
//   - What a proof of the store's conditions leaves when it is killed is removed by the
//     next run, after an hour: TestScratchOfAKilledRunIsRemoved. A backend upload that a
//     killed move leaves is the store's lifecycle rule's to remove.
//   - Memory does not grow with the bucket: at most Config.Parallel moves of 16 MiB,
//     one page, a window of 4,096 outcomes, 1,000 names of trouble, 64 keys:
//     TestOutcomesWaitInABoundedWindow, TestNamesAndKeysAreBounded.
//   - Sealed names and padding stay as they are, and what is told of an object is
//     told under the name that clients know: TestSealedNamesAndPaddingStay.
//   - Rates hold on the average, with a burst of one second or one piece:
//     TestLimiterHoldsTheAverage.
//
// # Ownership and concurrency
//
// A Run is used once and from one goroutine, but Progress and Count may be called
// from others meanwhile. Config.Each is called from one goroutine at a time, in the
// order of the keys. Rings and stores are the caller's.
package rewrap
