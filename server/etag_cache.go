package server

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// etagCache remembers which ETag objects are shown with, and what their checksums are, for
// listings: there the backend says everything else, but for these an object's block must be opened. An
// entry is bound to the stored bytes by the backend's ETag, so it is never wrong, and
// never has to be taken back. It holds hashes and no names: an entry has a fixed size.
// Safe for concurrent use.
type etagCache struct {
	half int // entries of a generation
	mu   sync.Mutex
	// Two generations: what is asked for moves to the younger, and when that is full
	// the older is dropped.
	young, old map[etagKey]cachedETag
}

type etagKey [sha256.Size]byte

// cachedETag is the part of an object's metadata that its ETag is made of, and which
// checksum it has.
type cachedETag struct {
	sum       [16]byte
	parts     uint16 // 0: the MD5 of a whole object
	known     bool   // false: the object has the opaque form
	algorithm byte   // code of its checksum; 0: it has none
	kind      byte
}

// cached takes out of an object's metadata what listings show.
func cached(m format.Meta) (e cachedETag) {
	switch {
	case m.PartsMD5 != format.PartsMD5{}:
		e = cachedETag{sum: m.PartsMD5.Sum, parts: uint16(m.PartsMD5.Parts), known: true}
	case len(m.MD5) == len(e.sum):
		e = cachedETag{sum: [16]byte(m.MD5), known: true}
	}
	if c, ok := openChecksum(m); ok {
		e.algorithm, e.kind = c.code, c.kind
	}
	return e
}

// meta is what it says of the ETag.
func (e cachedETag) meta() (m format.Meta) {
	switch {
	case !e.known:
	case e.parts > 0:
		m.PartsMD5 = format.PartsMD5{Sum: e.sum, Parts: int(e.parts)}
	default:
		m.MD5 = e.sum[:]
	}
	return m
}

func newETagCache(entries int) *etagCache {
	return &etagCache{half: entries / 2, young: map[etagKey]cachedETag{}}
}

func etagKeyOf(id format.BucketID, key, backend string) (k etagKey) {
	b := make([]byte, 0, len(id)+4+len(key)+len(backend))
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(key)))
	b = append(append(b, key...), backend...)
	return sha256.Sum256(b)
}

// get finds an object.
func (c *etagCache) get(k etagKey) (e cachedETag, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok = c.young[k]; ok {
		return e, true
	}
	if e, ok = c.old[k]; ok {
		c.add(k, e)
	}
	return e, ok
}

// put remembers an object.
func (c *etagCache) put(k etagKey, e cachedETag) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(k, e)
}

func (c *etagCache) add(k etagKey, e cachedETag) {
	if c.half < 1 {
		return
	}
	if _, have := c.young[k]; !have && len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[etagKey]cachedETag)
	}
	c.young[k] = e
}

// entries is how many are held.
func (c *etagCache) entries() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.young) + len(c.old)
}
