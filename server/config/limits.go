package config

import "time"

// Every cap of the configuration in one place, with its reason.
const (
	// maxFileBytes bounds the configuration file. One with every key, and a
	// thousand bucket names, has 80 KB.
	maxFileBytes = 1 << 20

	// maxSecretBytes bounds a secret read from a file of its own: far above any
	// real one, far below what a mistaken path (a log, a disk) would bring.
	maxSecretBytes = 4 << 10

	// maxShown bounds what an error repeats of a bad value or an unknown key.
	maxShown = 64

	// maxProblems bounds what one run reports. A file that is no configuration
	// at all would otherwise give an error for each of its lines.
	maxProblems = 50

	// shortToken: below this many characters an admin token earns a warning.
	shortToken = 16

	// shortSecret: below this many characters a client's secret earns a warning. Those of
	// AWS have 40.
	shortSecret = 16

	// pbsReuse is how long PBS keeps an idle connection for another request. An
	// idle timeout below it makes PBS send into closed connections.
	pbsReuse = 90 * time.Second

	minChunk = 64 << 10 // one segment of the format
	maxChunk = 64 << 20 // as in the earlier system

	// minBudget carries one large upload with its parts beside a few chunks.
	minBudget = 64 << 20
	maxBudget = 1 << 40

	// maxETagCache takes 1.5 GB.
	maxETagCache = 10_000_000

	// minWhole is the smallest part S3 takes in a multipart upload, which is
	// what larger objects become.
	minWhole = 5 << 20
	maxWhole = 5 << 30 // the largest single PUT S3 takes

	minObject = 1 << 20

	// wholeShare: a default whole-object limit takes no more than this fraction
	// of the budget, so that several uploads fit beside each other.
	wholeShare = 4

	// maxClients bounds the credentials, which are labels of metrics too.
	maxClients = 1000

	// maxCORS is S3's limit on rules.
	maxCORS = 100

	// maxPrefix is S3's limit on a key, in bytes.
	maxPrefix = 1024

	// maxThreads: S3's own clients use 10 by default; more than this fills any link.
	maxThreads = 64

	// threadBytes is what each thread of backend.multipart_threads takes of the budget.
	threadBytes = 8 << 20

	maxWorkers     = 1024
	maxAdmission   = 1 << 16
	maxConnections = 1 << 20
)
