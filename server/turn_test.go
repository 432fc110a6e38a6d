package server

import (
	"bufio"
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
)

// admitting sets how many bodies move at once.
func admitting(t *testing.T, n int, budget int64) func(*Config) {
	return func(c *Config) {
		var err error
		c.Engine, err = pipeline.New(pipeline.Config{SegmentBytes: format.SegmentSize, TagBytes: format.TagSize, Workers: 1, Admission: n, Budget: budget, QueueTimeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSlowClientsDoNotStarveFastOnes: with one turn in all, uploads and downloads pass
// clients that stopped in the middle of a body, either way.
func TestSlowClientsDoNotStarveFastOnes(t *testing.T) {
	g := newRig(t, admitting(t, 1, 128<<20))
	body := pattern(4 << 20)
	g.put("/bkt/large", body)
	raw := call{method: "PUT", target: "/bkt/slow", body: body}.raw(g.addr)
	var uploads, downloads []*bufio.ReadWriter
	for range 4 {
		up, down := g.dial(), g.dial()
		up.Write(raw[:len(raw)/2])
		uploads = append(uploads, bufio.NewReadWriter(bufio.NewReader(up), bufio.NewWriter(up)))
		down.Write(call{method: "GET", target: "/bkt/large"}.raw(g.addr)) // and reads nothing
		downloads = append(downloads, bufio.NewReadWriter(bufio.NewReader(down), bufio.NewWriter(down)))
	}
	for i := range 8 {
		target := fmt.Sprintf("/bkt/fast%d", i)
		g.put(target, body)
		if a := g.get(target); !bytes.Equal(a.body, body) {
			t.Fatalf("%s: another body, %d", target, a.status)
		}
	}
	if n := g.value("pipeline_admission"); n != 1 {
		t.Errorf("the figure pipeline_admission is %v", n)
	}
	for _, name := range []string{"pipeline_admitted_total", "pipeline_admission_rested_total", "pipeline_admission_seconds_total"} {
		if g.value(name) <= 0 {
			t.Errorf("the figure %s has not moved", name)
		}
	}
	for i := range uploads {
		uploads[i].Write(raw[len(raw)/2:])
		uploads[i].Flush()
		if a := readAnswer(t, uploads[i].Reader, "PUT"); a.status != 200 {
			t.Errorf("a slow upload: %d %s", a.status, a.body)
		}
		if a := readAnswer(t, downloads[i].Reader, "GET"); !bytes.Equal(a.body, body) {
			t.Errorf("a slow download: %d, %d bytes", a.status, len(a.body))
		}
	}
	g.turnsEnded()
}

// TestAdmissionAndBudgetDoNotBlockEachOther: many bodies of every way to store, beside
// downloads, with one turn and a budget for few of them.
func TestAdmissionAndBudgetDoNotBlockEachOther(t *testing.T) {
	g := newRig(t, admitting(t, 1, 64<<20), func(c *Config) { c.WholeObject = 8 << 20 })
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			body := pattern([]int{1, 100 << 10, 3 << 20, 7 << 20, 9 << 20}[i%5])
			target := fmt.Sprintf("/bkt/%d", i)
			if a := g.do(call{method: "PUT", target: target, body: body}); a.status != 200 {
				t.Errorf("%s: %d %s", target, a.status, a.body)
			}
			if a := g.get(target); !bytes.Equal(a.body, body) {
				t.Errorf("%s: another body, %d", target, a.status)
			}
		})
	}
	all.Wait()
	g.turnsEnded()
}

// TestClientsWhoLeaveGiveTheirTurnBack: in the middle of a body, and in line.
func TestClientsWhoLeaveGiveTheirTurnBack(t *testing.T) {
	g := newRig(t, admitting(t, 1, 128<<20))
	body := pattern(4 << 20)
	working, err := g.engine.Admit(t.Context(), "somebody else")
	if err != nil {
		t.Fatal(err)
	}
	working.Resume(0)
	conn := g.dial()
	conn.Write(call{method: "PUT", target: "/bkt/left", body: body}.raw(g.addr)[:1<<20])
	for end := time.Now().Add(20 * time.Second); g.value("pipeline_admitted") != 1 || g.value("pipeline_admission_waiting") != 1; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody waits")
		}
	}
	conn.Close() // in line: what it sent lies before its end, so that is seen in turn
	working.End()
	for range 6 {
		conn := g.dial()
		conn.Write(call{method: "PUT", target: "/bkt/left", body: body}.raw(g.addr)[:1<<20])
		conn.Close()
	}
	g.put("/bkt/key", body)
	g.turnsEnded()
}

// turnsEnded waits until nobody holds a turn or waits for one, and no budget is used.
func (g *rig) turnsEnded() {
	g.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		st := g.engine.Stats()
		if st.Admitted == 0 && st.InLine == 0 && st.BudgetUsed == 0 {
			return
		}
		if time.Now().After(end) {
			g.t.Fatalf("turns or budget are left: %+v", st)
		}
	}
}
