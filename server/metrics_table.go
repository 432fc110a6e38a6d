package server

import "github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"

// MetricTable describes every figure of a Metrics. Labels have bounded values: names
// of the configuration and of S3's operations, our own words, HTTP statuses.
func MetricTable() []metric.Desc {
	rows := []metric.Desc{
		{Name: "requests_total", Kind: metric.Counter, Labels: []string{"method", "operation", "status"}, Help: "Requests of clients, refused ones included; status is its class, such as 5xx. Those that are no S3 operation, or failed authentication, have the operation none."},
		{Name: "request_duration_seconds", Kind: metric.HistogramKind, Labels: []string{"operation"}, Help: "Time from a request's headers to the last byte of its answer."},
		{Name: "active_requests", Kind: metric.Gauge, Help: "Requests being served now."},
		{Name: "client_connections", Kind: metric.Gauge, Help: "Open connections of clients, idle ones included."},
		{Name: "client_requests_total", Kind: metric.Counter, Labels: []string{"credential", "status"}, Help: "Requests by the configured name of the credential; none = no credential was proved."},
		{Name: "client_received_bytes_total", Kind: metric.Counter, Labels: []string{"credential"}, Help: "Bytes of content that clients sent, by credential."},
		{Name: "client_sent_bytes_total", Kind: metric.Counter, Labels: []string{"credential"}, Help: "Bytes of answers' bodies that clients got, by credential."},
		{Name: "bucket_requests_total", Kind: metric.Counter, Labels: []string{"bucket", "status"}, Help: "Requests by bucket; other = a bucket that is not in allowed_buckets, none = no bucket."},
		{Name: "bucket_received_bytes_total", Kind: metric.Counter, Labels: []string{"bucket"}, Help: "Bytes of content that clients sent, by bucket."},
		{Name: "bucket_sent_bytes_total", Kind: metric.Counter, Labels: []string{"bucket"}, Help: "Bytes of answers' bodies that clients got, by bucket."},

		{Name: "bytes_encrypted_total", Kind: metric.Counter, Help: "Plain bytes of objects and parts that were sealed and stored."},
		{Name: "bytes_decrypted_total", Kind: metric.Counter, Help: "Plain bytes that were opened and sent to clients."},
		{Name: "encryption_duration_seconds", Kind: metric.HistogramKind, Labels: []string{"operation"}, Help: "Time that sealing or opening one object took, on all cores together, without hashing and network."},
		{Name: "encryption_errors_total", Kind: metric.Counter, Labels: []string{"type"}, Help: "Failures of keys and of integrity together, under the earlier system's name."},
		{Name: "key_loaded", Kind: metric.Gauge, Help: "1 = there is a key; 0 = every request for objects gets 503."},

		{Name: "auth_failures_total", Kind: metric.Counter, Labels: []string{"reason"}, Help: "Requests whose signature was refused."},
		{Name: "client_errors_total", Kind: metric.Counter, Labels: []string{"type"}, Help: "Requests refused for what they are: absent objects, wrong digests, bad arguments; relayed = the backend's own refusal."},
		{Name: "key_errors_total", Kind: metric.Counter, Labels: []string{"type"}, Help: "Requests refused because a key is missing or the wrong one."},
		{Name: "integrity_failures_total", Kind: metric.Counter, Labels: []string{"reason"}, Help: "Stored objects that are not what was sealed: changed, swapped, cut, foreign, or a bucket's state that is lost. Each is to be looked at."},
		{Name: "overload_total", Kind: metric.Counter, Labels: []string{"reason"}, Help: "Requests refused because memory was full for pipeline.queue_timeout or the cores were busy for 30 s, or because the proxy is ending."},
		{Name: "responses_aborted_total", Kind: metric.Counter, Help: "Answers that were broken off after their status line, because what followed could not be read or did not open, or the client left."},
		{Name: "malformed_requests_total", Kind: metric.Counter, Help: "Connections on which no HTTP request could be read."},
		{Name: "panics_total", Kind: metric.Counter, Help: "Errors in the proxy itself; the request got 500. Report each, with the log."},

		{Name: "backend_requests_total", Kind: metric.Counter, Labels: []string{"operation", "status"}, Help: "Attempts at the backend, by HTTP status; 0 = no answer."},
		{Name: "backend_request_duration_seconds", Kind: metric.HistogramKind, Labels: []string{"operation"}, Help: "Time of an attempt at the backend until its answer was complete, for GetObject until its headers."},
		{Name: "backend_retries_total", Kind: metric.Counter, Labels: []string{"operation"}, Help: "Attempts that were not the first of their request."},
		{Name: "backend_errors_total", Kind: metric.Counter, Labels: []string{"type"}, Help: "Requests of clients that failed because of the backend, after all retries."},
		{Name: "backend_connection_pool_size", Kind: metric.Gauge, Help: "Open connections to the backend."},
		{Name: "backend_clock_ahead_seconds", Kind: metric.Gauge, Help: "How far the backend's clock is before the proxy's, to a second; 0 until it has answered. From 15 minutes on S3 refuses every request."},
		{Name: "backend_uploads_orphaned_total", Kind: metric.Counter, Help: "Uploads that may have been left unfinished at the backend, where they cost storage until they are aborted."},

		{Name: "backend_ranges_ahead_total", Kind: metric.Counter, Help: "Ranges of large objects that were fetched while what is before them was read (backend.multipart_threads)."},
		{Name: "backend_threads_withheld_total", Kind: metric.Counter, Help: "Times that a large object moved with fewer connections than backend.multipart_threads because memory was short: raise pipeline.budget if it grows while transfers are slow."},

		{Name: "pipeline_budget_bytes", Kind: metric.Gauge, Help: "Bytes of object data that may be in memory (pipeline.budget)."},
		{Name: "pipeline_budget_used_bytes", Kind: metric.Gauge, Help: "Bytes of it that are in use."},
		{Name: "pipeline_pooled_bytes", Kind: metric.Gauge, Help: "Bytes of buffers that hold data now."},
		{Name: "pipeline_waiting", Kind: metric.Gauge, Help: "Requests that wait for memory."},
		{Name: "pipeline_refused_total", Kind: metric.Counter, Help: "Requests that waited too long for memory (pipeline.queue_timeout) or for their turn (30 s), and got 503 SlowDown."},
		{Name: "pipeline_admission", Kind: metric.Gauge, Help: "Bodies that may move at once (pipeline.admission)."},
		{Name: "pipeline_admitted", Kind: metric.Gauge, Help: "Bodies that have their turn to move."},
		{Name: "pipeline_admission_waiting", Kind: metric.Gauge, Help: "Requests that wait for their turn, unread."},
		{Name: "pipeline_admitted_total", Kind: metric.Counter, Help: "Turns that were given."},
		{Name: "pipeline_admission_rested_total", Kind: metric.Counter, Help: "Turns that were taken from bodies that mostly waited for their client or the backend, for others; the bodies went on."},
		{Name: "pipeline_admission_seconds_total", Kind: metric.Counter, Help: "Time that requests waited for their turn."},
		{Name: "pipeline_workers", Kind: metric.Gauge, Help: "Goroutines that help the requests' own to seal and open."},
		{Name: "pipeline_workers_busy", Kind: metric.Gauge, Help: "Those that are at it."},
		{Name: "pipeline_batches_handed_total", Kind: metric.Counter, Help: "Batches of segments that a worker did."},
		{Name: "pipeline_batches_inline_total", Kind: metric.Counter, Help: "Batches that the request's own goroutine did."},
		{Name: "pipeline_seal_seconds_total", Kind: metric.Counter, Help: "Time spent sealing, on all cores together."},
		{Name: "pipeline_open_seconds_total", Kind: metric.Counter, Help: "Time spent opening, on all cores together."},
		{Name: "pipeline_plain_bytes_sealed_total", Kind: metric.Counter, Help: "Plain bytes sealed, counted while they move, also of requests that failed later."},
		{Name: "pipeline_plain_bytes_opened_total", Kind: metric.Counter, Help: "Plain bytes opened, counted while they move; of ranges, whole segments."},
		{Name: "hashing_alone_bytes_total", Kind: metric.Counter, Help: "Bytes of bodies hashed one body at a time."},
		{Name: "hashing_paired_bytes_total", Kind: metric.Counter, Help: "Bytes of bodies hashed two bodies at a time."},
		{Name: "hashing_grouped_bytes_total", Kind: metric.Counter, Help: "Bytes of bodies hashed three to eight bodies at a time."},

		{Name: "foreign_objects_listed_total", Kind: metric.Counter, Help: "Entries of listings that no proxy can have stored; they are shown with the backend's size."},
		{Name: "unsealed_names_listed_total", Kind: metric.Counter, Help: "Names in buckets with sealed names that nobody sealed; they are left out of listings."},
		{Name: "unreadable_overwritten_total", Kind: metric.Counter, Help: "Objects that could not be opened and were replaced by a client's write."},
		{Name: "listing_etags_read_total", Kind: metric.Counter, Help: "Requests to the backend for the MD5 ETags of a listing (encryption.etag: md5)."},
		{Name: "listing_etags_cached_total", Kind: metric.Counter, Help: "MD5 ETags of listings that needed no request."},
	}
	for i := range rows {
		rows[i].Name = metricPrefix + rows[i].Name
	}
	return rows
}
