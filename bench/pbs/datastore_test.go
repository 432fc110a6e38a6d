package pbs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var testSnapshot = Snapshot{"vm", "100", time.Date(2025, 7, 14, 14, 20, 2, 0, time.UTC)}

// archive is seeded bytes of two and a half chunks, the first of them twice.
func archive(seed uint64) []byte {
	b := make([]byte, 3*ChunkSize+ChunkSize/2)
	rng := rand.NewChaCha8([32]byte{byte(seed)})
	rng.Read(b[:2*ChunkSize])
	copy(b[2*ChunkSize:], b[:ChunkSize])
	rng.Read(b[3*ChunkSize:])
	return b
}

func backedUp(t *testing.T) (*memory, *Datastore, []byte) {
	t.Helper()
	m, c := serveMemory(t)
	d := &Datastore{Client: c, Name: "store1", Concurrency: 4}
	data := archive(1)
	st, err := d.Backup(context.Background(), testSnapshot, "drive.img", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if st.Chunks != 4 || st.Plain != int64(len(data)) || st.Uploaded+st.Duplicates+int64(st.Known) != 4 {
		t.Fatalf("stats %+v", st)
	}
	return m, d, data
}

func TestBackupAndRestore(t *testing.T) {
	ctx := context.Background()
	m, d, data := backedUp(t)
	var out bytes.Buffer
	if n, err := d.Restore(ctx, testSnapshot, "drive.img", &out); err != nil || n != int64(len(data)) || !bytes.Equal(out.Bytes(), data) {
		t.Fatalf("restored %d bytes: %v", n, err)
	}
	if got := len(m.keys("store1/.chunks/")); got != 3 {
		t.Errorf("%d chunks stored, want 3", got)
	}
	want := []string{"vm/100/" + "2025-07-14T14:20:02Z/config.conf.blob", "vm/100/2025-07-14T14:20:02Z/drive.img.fidx", "vm/100/2025-07-14T14:20:02Z/index.json.blob", "vm/100/owner"}
	if got := d.Tree(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("tree %v", got)
	}
	// A second backup skips every chunk on its marker; another PBS without markers is told 412.
	st, err := d.Backup(ctx, Snapshot{"vm", "100", testSnapshot.Time.Add(time.Hour)}, "drive.img", bytes.NewReader(data))
	if err != nil || st.Known != 4 {
		t.Errorf("second backup: %+v, %v", st, err)
	}
	other := &Datastore{Client: d.Client, Name: "store1", Concurrency: 4}
	st, err = other.Backup(ctx, testSnapshot, "drive.img", bytes.NewReader(data))
	if err != nil || st.Uploaded != 0 || st.Duplicates+int64(st.Known) != 4 {
		t.Errorf("backup from elsewhere: %+v, %v", st, err)
	}
	// A wrong byte is not restored.
	key := m.keys("store1/.chunks/")[0]
	m.objects[key][100] ^= 1
	if _, err := d.Restore(ctx, testSnapshot, "drive.img", &out); !errors.Is(err, errDigest) {
		t.Errorf("restore of a changed chunk: %v", err)
	}
}

func TestCheckAndCreate(t *testing.T) {
	ctx := context.Background()
	m, c := serveMemory(t)
	d := &Datastore{Client: c, Name: "store1"}
	if err := d.Check(ctx); err != nil {
		t.Fatal(err)
	}
	if len(m.objects) != 0 {
		t.Errorf("the check left %v", m.keys(""))
	}
	if err := d.Create(ctx); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.keys("")); got != "[store1/.chunks/bb9f/"+zeroChunk+" store1/.in-use]" {
		t.Errorf("created %s", got)
	}
	if err := d.Create(ctx); !errors.Is(err, ErrInUse) {
		t.Errorf("created twice: %v", err)
	}
}

func TestGarbageCollection(t *testing.T) {
	ctx := context.Background()
	m, d, _ := backedUp(t)
	m.page = 2
	stray := func(n byte) Digest { return Digest{n, n} }
	for n := byte(1); n <= 3; n++ {
		m.objects[d.ChunkKey(stray(n))] = []byte("x")
	}
	m.objects["store1/.chunks/notachunk"] = nil
	d.mark(stray(2))                                              // fresh marker: kept
	d.markers[stray(3)] = time.Now().Add(-gcCutoff - time.Minute) // stale: deleted
	st, err := d.Collect(ctx)
	if err != nil || st.Removed != 2 || st.Kept != 4 {
		t.Fatalf("%+v, %v", st, err)
	}
	if keys := m.keys("store1/.chunks/"); len(keys) != 5 || strings.Contains(fmt.Sprint(keys), stray(1).String()) {
		t.Errorf("left: %v", keys)
	}
	// The harm: after a refresh from a listing that is wrongly empty, everything unmarked goes at once.
	m.hook = func(e exchangeSeen) string {
		if strings.Contains(e.line(), ".cnt") {
			return reply(200, strings.Replace(listDoc(listHead), ">1</KeyCount>", ">0</KeyCount>", 1))
		}
		return ""
	}
	if err := d.Reimport(ctx); err != nil {
		t.Fatal(err)
	}
	if st, err := d.Collect(ctx); err != nil || st.Removed != 4 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestCollectAbortsOnErrors(t *testing.T) {
	ctx := context.Background()
	m, d, _ := backedUp(t)
	k := d.ChunkKey(Digest{9})
	m.objects[k] = nil
	m.hook = func(e exchangeSeen) string {
		if strings.HasPrefix(e.head, "POST") {
			return reply(200, `<DeleteResult><Error><Key>`+k+`</Key><Code>SlowDown</Code></Error></DeleteResult>`)
		}
		return ""
	}
	if _, err := d.Collect(ctx); err == nil {
		t.Error("a refused key did not end the garbage collection")
	}
}

func TestVerifyRenames(t *testing.T) {
	ctx := context.Background()
	m, d, _ := backedUp(t)
	keys := m.keys("store1/.chunks/")
	m.objects[keys[0]] = append([]byte{}, m.objects[keys[0]]...)
	m.objects[keys[0]][ChunkSize] ^= 1
	delete(m.objects, keys[1])
	m.hook = func(e exchangeSeen) string {
		if strings.HasPrefix(e.head, "GET") && strings.Contains(e.head, keys[2]) {
			return reply(403, "")
		}
		return ""
	}
	st, err := d.Verify(ctx, testSnapshot, "drive.img")
	if err != nil || len(st.Renamed) != 2 || len(st.Errors) != 1 || st.Good != 0 {
		t.Fatalf("%+v, %v", st, err)
	}
	left := fmt.Sprint(m.keys("store1/.chunks/"))
	if want := fmt.Sprint([]string{keys[0] + ".0.bad", keys[2]}); left != want {
		t.Errorf("left %s, want %s", left, want)
	}
}

func TestForgetAndDestroy(t *testing.T) {
	ctx := context.Background()
	m, d, _ := backedUp(t)
	if err := d.Forget(ctx, testSnapshot); err != nil {
		t.Fatal(err)
	}
	if got := m.keys("store1/.cnt/"); len(got) != 1 || len(d.Tree()) != 1 {
		t.Errorf("left %v, local %v", got, d.Tree())
	}
	m.objects["store2/x"] = nil
	if err := d.Destroy(ctx); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(m.keys("")); got != "[store2/x]" {
		t.Errorf("left %s", got)
	}
}

func TestRefreshReplacesTree(t *testing.T) {
	ctx := context.Background()
	m, d, data := backedUp(t)
	m.objects["store1/.cnt/ns/a/.namespace"] = nil
	d.keep("vm/999/owner", nil)
	want := fmt.Sprint(d.Tree()[:4])
	if err := d.Reimport(ctx); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(d.Tree()); got != want {
		t.Errorf("tree %s, want %s", got, want)
	}
	var out bytes.Buffer
	if _, err := d.Restore(ctx, testSnapshot, "drive.img", &out); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("restore after refresh: %v", err)
	}
	m.objects["store1/.cntx"] = nil
	if err := d.Refresh(ctx); err == nil {
		t.Error("a key outside .cnt/ did not end the refresh")
	}
}

func TestIndexRoundTrip(t *testing.T) {
	b := encodeIndex([]Digest{{1}, {2}}, 77)
	got, size, err := decodeIndex(b)
	if err != nil || size != 77 || len(got) != 2 || got[1] != (Digest{2}) {
		t.Errorf("%v %d %v", got, size, err)
	}
	for i := range len(b) {
		if i >= 8 && i < 32 || i >= 64 && i < indexHeader {
			continue // not covered by the checksum
		}
		b[i] ^= 1
		if _, _, err := decodeIndex(b); err == nil {
			t.Fatalf("a flip at %d is accepted", i)
		}
		b[i] ^= 1
	}
}
