package server

import (
	"errors"
	"fmt"
	"strings"
)

// need says what an operation does to what it names; every route has one.
type need uint8

const (
	toList      need = 1 << iota // show names: of buckets, or below a prefix of one
	toRead                       // show an object, what is said of it, or that there is a bucket
	toInspect                    // show how a bucket is set up
	toCreate                     // make an object; of a grant without toOverwrite only where there is none
	toOverwrite                  // replace an object, or change what is said of it
	toDelete                     // remove objects
	toConfigure                  // make, remove or change a bucket
)

// Access is what a credential may do at most.
type Access string

// The presets.
const (
	ReadWrite  Access = "read-write"  // everything
	ReadOnly   Access = "read-only"   // list and read
	AppendOnly Access = "append-only" // list, read, and create what is not there; never overwrite or delete
)

// presets says which needs each preset meets.
var presets = map[Access]need{
	ReadWrite:  toList | toRead | toInspect | toCreate | toOverwrite | toDelete | toConfigure,
	ReadOnly:   toList | toRead | toInspect,
	AppendOnly: toList | toRead | toInspect | toCreate,
}

// ofWholeBuckets are the needs that a grant with prefixes does not meet.
const ofWholeBuckets = toInspect | toConfigure

// Grant is what a credential may do. The zero Grant is all that the Server does.
type Grant struct {
	Access   Access   // zero = ReadWrite
	Verbs    []string // of what Access allows, these operations alone; names as Operations gives them; empty = all
	Buckets  []string // exact names; empty = all that the Server serves
	Prefixes []string // keys must begin with one of these; empty = all keys
}

// grant is a Grant that was checked. It is not changed.
type grant struct {
	meets    need
	verbs    map[string]bool // nil = all
	buckets  map[string]bool // nil = all
	prefixes []string        // nil = all keys
}

// compile checks a Grant; the error names the bad field.
func (g Grant) compile() (*grant, error) {
	meets, ok := presets[orDefault(g.Access, ReadWrite)]
	if !ok {
		return nil, fmt.Errorf("field Access: %q is no preset", g.Access)
	}
	out := &grant{meets: meets}
	for _, op := range g.Verbs {
		if !knownOperation(op) {
			return nil, fmt.Errorf("field Verbs: %q is no operation", op)
		}
		if !g.Reaches(op) {
			return nil, fmt.Errorf("field Verbs: Access or Prefixes rule out %q", op)
		}
		if out.verbs == nil {
			out.verbs = map[string]bool{}
		}
		out.verbs[op] = true
	}
	for _, b := range g.Buckets {
		if !bucketNameOK(b) {
			return nil, fmt.Errorf("field Buckets: %q is not a bucket name", b)
		}
		if out.buckets == nil {
			out.buckets = map[string]bool{}
		}
		out.buckets[b] = true
	}
	for _, p := range g.Prefixes {
		if p == "" {
			return nil, errors.New("field Prefixes: an empty prefix allows every key; leave the list empty")
		}
		out.prefixes = append(out.prefixes, p)
	}
	return out, nil
}

// operation says whether the grant has an operation at all.
func (g *grant) operation(op string, n need) bool {
	return g.meets&n != 0 && (g.verbs == nil || g.verbs[op])
}

// bucket says whether the grant covers a bucket.
func (g *grant) bucket(name string) bool { return g.buckets == nil || g.buckets[name] }

// below says whether the grant covers every key that begins with prefix, which may
// be a whole key. A store that resolves .. would leave the prefix there, be it in
// percent-encoding.
func (g *grant) below(prefix string) bool {
	if g.prefixes == nil {
		return true
	}
	if climbs(prefix) {
		return false
	}
	for _, p := range g.prefixes {
		if strings.HasPrefix(prefix, p) {
			return true
		}
	}
	return false
}

// decodeClimb decodes what could hide a .. segment, whatever else is encoded, or badly so.
var decodeClimb = strings.NewReplacer("%2e", ".", "%2E", ".", "%2f", "/", "%2F", "/", "%25", "%")

// climbs says whether a key has a segment that is .. or could be decoded to one.
func climbs(key string) bool {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == ".." {
			return true
		}
	}
	// Each round is shorter, so this ends.
	if plain := decodeClimb.Replace(key); plain != key {
		return climbs(plain)
	}
	return false
}

// createsOnly says that what the grant lets an operation create must not replace
// anything.
func (g *grant) createsOnly(n need) bool { return n == toCreate && !g.replaces() }

// replaces says whether the grant lets objects of others be replaced.
func (g *grant) replaces() bool { return g.meets&toOverwrite != 0 }

// Operations are the names of all operations, as Grant.Verbs takes them; the slice
// is the caller's own.
func Operations() []string {
	out := append(make([]string, 0, len(routes)+1), postObject.op)
	for _, r := range routes {
		out = append(out, r.op)
	}
	return out
}

// Reaches says whether a client can do an operation anywhere, whatever Verbs has: one
// that Access or Prefixes rule out would stand among them without effect.
func (g Grant) Reaches(op string) bool {
	n, known := needOf(op)
	if len(g.Prefixes) > 0 && n&ofWholeBuckets != 0 {
		return false
	}
	return known && presets[orDefault(g.Access, ReadWrite)]&n != 0
}

func knownOperation(op string) bool {
	_, known := needOf(op)
	return known
}

// needOf is what an operation does to what it names.
func needOf(op string) (n need, known bool) {
	if op == postObject.op {
		return postObject.needs, true
	}
	for i := range routes {
		if routes[i].op == op {
			return routes[i].needs, true
		}
	}
	return 0, false
}
