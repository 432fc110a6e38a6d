package server

import "time"

// Every cap of the front in one place, with its reason.
const (
	// maxKeyBytes is S3's own limit on an object key, in UTF-8 bytes.
	maxKeyBytes = 1024

	// maxDeleteBody holds 1,000 keys of 1,024 bytes with their XML; PBS sends
	// about 150 KB.
	maxDeleteBody = 2 << 20

	// maxForm holds what comes before a form's file: 20 KB at S3.
	maxForm = 32 << 10

	// maxForms is how many forms may be read up to their file at once, before it is known
	// who sends them: 8 MiB. Others wait for formWait.
	maxForms = 256
	formWait = 5 * time.Second

	// maxDeleteKeys is S3's limit for one DeleteObjects call.
	maxDeleteKeys = 1000

	// maxListKeys is S3's page size, and the largest max-keys honoured.
	maxListKeys = 1000

	// maxBuckets is S3's page of ListBuckets.
	maxBuckets = 10_000

	// maxUserMeta is S3's bound of user metadata, names and values together.
	maxUserMeta = 2 << 10

	// maxPartList holds 10,000 parts with ETags of ours and the longest checksum that
	// clients repeat there, spaced out: about 600 bytes each (TestLongestPartList).
	maxPartList = 7 << 20

	// listFactor: a list of parts is held as a document and decoded.
	listFactor = 2

	// maxUploads: a bucket with more unfinished uploads is not listed: none that is
	// looked after has them, and each costs a request.
	maxUploads = 20_000

	// recordRoom is the memory of one upload in a listing: key, id, and their XML.
	recordRoom = 4 << 10

	// recordReaders is how many records of uploads are read at once.
	recordReaders = 8

	// wholeStaged: a staged part up to this many stored bytes is held in memory by
	// Complete, so that the backend's answer may be lost. Only part number 10,000 may
	// have more than 5 MiB.
	wholeStaged = 16 << 20

	// wholeGet: objects up to this many plain bytes are opened whole before the
	// status line, so that a client gets all or an error. The largest PBS chunk
	// is 16 MiB and 44 bytes.
	wholeGet = 20 << 20

	// rangeBytes is how much of a larger object is asked for at once where several threads
	// read it (Config.Threads): enough that 50 ms for the next request show little.
	rangeBytes = 8 << 20

	// threadsFrom: uploads above this many bytes are sent in parts where several threads do
	// so. The chunks of PBS stay one request.
	threadsFrom = wholeGet

	// aloneRanges is how many ranges are asked for at once while memory is short, and one
	// thread reads.
	aloneRanges = 8

	// wholeCopy: sealed objects up to this size are copied through memory; larger
	// ones are moved by the backend itself, all but their first part.
	wholeCopy = 16 << 20

	// minPart is S3's smallest size for any part but the last.
	minPart = 5 << 20

	// putPart is the part size of our own backend uploads; it grows only where
	// an object would need more than maxParts of them.
	putPart = 16 << 20

	// maxParts stays below S3's 10,000, leaving room for a last part that
	// carries the filler.
	maxParts = 9990

	// maxEnd: what of a multipart object's end is fetched at once, unasked. It holds
	// table and filler of objects up to 600 MiB.
	maxEnd = 64 << 10

	// smallTable: the table of a multipart object with 2,000 parts. A larger one is
	// counted in the byte budget.
	smallTable = 64 << 10

	// tableFactor: a table is held sealed, opened, and decoded with offsets.
	tableFactor = 4

	// maxDrain is how much of an unread body is read and thrown away so that an
	// early answer reaches the client: closing a socket with unread bytes resets
	// the connection and eats the answer. The largest PBS chunk fits.
	maxDrain = 20 << 20

	// drainTime bounds that reading.
	drainTime = 20 * time.Second

	// progressBytes must arrive, or leave, within Config.ProgressTimeout.
	progressBytes = 64 << 10

	// maxLook: a body up to this many bytes that cannot hold what it declares is read, to
	// say what is wrong with it.
	maxLook = 4 << 10

	// maxHeaderSection is S3's bound of the headers' lines, which clients keep to.
	maxHeaderSection = 8 << 10

	// headerBytes is the most a request line with its headers may take: SigV4,
	// 2 KiB of user metadata and a 1 KiB key percent-encoded fit.
	headerBytes = 16 << 10

	// stateTTL is how long a verified bucket state is trusted before it is read
	// again, so that a bucket replaced behind our back is noticed.
	stateTTL = 30 * time.Second

	// leaseTime is how long a proxy goes by a state that it saw standing when it calls a
	// write done. Who removes a bucket waits longer than this. While a bucket is written
	// to, a HEAD of its state is asked for about twice in that time.
	leaseTime = time.Second

	// closeTime: a removal that takes longer than this was given up, or its proxy died;
	// then the bucket is opened again by who wants to write to it.
	closeTime = time.Minute

	// removeTime bounds a removal; below closeTime, by more than any single call takes.
	removeTime = 20 * time.Second

	// gateTime bounds one verification of a bucket's state, retries included.
	gateTime = 60 * time.Second

	// watchAfter is how long a request runs before its client's socket is looked
	// at, and how often then.
	watchAfter = time.Second

	// settleTime is how long a state that was written without a condition, which is asked
	// for by configuration alone, must stand before it counts.
	settleTime = 10 * time.Second

	// abortTime bounds the clean-up of a failed backend upload.
	abortTime = 30 * time.Second
)
