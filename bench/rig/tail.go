package rig

import (
	"bytes"
	"io"
	"sync"
)

// tail keeps the end of a log, and copies all of it to another writer if there is one.
type tail struct {
	copy io.Writer

	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - logTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	if t.copy != nil {
		return t.copy.Write(b)
	}
	return len(b), nil
}

// String is the last lines.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := bytes.Split(bytes.TrimSpace(t.buf), []byte("\n"))
	if len(all) > logShown {
		all = all[len(all)-logShown:]
	}
	if len(all) == 1 && len(all[0]) == 0 {
		return "  (empty)"
	}
	return "  " + string(bytes.Join(all, []byte("\n  ")))
}
