package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// To S3 a key is its bytes. A store over a file system, or behind a front that tidies
// paths, resolves some of them: `a//b` and `a/./b` are then the object `a/b`, which a
// write under the other name would destroy. Reads would be refused, since a block is
// bound to its key, but the loss is done by then. So a key that some stores take for
// another one is let through only to a store that keeps the two apart.

// KeyRules says which keys the backend is trusted with.
type KeyRules uint8

const (
	// KeyRulesAuto asks the backend, once an hour for each bucket and kind of key:
	// the bucket's state object, which always exists, must not be found under other
	// spellings of its name.
	KeyRulesAuto KeyRules = iota
	// KeyRulesAny lets every key through. It is for a backend that is known to keep
	// all keys apart and whose answers to the questions above mislead.
	KeyRulesAny
	// KeyRulesPosix refuses keys with empty, . and .. segments, and asks nothing.
	KeyRulesPosix
)

// keyKind is a kind of keys that some stores take for other ones.
type keyKind struct {
	name string // in "the key has …"
	has  func(key string) bool
	// probes are other spellings of the state object of a bucket.
	probes func(bucket string) []string
	// posix: refused under KeyRulesPosix, and where the store does not take the
	// probes for names at all. For the other kinds a refusal is the store's to make.
	posix bool
}

// keyKinds is every such kind.
var keyKinds = []keyKind{
	{"an empty segment", func(k string) bool { return k[0] == '/' || strings.Contains(k, "//") },
		func(string) []string { return []string{"/" + format.StateKey} }, true},
	// The first is for stores that resolve no further than the bucket.
	{"a segment that is . or ..", hasDots,
		func(bucket string) []string {
			return []string{"./" + format.StateKey, "../" + bucket + "/" + format.StateKey}
		}, true},
	{"a slash at its end", func(k string) bool { return strings.HasSuffix(k, "/") },
		func(string) []string { return []string{format.StateKey + "/"} }, false},
	{"a percent-encoding in it", hasEscape,
		func(string) []string { return []string{strings.ReplaceAll(format.StateKey, ".", "%2E")} }, false},
}

func hasDots(key string) bool {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func hasEscape(key string) bool {
	for i := 0; i+2 < len(key); i++ {
		if key[i] == '%' && hexDigit(key[i+1]) >= 0 && hexDigit(key[i+2]) >= 0 {
			return true
		}
	}
	return false
}

// ownName says whether a key is, or could be resolved to, a name of the proxy's own.
// It holds whatever the rules: an object of ours that is gone takes its bucket along.
func ownName(key string) bool {
	if strings.HasPrefix(strings.TrimLeft(key, "/"), format.ReservedPrefix) {
		return true
	}
	if hasDots(key) {
		for segment := range strings.SplitSeq(key, "/") {
			if strings.HasPrefix(segment, format.ReservedPrefix) {
				return true
			}
		}
	}
	if hasEscape(key) {
		// Each round is shorter, so this ends.
		if plain, err := url.PathUnescape(key); err == nil && plain != key {
			return ownName(plain)
		}
	}
	return false
}

// keyRulesTTL is how long an answer of the backend about its names is trusted.
const keyRulesTTL = time.Hour

// keyRules remembers what buckets said. Safe for concurrent use.
type keyRules struct {
	mode KeyRules
	mu   sync.Mutex
	seen map[keyQuestion]keyAnswer // of buckets that have a state
}

type keyQuestion struct {
	id     format.BucketID
	bucket string
	kind   int // in keyKinds
}

type keyAnswer struct {
	apart bool
	at    time.Time
}

// admitKey refuses a key that the backend may take for another one: nil, or
// InvalidArgument, or InvalidName for one that is no name there, or why the backend could not be asked. write: something will be
// stored or removed, for which a fresh bucket has to have its state first.
func (s *Server) admitKey(ctx context.Context, bucketName, key string, write bool) error {
	if key == "" || s.keyRules.mode == KeyRulesAny {
		return nil
	}
	for n, kind := range keyKinds {
		if !kind.has(key) {
			continue
		}
		apart := !kind.posix
		if s.keyRules.mode == KeyRulesAuto {
			var err error
			if apart, err = s.keepsApart(ctx, bucketName, n, write); err != nil {
				return err
			}
		}
		if !apart && nameless(key) {
			return s3err.New(s3err.InvalidName, "the key has %s; the backend would take it for another key", kind.name)
		}
		if !apart {
			return s3err.New(s3err.InvalidArgument, "the key has %s; the backend would take it for another key", kind.name)
		}
	}
	return nil
}

// admitSource is admitKey for the source of a copy. Of a bucket that is not there nobody
// can say what it does with dots: the name is what is wrong first. A key that is refused
// and has a question mark, which was encoded, was meant to name a version by what follows it.
func (s *Server) admitSource(ctx context.Context, bucketName, key string) error {
	err := s.admitKey(ctx, bucketName, key, false)
	if !refusedKey(err) && !(backendKind(err) == backend.NoBucket && hasDots(key)) {
		return err
	}
	if _, version, ok := strings.Cut(key, "?"+versionParam+"="); ok {
		return s3err.Argument(versionParam, version, "Invalid version id specified")
	}
	return s3err.Argument("x-amz-copy-source", key, "Invalid copy source object key")
}

// refusedKey says whether admitKey refused the key itself.
func refusedKey(err error) bool {
	var own *s3err.Error
	return errors.As(err, &own) && (own.Code == s3err.InvalidArgument || own.Code == s3err.InvalidName)
}

// nameless says whether nothing is left of a key where names are paths, or more than its
// last part may be resolved away: dots, or slashes alone. S3 itself answers keys that climb
// out of their bucket with a bare 400.
func nameless(key string) bool { return hasDots(key) || strings.Trim(key, "/") == "" }

// keepsApart asks the backend whether keys of a kind are names of their own.
func (s *Server) keepsApart(ctx context.Context, bucketName string, kind int, write bool) (bool, error) {
	ring, err := s.keys.Ring()
	if err != nil {
		return false, err
	}
	b, err := s.gate.open(ctx, ring, bucketName, write)
	if err != nil {
		return false, err
	}
	if b.fresh {
		return true, nil // nothing is there to be read
	}
	q := keyQuestion{b.id, bucketName, kind}
	if a, ok := s.keyRules.known(q, s.now()); ok {
		return a, nil
	}
	apart := true
	for _, probe := range keyKinds[kind].probes(bucketName) {
		switch found, err := s.probeName(ctx, bucketName, probe); {
		case errors.Is(err, errNoName):
			apart = apart && !keyKinds[kind].posix
		case err != nil:
			return false, err
		default:
			apart = apart && !found
		}
	}
	s.keyRules.note(q, keyAnswer{apart, s.now()})
	return apart, nil
}

// errNoName: the backend does not take a key for a name at all.
var errNoName = errors.New("the backend refuses the name")

// probeName says whether the backend finds an object under a name. Only S3's own word
// for absence counts as absence.
func (s *Server) probeName(ctx context.Context, bucketName, key string) (found bool, err error) {
	// Past nameStore: a sealed spelling would be found nowhere.
	obj, err := s.gate.backend.Get(ctx, bucketName, key, backend.GetOptions{Range: &backend.Range{First: 0, Last: 0}})
	if err == nil {
		obj.Body.Close()
		return true, nil
	}
	if errors.Is(err, backend.ErrRange) {
		return true, nil // it is empty, but there
	}
	var e *backend.Error
	if !errors.As(err, &e) {
		return false, err
	}
	switch {
	case e.Kind == backend.NotFound:
		return false, nil
	case refusesName(e):
		return false, errNoName
	}
	return false, err
}

// refusesName says whether an answer is about the name that was asked for, and will be
// the same the next time. What may be about the request, the region, or a front that
// has lost its store, says nothing of names.
func refusesName(e *backend.Error) bool {
	switch e.Status {
	case http.StatusBadRequest:
		return !slices.Contains(aboutRequests[:], e.Code)
	case http.StatusMovedPermanently, http.StatusFound, http.StatusPermanentRedirect: // to a tidied path
		return e.Code == ""
	case http.StatusMethodNotAllowed, http.StatusRequestURITooLong, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return true
	}
	return false
}

// aboutRequests are S3's codes of status 400 that say nothing of the key.
var aboutRequests = [...]string{
	"AuthorizationHeaderMalformed", "BadDigest", "ExpiredToken", "IncompleteBody", "InternalError", "InvalidSecurity", "InvalidToken", "MissingSecurityHeader",
	"RequestTimeout", "SlowDown", "Throttling", "ThrottlingException", "TokenRefreshRequired", "XAmzContentSHA256Mismatch",
}

func (k *keyRules) known(q keyQuestion, now time.Time) (apart, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.seen[q]
	return a.apart, ok && now.Sub(a.at) < keyRulesTTL
}

func (k *keyRules) note(q keyQuestion, a keyAnswer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen[q] = a
}
