package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// Config is everything a Server needs. It is not changed after New, but for what
// SetTerms replaces.
type Config struct {
	Backend     Backend          // required
	Keys        KeySource        // required
	Engine      *pipeline.Engine // required; shared, closed by its owner
	Hashing     *hashing.Engine  // zero = the fastest kernel of this CPU
	Credentials []Credential     // required: at least one, access keys and names distinct

	// Region is the one that signatures and new buckets must name; empty = any.
	Region string
	// PostForms: files may be uploaded by browsers' forms.
	PostForms bool
	// CORS are the rules for pages in browsers; empty = none may use the proxy.
	CORS []CORSRule
	// BucketCORS lets clients keep further rules with their buckets, at the backend.
	BucketCORS bool

	// AllowedBuckets are the buckets clients may name, as source too; empty = all.
	AllowedBuckets []string

	// KeyRules says which keys the backend is trusted with; zero = it is asked.
	KeyRules KeyRules
	// EmulateConditions: conditions of clients' writes that the backend ignores are held
	// by this process, which sees its own writes alone; false = such writes are refused.
	EmulateConditions bool

	// ETags says what clients see as the ETag of an object.
	ETags ETagMode
	// DefaultChecksum is computed of objects whose clients send no checksum, sealed with
	// them and shown as one that the client sent.
	DefaultChecksum DefaultChecksum
	// ETagCache is how many ETags are remembered for listings under ETagMD5, some
	// 150 bytes each; zero = none.
	ETagCache int

	// Suite seals new objects; zero = XChaCha20-Poly1305. Every suite is read.
	Suite format.Suite
	// BlockSize is the object block of buckets initialised from now on, in
	// bytes; zero = format.DefaultBlockSize. An existing bucket keeps its own.
	BlockSize int

	// SealNames and PadSizes are the buckets whose names are sealed, and whose sizes are
	// padded, "*" being all: of those initialised from now on, which keep it. A bucket
	// that is in them by its name and was initialised otherwise is refused.
	SealNames, PadSizes []string

	// WholeObject: bodies up to this many bytes are sealed in memory and sent as
	// one retryable PUT; larger ones become a backend multipart upload. Zero = 64 MiB.
	WholeObject int64
	// Threads is how many connections to the backend move one large object: ranges of a GET,
	// parts of a PUT. Up to 1: one.
	Threads int
	// Resume stores a receipt of every part of an upload, by which ListParts can give
	// its ETags out again: two small backend calls for each part.
	Resume bool
	// BlockHint: the block of new objects is stored as user metadata, too, if it fits
	// (backend.MaxHint), so that HeadObject can tell the metadata of archived ones.
	BlockHint bool
	// MaxObject is the largest body of one PUT, in bytes; zero = 5 GiB.
	MaxObject int64

	MaxConnections  int           // zero = 4096; further clients wait to be accepted
	HeaderTimeout   time.Duration // from the first byte to the last header; zero = 30 s
	ProgressTimeout time.Duration // for each 64 KiB of a body, either way; zero = 60 s
	IdleTimeout     time.Duration // between requests; zero = 180 s (PBS reuses for 90 s)

	// ShowNames: Figures has the names of buckets, objects and clients of the last
	// requests, which are kept in memory for that.
	ShowNames bool

	Now     func() time.Time // zero = time.Now
	Log     zerolog.Logger
	Metrics *Metrics // zero = a fresh one

	lease     time.Duration // zero = leaseTime
	rangeSize int64         // zero = rangeBytes
}

// Server is the S3 front. Make it with New.
type Server struct {
	backend  store
	keys     KeySource
	engine   *pipeline.Engine
	hashing  *hashing.Engine
	region   string
	terms    atomic.Pointer[terms]
	gate     *gate
	trials   trials
	keyRules keyRules
	rules    *rulesCache // CORS, of buckets
	locks    *lockCache

	blockHint bool
	checksums DefaultChecksum
	etagMode  ETagMode
	etags     *etagCache
	etagReads chan struct{} // a slot for each block that is read for a listing or a list of removals

	suite       format.Suite
	wholeObject int64
	maxObject   int64
	receipts    bool
	threads     int
	rangeSize   int64
	ranges      sync.Pool // of *[]byte, of rangeSize each
	progress    time.Duration
	now         func() time.Time
	log         zerolog.Logger
	metrics     *Metrics

	http     *fasthttp.Server
	maxConns int
	draining atomic.Bool
	running  atomic.Int64    // requests that a drain waits for
	ctx      context.Context // ends when the drain is over
	stop     context.CancelFunc

	ready readyCache

	forms    chan struct{} // a slot for each form that is read up to its file
	formWait time.Duration // for a slot
}

// New checks a Config and makes a Server; the error names the bad field.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Backend == nil:
		return nil, errors.New("cannot make a server: Backend is nil")
	case cfg.Keys == nil:
		return nil, errors.New("cannot make a server: Keys is nil")
	case cfg.Engine == nil:
		return nil, errors.New("cannot make a server: Engine is nil")
	case cfg.WholeObject < 0 || cfg.MaxObject < 0 || cfg.MaxConnections < 0 || cfg.ETagCache < 0:
		return nil, errors.New("cannot make a server: WholeObject, MaxObject, MaxConnections and ETagCache must not be negative")
	}
	for _, b := range slices.Concat(cfg.SealNames, cfg.PadSizes) {
		if b != "*" && !bucketNameOK(b) {
			return nil, fmt.Errorf("cannot make a server: SealNames or PadSizes: %q is not a bucket name", b)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Hashing == nil {
		var err error
		if cfg.Hashing, err = hashing.New(hashing.Auto, runtime.GOMAXPROCS(0)); err != nil {
			return nil, fmt.Errorf("cannot make a server: %w", err)
		}
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics()
	}
	s := &Server{
		keys:        cfg.Keys,
		engine:      cfg.Engine,
		hashing:     cfg.Hashing,
		region:      cfg.Region,
		blockHint:   cfg.BlockHint,
		etagMode:    cfg.ETags,
		checksums:   cfg.DefaultChecksum,
		etags:       newETagCache(cfg.ETagCache),
		etagReads:   make(chan struct{}, etagReads),
		keyRules:    keyRules{mode: cfg.KeyRules, seen: map[keyQuestion]keyAnswer{}},
		suite:       orDefault(cfg.Suite, format.XChaCha20Poly1305),
		wholeObject: orDefault(cfg.WholeObject, 64<<20),
		receipts:    cfg.Resume,
		threads:     max(1, cfg.Threads),
		rangeSize:   orDefault(cfg.rangeSize, rangeBytes),
		maxObject:   orDefault(cfg.MaxObject, 5<<30),
		progress:    orDefault(cfg.ProgressTimeout, 60*time.Second),
		maxConns:    orDefault(cfg.MaxConnections, 4096),
		now:         cfg.Now,
		log:         cfg.Log,
		metrics:     cfg.Metrics,
	}
	in, err := Terms{Credentials: cfg.Credentials, AllowedBuckets: cfg.AllowedBuckets, CORS: cfg.CORS, BucketCORS: cfg.BucketCORS, PostForms: cfg.PostForms}.compile(cfg.Region, cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("cannot make a server: %w", err)
	}
	s.metrics.meet(in)
	s.terms.Store(in)
	s.forms, s.formWait = make(chan struct{}, maxForms), formWait
	s.gate = newGate(cfg.Backend, orDefault(cfg.BlockSize, format.DefaultBlockSize), cfg.Now)
	s.gate.lease = orDefault(cfg.lease, leaseTime)
	s.gate.emulated.on = cfg.EmulateConditions
	s.gate.seals, s.gate.pads = newBucketSet(cfg.SealNames), newBucketSet(cfg.PadSizes)
	s.backend = &nameStore{store: cfg.Backend, gate: s.gate, unnamable: s.metrics.unnamableListed}
	s.rules = newRulesCache(cfg.Backend, cfg.Now)
	s.locks = newLockCache(cfg.Backend, cfg.Now)
	s.metrics.recent.names = cfg.ShowNames
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.refuseMalformed,
		Name:                         "s3-crypt-proxy",
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultContentType:         true,
		MaxRequestBodySize:           1, // in stream mode: bytes read before the handler runs; admitBody holds the real limit
		ReadBufferSize:               headerBytes,
		WriteBufferSize:              16 << 10,
		ReadTimeout:                  orDefault(cfg.HeaderTimeout, 30*time.Second),
		IdleTimeout:                  orDefault(cfg.IdleTimeout, 180*time.Second),
		Concurrency:                  s.maxConns + 64, // the listener's limit holds first
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{},
	}
	s.metrics.watch(s)
	return s, nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// quiet drops fasthttp's own lines: they repeat what clients sent.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// Serve accepts connections until Shutdown. The listener is already TLS where
// TLS is wanted. Past MaxConnections it stops accepting: clients wait.
func (s *Server) Serve(ln net.Listener) error {
	if passthrough {
		s.log.Error().Msg("THIS BUILD DOES NOT SEAL: it is for benchmarks on loopback only")
		if a, ok := ln.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
			return errors.New("cannot serve: a build that does not seal listens on loopback only")
		}
	}
	if err := s.http.Serve(newLimitListener(ln, s.maxConns, s.progress)); err != nil {
		return fmt.Errorf("cannot serve on %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops accepting, lets running requests end, and returns when all
// have or ctx ends; then what still runs is cut.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.stop()
	if err := s.http.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("cannot drain all connections: %w", err)
	}
	return nil
}

// handle is the border: everything that can go wrong with a request ends here
// in one answer, one log line and one count.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	s.metrics.active.Add(1)
	life, end := context.WithCancel(s.ctx)
	stop := watchClient(ctx.Conn(), end)
	r := &request{http: ctx, id: newRequestID(), began: time.Now(), terms: s.terms.Load()}
	r.effort.Context = life
	r.ctx = &r.effort
	r.end = func() { r.turn.End(); stop(); end() }
	r.log = s.log.With().Str("request_id", r.id).Logger()
	r.body = body{src: ctx.RequestBodyStream(), conn: ctx.Conn(), progress: s.progress, want: digests{engine: s.hashing}}
	ctx.Response.Header.Set("x-amz-request-id", r.id)

	err := s.protect(r)
	if err != nil {
		s.fail(r, err)
	}
	s.shareAnswer(r)
	if !r.body.drain() {
		ctx.Response.SetConnectionClose()
	}
	if st, ok := ctx.Response.BodyStream().(*plainBody); ok {
		st.done = func(err error) {
			r.sent = st.written
			s.finish(r, err)
		}
		return
	}
	if !ctx.Response.IsBodyStream() && !ctx.IsHead() {
		r.sent = int64(len(ctx.Response.Body()))
	}
	s.finish(r, err)
}

// protect turns a panic into an answer; the process goes on and the count says
// that something must be mended.
func (s *Server) protect(r *request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.metrics.panics.Inc()
			r.log.Error().Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Msg("cannot serve the request: internal error")
			err = s3err.New(s3err.InternalError, "internal error")
		}
	}()
	return s.serve(r)
}

// serve runs the request through its checks, in the order of doc.go.
func (s *Server) serve(r *request) error {
	if err := s.admit(r); err != nil {
		return err
	}
	h := &r.http.Request.Header
	raw := h.RawHeaders()
	if err := checkFrame(raw); err != nil {
		r.http.Response.SetConnectionClose()
		return err
	}
	if err := checkHeaderSize(raw); err != nil {
		return err
	}
	if n := h.ContentLength(); n >= 0 {
		r.body.wire = int64(n)
	} else if r.body.src != nil {
		r.body.wire = chunkedWire
	}
	r.lines = signedHeaders(raw)
	rawTarget := string(h.RequestURI())
	var err error
	if r.target, err = parseTarget(rawTarget); err != nil {
		return err
	}
	if h.IsOptions() {
		return s.answerPreflight(r)
	}
	if err := r.checkShape(string(h.Method())); err != nil {
		return err
	}
	if err := r.checkForm(); err != nil {
		return err
	}
	if s.isForm(r) {
		if err := s.takeForm(r); err != nil {
			return err
		}
		if err := s.scope(r, toCreate, r.bucket, r.key); err != nil {
			return err
		}
		if err := r.checkOwner(); err != nil {
			return err
		}
		if err := s.admitKey(r.ctx, r.bucket, r.key, true); err != nil {
			return err
		}
		return s.perform(r)
	}
	verified, err := s.authenticate(r, rawTarget)
	if err != nil {
		return r.unsigned(err)
	}
	if verified.Presigned {
		r.query = slices.DeleteFunc(r.query, func(p param) bool { return sigv4.AuthParam(p.name) })
	}
	if err := checkStreamed(r, verified.Payload.Mode); err != nil {
		return err
	}
	if r.route, err = match(string(h.Method()), r.target, r.hasHeader); err != nil {
		return err
	}
	if err := s.scope(r, r.route.needs, r.bucket, r.key); err != nil {
		return err
	}
	if err := r.checkOwner(); err != nil {
		return err
	}
	if err := s.admitBody(r, verified); err != nil {
		return err
	}
	if err := s.admitKey(r.ctx, r.bucket, r.key, r.route.method != "GET" && r.route.method != "HEAD"); err != nil {
		return err
	}
	return s.perform(r)
}

// refuseMalformed answers what fasthttp could not parse; the connection closes.
func (s *Server) refuseMalformed(ctx *fasthttp.RequestCtx, err error) {
	answer := s3err.New(s3err.InvalidRequest, "the request is malformed")
	var small *fasthttp.ErrSmallBuffer
	var netErr *net.OpError
	switch {
	case errors.As(err, &small):
		answer = errHeaderSection()
	case errors.As(err, &netErr) && netErr.Timeout():
		answer = s3err.New(s3err.RequestTimeout, "the request headers did not arrive in time")
	}
	s.metrics.malformed.Inc()
	id := newRequestID()
	writeError(ctx, answer, "", id)
	ctx.SetConnectionClose()
	// Without the error: it repeats what the client sent.
	s.log.Info().Str("request_id", id).Str("fault", "malformed").Str("op", noOperation).Int("status", answer.Status()).Int64("in", 0).Int64("out", int64(len(ctx.Response.Body()))).
		Dur("took_ms", 0).Str("client", ctx.RemoteAddr().String()).Msg("request")
}
