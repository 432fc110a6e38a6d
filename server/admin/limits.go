package admin

import "time"

const (
	// maxHeaderBytes: a token and what monitoring agents send fit many times.
	maxHeaderBytes = 16 << 10

	// maxConnections is far above what scrapers and probes open; it keeps a flood
	// from taking the file descriptors that clients' connections need.
	maxConnections = 64

	// readTimeout bounds a whole request, which has no body to speak of.
	readTimeout = 10 * time.Second

	// idleTimeout is above the usual scrape interval, so that connections live.
	idleTimeout = 2 * time.Minute

	// writeTimeout bounds an answer that is not a profile.
	writeTimeout = 30 * time.Second

	// maxProfile bounds profiles that run for ?seconds=.
	maxProfile = 5 * time.Minute

	// forever is more than any page stays open.
	forever = 365 * 24 * time.Hour

	// readyTimeout bounds a readiness answer, below the patience of usual probes
	// (5 s and more), so that they get the reason and not a broken connection.
	readyTimeout = 4 * time.Second

	// checkTimeout is what the dependencies get of it: they must end a little
	// before their answer is due.
	checkTimeout = readyTimeout - 1500*time.Millisecond

	// sampleEvery is the pace of the dashboard.
	sampleEvery = time.Second

	// windowSamples is how far back rates and percentiles of operations look.
	windowSamples = 60

	// historyPoints is how far back the plot goes when a page is opened.
	historyPoints = 300

	// readyEvery is how often the dependencies are asked while somebody watches.
	readyEvery = 3 * time.Second

	// checksLast is how long their answer is shown: nobody shall see an old green. It is
	// longer than asking may take.
	checksLast = readyEvery + readyTimeout + 2*time.Second

	// maxWatchers leaves most of maxConnections to probes and scrapers.
	maxWatchers = 16

	// watcherBacklog events may wait for a watcher; then it is cut.
	watcherBacklog = 8

	// eventTimeout bounds the writing of one event.
	eventTimeout = 5 * time.Second
)
