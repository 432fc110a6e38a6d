package backend

import "sync/atomic"

// budget is the store of retries that all calls share. A retry takes one, a call that succeeds puts one
// back, so that however long failures last there are at most as many retries as successes, plus the
// store's content once: a storm of failures cannot multiply the load on a store that is down.
type budget struct {
	left atomic.Int64
	size int64
}

func newBudget(size int) *budget {
	b := &budget{size: int64(size)}
	b.left.Store(b.size)
	return b
}

func (b *budget) take() bool {
	for {
		n := b.left.Load()
		if n <= 0 {
			return false
		}
		if b.left.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

func (b *budget) put() {
	for {
		n := b.left.Load()
		if n >= b.size || b.left.CompareAndSwap(n, n+1) {
			return
		}
	}
}
