package backend

import (
	"sync"
	"time"
)

// idle keeps connections that may be used again. It is safe for concurrent use.
type idle struct {
	most  int // connections
	limit time.Duration

	mu     sync.Mutex
	kept   map[string][]*connection // by address, the last used last
	count  int
	sweeps bool // a sweep is to come
	closed bool
}

func newIdle(most int, limit time.Duration) *idle {
	return &idle{most: most, limit: limit, kept: map[string][]*connection{}}
}

// take gives a connection to an address that is still open, nil if there is none: the one that was used last.
func (i *idle) take(address string) *connection {
	for {
		c := i.pop(address)
		if c == nil {
			return nil
		}
		if time.Since(c.since) < i.limit && c.quiet() {
			return c
		}
		c.Close()
	}
}

func (i *idle) pop(address string) *connection {
	i.mu.Lock()
	defer i.mu.Unlock()
	list := i.kept[address]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	list[len(list)-1] = nil
	i.kept[address] = list[:len(list)-1]
	i.count--
	return c
}

// put keeps a connection, or closes it if there are enough.
func (i *idle) put(c *connection) {
	c.since = time.Now()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed || i.count >= i.most {
		c.Close()
		return
	}
	i.kept[c.address] = append(i.kept[c.address], c)
	i.count++
	if !i.sweeps {
		i.sweeps = true
		time.AfterFunc(i.limit, i.sweep)
	}
}

// sweep closes what was not used for the limit, and comes again while anything is left.
func (i *idle) sweep() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for address, list := range i.kept {
		n := 0
		for n < len(list) && time.Since(list[n].since) >= i.limit {
			list[n].Close()
			n++
		}
		i.count -= n
		if n == len(list) {
			delete(i.kept, address)
		} else if n > 0 {
			i.kept[address] = append([]*connection(nil), list[n:]...)
		}
	}
	if i.sweeps = i.count > 0; i.sweeps {
		time.AfterFunc(max(i.limit/2, time.Millisecond), i.sweep)
	}
}

// close closes all, and what is put later.
func (i *idle) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, list := range i.kept {
		for _, c := range list {
			c.Close()
		}
	}
	i.kept, i.count, i.closed = map[string][]*connection{}, 0, true
}
