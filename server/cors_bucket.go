package server

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// Rules of buckets. Where the configuration asks for it, clients keep CORS rules with
// their buckets, as at S3 (PutBucketCors): the backend stores them, and the proxy goes
// by them, behind its own. Browsers ask without a signature, so what such a question may
// cost the backend is bounded: one call for a bucket in rulesTTL, asksPerSecond calls in
// all, and none for a bucket that no client may use.

const (
	// rulesTTL is how long rules that were read are gone by: a change by another proxy
	// takes effect after it at the latest.
	rulesTTL = 30 * time.Second
	// maxRuled bounds the buckets whose rules are remembered.
	maxRuled = 1024
	// maxRules is S3's limit on a bucket's rules.
	maxRules = 100
	// maxRulesDoc bounds the document they stand in: S3's has 64 KiB.
	maxRulesDoc = 128 << 10
	// asksPerSecond bounds what unsigned requests make of calls to the backend.
	asksPerSecond = 10
	// rulesTime bounds one of them.
	rulesTime = 10 * time.Second
)

var corsRoutes = []route{
	ruled(relayed("GetBucketCors", "GET", onBucket, toInspect, "cors", noBody)),
	ruled(relayed("PutBucketCors", "PUT", onBucket, toConfigure, "cors", optionalBody)),
	ruled(relayed("DeleteBucketCors", "DELETE", onBucket, toConfigure, "cors", noBody)),
}

func ruled(r route) route {
	r.serve = (*Server).relayRules
	return r
}

// relayRules passes rules on, where the configuration lets clients have some.
func (s *Server) relayRules(r *request) error {
	if !r.terms.bucketCORS {
		return s3err.New(s3err.NotImplemented, "the operation is not implemented; pages talk to the proxy and not to the backend: rules are in the proxy's configuration, cors, or with bucket_cors at the bucket")
	}
	if r.route.method != http.MethodGet {
		defer s.rules.forget(r.bucket)
	}
	return s.relay(r)
}

// bucketRules are the CORS rules of one bucket, or why there are none. Not changed.
type bucketRules struct {
	rules []CORSRule
	err   error // NoSuchBucket
	read  time.Time
}

// rulesCache remembers the rules of buckets. Safe for concurrent use.
type rulesCache struct {
	backend store
	now     func() time.Time
	flights singleflight.Group

	mu      sync.Mutex
	known   map[string]*bucketRules
	changes int       // calls of forget: what was read before one is not kept
	asks    float64   // left for unsigned requests
	filled  time.Time // when asks was counted
}

func newRulesCache(from store, now func() time.Time) *rulesCache {
	return &rulesCache{backend: from, now: now, known: map[string]*bucketRules{}, asks: asksPerSecond, filled: now()}
}

func (c *rulesCache) forget(bucket string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.known, bucket)
	c.flights.Forget(bucket)
}

// cached are rules that still count, or nil.
func (c *rulesCache) cached(bucket string) *bucketRules {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.known[bucket]; b != nil && c.now().Sub(b.read) < rulesTTL {
		return b
	}
	return nil
}

// allowed takes one of the calls that unsigned requests may cause.
func (c *rulesCache) allowed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	c.asks = min(asksPerSecond, c.asks+max(0, now.Sub(c.filled).Seconds())*asksPerSecond)
	c.filled = now
	if c.asks < 1 {
		return false
	}
	c.asks--
	return true
}

// of are the rules of a bucket. An unsigned request is refused with SlowDown where the
// backend would have to be asked too often.
func (c *rulesCache) of(ctx context.Context, bucket string, signed bool) (*bucketRules, error) {
	if b := c.cached(bucket); b != nil {
		return b, nil
	}
	if !signed && !c.allowed() {
		return nil, s3err.New(s3err.SlowDown, "too many buckets are asked for their CORS rules at a time")
	}
	flight := c.flights.DoChan(bucket, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rulesTime)
		defer cancel()
		return c.read(ctx, bucket)
	})
	select {
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*bucketRules), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// read asks the backend, and remembers what it says: that there are no rules too, and
// that it does not have any for us. A failure counts for nothing.
func (c *rulesCache) read(ctx context.Context, bucket string) (*bucketRules, error) {
	c.mu.Lock()
	before := c.changes
	c.mu.Unlock()
	b := &bucketRules{read: c.now()}
	reply, err := c.backend.Relay(ctx, backend.Question{Op: "GetBucketCors", Method: http.MethodGet, Bucket: bucket, Query: url.Values{"cors": {""}}, Header: http.Header{}})
	switch {
	case backendKind(err) == backend.NoBucket || err == nil && reply.Code == string(s3err.NoSuchBucket):
		b.err = s3err.New(s3err.NoSuchBucket, "")
	case err != nil:
		return nil, err
	case reply.Status >= 500 && reply.Status != http.StatusNotImplemented:
		return nil, s3err.Relayed(reply.Status, reply.Code, reply.Message)
	case reply.Code == "" && reply.Status < 300:
		b.rules = parseRules(reply.Body)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes == before {
		c.keep(bucket, b)
	}
	return b, nil
}

// keep makes room for an entry: old ones go first, then any.
func (c *rulesCache) keep(bucket string, b *bucketRules) {
	if len(c.known) >= maxRuled {
		for name, old := range c.known {
			if b.read.Sub(old.read) >= rulesTTL {
				delete(c.known, name)
			}
		}
		for name := range c.known {
			if len(c.known) < maxRuled {
				break
			}
			delete(c.known, name)
		}
	}
	c.known[bucket] = b
}

// parseRules reads a CORSConfiguration. A rule that could not stand in the
// configuration, or says more than headers can carry, is for nobody.
func parseRules(doc []byte) (rules []CORSRule) {
	var in struct {
		XMLName xml.Name `xml:"CORSConfiguration"`
		Rules   []struct {
			Origins []string `xml:"AllowedOrigin"`
			Methods []string `xml:"AllowedMethod"`
			Headers []string `xml:"AllowedHeader"`
			Expose  []string `xml:"ExposeHeader"`
			MaxAge  string   `xml:"MaxAgeSeconds"`
		} `xml:"CORSRule"`
	}
	if len(doc) > maxRulesDoc || readXML(doc, &in) != nil || len(in.Rules) > maxRules {
		return nil
	}
	for _, r := range in.Rules {
		rule := CORSRule{Origins: r.Origins, Methods: r.Methods, Headers: r.Headers, Expose: r.Expose, bucket: true}
		if n, err := strconv.ParseInt(strings.TrimSpace(r.MaxAge), 10, 32); err == nil && n > 0 {
			rule.MaxAge = time.Duration(n) * time.Second
		}
		if rule.check() == nil {
			rules = append(rules, rule)
		}
	}
	return rules
}

// rulesOf are the rules that a request goes by: the proxy's own, and behind them those
// of its bucket, which an unsigned request that is no preflight is not worth a call.
func (s *Server) rulesOf(r *request, bucket string) ([]CORSRule, error) {
	signed := r.client != nil
	switch {
	case !r.terms.bucketCORS || bucket == "" || !r.terms.reaches(bucket),
		signed && !r.client.grant.bucket(bucket):
		return r.terms.cors, nil
	case !signed && r.route != &preflight:
		b := s.rules.cached(bucket)
		if b == nil {
			b = &bucketRules{}
		}
		return append(r.terms.cors[:len(r.terms.cors):len(r.terms.cors)], b.rules...), nil
	}
	b, err := s.rules.of(r.ctx, bucket, signed)
	if err == nil {
		err = b.err
	}
	if err != nil {
		return r.terms.cors, err
	}
	return append(r.terms.cors[:len(r.terms.cors):len(r.terms.cors)], b.rules...), nil
}

// reaches says whether any client may use a bucket.
func (t *terms) reaches(bucket string) bool {
	if !bucketNameOK(bucket) || !t.serves(bucket) {
		return false
	}
	for _, c := range t.byKey {
		if c.grant.bucket(bucket) {
			return true
		}
	}
	return false
}
