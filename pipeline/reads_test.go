package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
	"time"
)

// asked notes how much its reader is asked for at once.
type asked struct {
	io.Reader
	most int
}

func (a *asked) Read(p []byte) (int, error) {
	a.most = max(a.most, len(p))
	return a.Reader.Read(p)
}

// TestReads: what is sealed is read by segments, which a source hashes in the cache, what is opened by whole batches.
func TestReads(t *testing.T) {
	e := newEngine(t, 2)
	const n = 3*testBatch + 99
	src := &asked{Reader: bytes.NewReader(text(n))}
	if err := e.Seal(context.Background(), src, n, &toy{}, release); err != nil || src.most != testSegment {
		t.Errorf("sealing reads %d bytes at once, not %d: %v", src.most, testSegment, err)
	}
	sealed := reference(text(n))
	src = &asked{Reader: bytes.NewReader(sealed)}
	if err := e.Open(context.Background(), src, int64(len(sealed)), 0, &toy{}, release); err != nil || src.most != e.occupied(testBatch) {
		t.Errorf("opening reads %d bytes at once, not %d: %v", src.most, e.occupied(testBatch), err)
	}
}

// TestOpenedBatchesAreNotHeldBack: nor are they by a source that gives the next one in drops.
func TestOpenedBatchesAreNotHeldBack(t *testing.T) {
	e := newEngine(t, 2)
	sealed := reference(text(3 * testBatch))
	read, write := io.Pipe()
	got := make(chan int64, 8)
	done := make(chan error, 1)
	go func() {
		done <- e.Open(context.Background(), read, int64(len(sealed)), 0, &toy{}, func(b *Batch) error { got <- int64(b.PlainLen()); return release(b) })
	}()
	at := e.occupied(testBatch)
	if _, err := write.Write(sealed[:at]); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); len(got) == 0 && time.Now().Before(deadline); at++ {
		if _, err := write.Write(sealed[at : at+1]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	if len(got) == 0 || at >= 2*e.occupied(testBatch) {
		t.Errorf("%d batches came out while %d bytes went in", len(got), at)
	}
	write.CloseWithError(fmt.Errorf("enough"))
	if err := <-done; err == nil || err.Error() != "enough" {
		t.Error(err)
	}
}
