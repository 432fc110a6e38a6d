package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Store is what is asked; *backend.Client implements it.
type Store interface {
	Buckets(ctx context.Context) ([]backend.Bucket, error)
	Relay(ctx context.Context, q backend.Question) (*backend.Reply, error)
	List(ctx context.Context, bucket string, opt backend.ListOptions) (*backend.Page, error)
	Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error)
	Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error)
	Head(ctx context.Context, bucket, key string) (*backend.Object, error)
	DeleteWith(ctx context.Context, bucket, key string, with backend.DeleteOptions) (backend.Deleted, error)
	CreateUpload(ctx context.Context, bucket, key string) (id string, err error)
	UploadPart(ctx context.Context, bucket, key, id string, n int, body io.ReadSeeker, size int64) (etag string, err error)
	CopyPart(ctx context.Context, bucket, key, id string, n int, source backend.CopySource, r backend.Range) (etag string, err error)
	CompleteUpload(ctx context.Context, bucket, key, id string, parts []backend.Part, cond backend.Conditions) (backend.Written, error)
	AbortUpload(ctx context.Context, bucket, key, id string) error
}

// Verdict says what a Finding means.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning" // a feature is lost
	Failed  Verdict = "failed"  // the proxy cannot serve
)

// Finding is the answer to one question.
type Finding struct {
	Question string // what was asked, in a few words
	Verdict  Verdict
	Detail   string // what was found, for people; may be empty if OK
}

const (
	// maxSkew is what S3 allows between a signature's time and its own clock.
	maxSkew = 15 * time.Minute
	// warnSkew is a clock that somebody should look at.
	warnSkew = time.Minute
	// cleanTime is for the removal of what was written, when ctx has ended.
	cleanTime = 20 * time.Second
	// lookKeys is a page that trials of proxies which died do not fill.
	lookKeys = 32
	// trialPrefix is of the names of trials, a proxy's and those of a probe.
	trialPrefix = format.ReservedPrefix + "trial-"
	// never is an entity tag that nothing written here has.
	never = `"00000000000000000000000000000000"`
)

// Service asks what does not need a bucket: the store is there, and the credentials
// are good. Buckets are named in the detail.
func Service(ctx context.Context, s Store) Finding {
	buckets, err := s.Buckets(ctx)
	if err != nil {
		return Finding{"list of buckets", Failed, told(err, "s3:ListAllMyBuckets")}
	}
	return Finding{"list of buckets", OK, fmt.Sprintf("%d buckets", len(buckets))}
}

// Bucket asks everything about one bucket, in order.
func Bucket(ctx context.Context, s Store, bucket string) []Finding {
	p := &probe{store: s, bucket: bucket, key: trialPrefix + "check-" + random(), body: []byte("s3-crypt-proxy check; may be removed\n")}
	for _, ask := range []func(context.Context){p.answers, p.lists, p.locks, p.writes} {
		ask(ctx)
		if p.over {
			return p.findings
		}
	}
	p.reads(ctx)
	p.createsOnly(ctx)
	p.replacesOnly(ctx)
	p.uploads(ctx)
	p.clean(ctx)
	return p.findings
}

// probe is one run of Bucket.
type probe struct {
	store    Store
	bucket   string
	key      string
	body     []byte
	written  []backend.Written // what Puts made: one, or more where conditions are ignored
	over     bool              // nothing more can be asked
	findings []Finding
}

func (p *probe) say(question string, v Verdict, format string, args ...any) {
	p.findings = append(p.findings, Finding{question, v, fmt.Sprintf(format, args...)})
}

// stop is say for what makes all further questions useless.
func (p *probe) stop(question, format string, args ...any) {
	p.say(question, Failed, format, args...)
	p.over = true
}

// answers: the bucket is there, and the clocks agree.
func (p *probe) answers(ctx context.Context) {
	const question = "bucket"
	before := time.Now()
	reply, err := p.store.Relay(ctx, backend.Question{Op: "GetBucketVersioning", Method: http.MethodGet, Bucket: p.bucket, Query: url.Values{"versioning": {""}}})
	if err != nil {
		p.stop(question, "%s", told(err, ""))
		return
	}
	if at, err := http.ParseTime(reply.Header.Get("Date")); err == nil {
		p.clock(at.Sub(before), time.Since(before))
	}
	switch {
	case reply.Code == "NoSuchBucket":
		p.stop(question, "it does not exist; make it at the backend, or let a client make it")
	case reply.Status == http.StatusNotImplemented:
		p.say(question, OK, "the store keeps no versions")
	case refusesAll(reply.Code):
		p.stop(question, "%s", answered(reply, ""))
	case reply.Status >= 300:
		// Only a look: listing comes next, and tells what is wrong with all requests.
		p.say(question, Warning, "whether it keeps versions is not known: %s", answered(reply, "s3:GetBucketVersioning"))
	case strings.Contains(string(reply.Body), "<Status>Enabled</Status>"):
		p.say(question, OK, "it keeps versions: what is overwritten or deleted stays until a lifecycle rule of the backend removes it")
	default:
		p.say(question, OK, "it keeps no versions")
	}
}

// clock: a Date has whole seconds, and the answer took a while.
func (p *probe) clock(ahead, took time.Duration) {
	off := ahead.Abs() - took - time.Second
	switch {
	case off > maxSkew:
		p.say("clock", Failed, "the backend's is %v away: signatures are refused; set this machine's clock", ahead.Round(10*time.Second))
	case off > warnSkew:
		p.say("clock", Warning, "the backend's is %v away; past %v signatures are refused", ahead.Round(10*time.Second), maxSkew)
	default:
		p.say("clock", OK, "")
	}
}

func (p *probe) lists(ctx context.Context) {
	page, err := p.store.List(ctx, p.bucket, backend.ListOptions{Prefix: format.ReservedPrefix, MaxKeys: 10})
	if err != nil {
		p.stop("listing", "%s", told(err, "s3:ListBucket"))
		return
	}
	if holdsState(page) {
		p.say("listing", OK, "the bucket holds sealed objects")
		return
	}
	// The proxy begins an empty bucket only, and looks in the same way.
	if page, err = p.store.List(ctx, p.bucket, backend.ListOptions{MaxKeys: lookKeys}); err != nil {
		p.stop("listing", "%s", told(err, "s3:ListBucket"))
		return
	}
	others := page.Truncated
	for _, o := range page.Objects {
		others = others || !strings.HasPrefix(o.Key, trialPrefix)
	}
	switch {
	case holdsState(page): // written between the two questions
		p.say("listing", OK, "the bucket holds sealed objects")
	case others:
		p.say("listing", Failed, "the bucket holds objects, and no %s, without which none of them opens: if a proxy stored them, restore it from a version or a copy of the bucket; if not, give the proxy an empty bucket", format.StateKey)
	default:
		p.say("listing", OK, "the bucket is empty")
	}
}

func holdsState(page *backend.Page) bool {
	return slices.ContainsFunc(page.Objects, func(o backend.Entry) bool { return o.Key == format.StateKey })
}

// locks: a default retention would keep what the next questions write. Where the store
// does not tell, it may be there.
func (p *probe) locks(ctx context.Context) {
	const unknown = "whether the bucket locks every new object is not known (%s), so that nothing was written to it, nor found out by writing"
	reply, err := p.store.Relay(ctx, backend.Question{Op: "GetObjectLockConfiguration", Method: http.MethodGet, Bucket: p.bucket, Query: url.Values{"object-lock": {""}}})
	switch {
	case err != nil:
		p.say("object lock", Warning, unknown, told(err, "s3:GetBucketObjectLockConfiguration"))
		p.over = true
	case reply.Status == http.StatusUnauthorized || reply.Status == http.StatusForbidden:
		p.say("object lock", Warning, unknown, answered(reply, "s3:GetBucketObjectLockConfiguration"))
		p.over = true
	case strings.Contains(string(reply.Body), "DefaultRetention"):
		p.say("object lock", Warning, "the bucket locks every new object, so that nothing was written to it: what follows from writing is not known")
		p.over = true
	}
}

func (p *probe) put(ctx context.Context, cond backend.Conditions) error {
	w, err := p.store.Put(ctx, p.bucket, p.key, bytes.NewReader(p.body), int64(len(p.body)), cond)
	if err == nil {
		p.written = append(p.written, w)
	}
	return err
}

func (p *probe) writes(ctx context.Context) {
	if err := p.put(ctx, backend.Conditions{}); err != nil {
		p.stop("writing", "%s", told(err, "s3:PutObject"))
		if unsure(err) {
			p.written = append(p.written, backend.Written{})
			p.clean(ctx)
		}
		return
	}
	p.say("writing", OK, "")
}

func (p *probe) reads(ctx context.Context) {
	o, err := p.store.Get(ctx, p.bucket, p.key, backend.GetOptions{Range: &backend.Range{First: 1, Last: 3}})
	if err != nil {
		p.say("reading a range", Failed, "%s", told(err, "s3:GetObject"))
		return
	}
	defer o.Body.Close()
	got, err := io.ReadAll(io.LimitReader(o.Body, int64(len(p.body))))
	if err != nil || !bytes.Equal(got, p.body[1:4]) {
		p.say("reading a range", Failed, "the bytes are not those that were written")
		return
	}
	p.say("reading a range", OK, "")
}

// createsOnly: If-None-Match on an object that is there.
func (p *probe) createsOnly(ctx context.Context) {
	p.condition("If-None-Match", p.put(ctx, backend.Conditions{IfNoneMatch: true}),
		"a new bucket cannot be initialised for sealing, and clients' conditions and append-only clients are refused")
}

// replacesOnly: If-Match on an object that is another.
func (p *probe) replacesOnly(ctx context.Context) {
	p.condition("If-Match", p.put(ctx, backend.Conditions{IfMatch: never}), "clients' writes with this condition are refused, and so is the removal of buckets")
}

// condition judges the answer to a write whose condition does not hold.
func (p *probe) condition(name string, err error, lost string) {
	question := "writing with " + name
	var e *backend.Error
	switch {
	case err == nil:
		p.say(question, Warning, "the store ignores the condition: %s", lost)
	case errors.As(err, &e) && e.Kind == backend.Precondition:
		p.say(question, OK, "")
	case errors.As(err, &e) && e.Status == http.StatusNotImplemented:
		p.say(question, Warning, "the store has no such condition: %s", lost)
	default:
		p.say(question, Warning, "%s", told(err, "s3:PutObject"))
	}
}

// uploads: begun, given one part by us and one by the store itself, refused by its
// condition, and given up.
func (p *probe) uploads(ctx context.Context) {
	const question = "uploads in parts"
	id, err := p.store.CreateUpload(ctx, p.bucket, p.key)
	if err != nil {
		p.say(question, Failed, "large objects cannot be stored: %s", told(err, "s3:PutObject"))
		return
	}
	etag, err := p.store.UploadPart(ctx, p.bucket, p.key, id, 1, bytes.NewReader(p.body), int64(len(p.body)))
	if err != nil {
		p.say(question, Failed, "large objects cannot be stored: %s", told(err, "s3:PutObject"))
	} else {
		p.say(question, OK, "")
		if _, err := p.store.CopyPart(ctx, p.bucket, p.key, id, 2, backend.CopySource{Bucket: p.bucket, Key: p.key}, backend.Range{First: 0, Last: 3}); err != nil {
			p.say("copying inside the backend", Warning, "large objects cannot be copied: %s", told(err, "s3:GetObject and s3:PutObject"))
		} else {
			p.say("copying inside the backend", OK, "")
		}
		w, err := p.store.CompleteUpload(ctx, p.bucket, p.key, id, []backend.Part{{N: 1, ETag: etag}}, backend.Conditions{IfNoneMatch: true})
		if err == nil {
			p.written = append(p.written, w)
		}
		p.condition("If-None-Match in parts", err, "large uploads of append-only clients, and those with this condition, are refused")
		if err == nil {
			return // there is no upload any more
		}
	}
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	if err := p.store.AbortUpload(clean, p.bucket, p.key, id); err != nil {
		p.say(question, Warning, "an unfinished upload of %s is left: %s", p.key, told(err, "s3:AbortMultipartUpload"))
	}
}

// clean is removes with time of its own, whatever became of ctx.
func (p *probe) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	p.removes(ctx)
}

// removes takes away all that was written, by its versions where there are any.
func (p *probe) removes(ctx context.Context) {
	for _, w := range p.written {
		version := w.Version
		if version == backend.NullVersion {
			version = ""
		}
		if _, err := p.store.DeleteWith(ctx, p.bucket, p.key, backend.DeleteOptions{Version: version}); err != nil {
			p.say("deleting", Warning, "the object %s is left, and clients cannot delete: %s", p.key, told(err, "s3:DeleteObject"))
			return
		}
	}
	_, err := p.store.Head(ctx, p.bucket, p.key)
	var e *backend.Error
	if errors.As(err, &e) && e.Kind == backend.NotFound {
		p.say("deleting", OK, "")
		return
	}
	if err == nil {
		p.say("deleting", Warning, "the object %s is still there", p.key)
		return
	}
	// Without the right to list, S3 answers 403 for what is not there.
	p.say("deleting", Failed, "what was deleted is not answered as absent: %s", told(err, "s3:ListBucket"))
}

func unsure(err error) bool {
	var e *backend.Error
	return errors.As(err, &e) && (e.Unsure || e.Status == 0 || e.Status >= 500)
}

// told is an error for people: what the store said, and what usually mends it; permission
// as in advice.
func told(err error, permission string) string {
	var e *backend.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		return e.Error() + "; what answers there speaks no TLS: backend.endpoint begins with http:// then, or has another port"
	}
	return e.Error() + advice(e.Status, e.Code, permission)
}

// answered is told for an answer that is passed on.
func answered(r *backend.Reply, permission string) string {
	text := strings.TrimSpace(fmt.Sprintf("%d %s", r.Status, r.Code))
	if m := strings.TrimSuffix(r.Message, "."); m != "" {
		text += ": " + m
	}
	return text + advice(r.Status, r.Code, permission)
}

// refusesAll says that a code is about the credentials, whatever they ask for.
func refusesAll(code string) bool {
	switch code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "AuthorizationHeaderMalformed":
		return true
	}
	return false
}

// advice is what usually mends an answer of the store; status 0 is none. permission is
// what AWS calls the right to ask, or empty.
func advice(status int, code, permission string) string {
	switch {
	case code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch" || code == "AuthorizationHeaderMalformed":
		return "; look at backend.access_key, backend.secret_key and backend.region"
	case code == "RequestTimeTooSkewed":
		return "; set this machine's clock"
	case status == http.StatusForbidden:
		return strings.TrimSuffix("; these credentials lack the permission "+permission, " ")
	case code == "NoSuchBucket":
		return "; make the bucket"
	case status == 0:
		return "; look at backend.endpoint, the network and backend.ca_file"
	case status >= 300 && status < 400:
		return "; look at backend.endpoint, backend.region and backend.path_style"
	}
	return ""
}

func random() string {
	var b [8]byte
	rand.Read(b[:]) // never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}
