package server

import (
	"errors"
	"fmt"
	"time"
)

// Terms are what clients may do here: the part of a Config that can be replaced while
// the Server serves. The zero value of each field means what it means there.
type Terms struct {
	Credentials    []Credential // required: at least one, access keys and names distinct
	AllowedBuckets []string
	CORS           []CORSRule
	BucketCORS     bool // clients may keep further rules with their buckets, at the backend
	PostForms      bool
}

// terms are Terms that were checked. They are not changed; a request is verified,
// judged and answered by the ones that were in force when it began.
type terms struct {
	*clients
	allowed   map[string]bool // nil = every bucket
	cors      []CORSRule
	postForms bool

	bucketCORS bool
}

// compile checks Terms, whose signatures must name the region, if there is one; the error
// names the bad field.
func (t Terms) compile(region string, now func() time.Time) (*terms, error) {
	creds, err := newClients(t.Credentials, region, now)
	if err != nil {
		return nil, err
	}
	out := &terms{clients: creds, cors: t.CORS, postForms: t.PostForms, bucketCORS: t.BucketCORS}
	for _, b := range t.AllowedBuckets {
		if !bucketNameOK(b) {
			return nil, fmt.Errorf("AllowedBuckets: %q is not a bucket name", b)
		}
		if out.allowed == nil {
			out.allowed = make(map[string]bool, len(t.AllowedBuckets))
		}
		out.allowed[b] = true
	}
	for i, rule := range t.CORS {
		if err := rule.check(); err != nil {
			return nil, fmt.Errorf("CORS[%d]: %w", i, err)
		}
	}
	return out, nil
}

// serves says whether clients may name a bucket.
func (t *terms) serves(bucket string) bool { return t.allowed == nil || t.allowed[bucket] }

// ErrTerms is that of Terms that cannot be.
var ErrTerms = errors.New("cannot use the terms")

// SetTerms replaces all terms at once. Requests that had begun go on under those they
// came with. On an error (ErrTerms, which names the field) nothing changes.
func (s *Server) SetTerms(t Terms) error {
	in, err := t.compile(s.region, s.now)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrTerms, err)
	}
	s.metrics.meet(in)
	s.terms.Store(in)
	return nil
}
