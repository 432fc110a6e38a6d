package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

const (
	inFlight    = 16 // what PVE uses for one virtual machine
	archiveName = "root.tar"
	storeName   = "demo"
	direct      = "direct" // bucket of the comparison upload

	// enoughToCompare is the smallest tree for which a throughput says anything: below it, times are those of a
	// handful of requests.
	enoughToCompare = 32 << 20
)

// show is a demonstration on its way.
type show struct {
	*screen
	stack    *rig.Stack
	snap     pbs.Snapshot
	archive  *archive
	sealed   *pbs.Datastore // through the proxy
	straight *pbs.Datastore // to the backend itself
	backend  *pbs.Client    // what the backend's operator can read, in the sealed bucket
	times    map[string]time.Duration
}

func demo(ctx context.Context, out *screen, dir string, log *os.File) (err error) {
	began := time.Now()
	if dir == "" {
		if dir, err = defaultDir(ctx); err != nil {
			return err
		}
	}
	if err := checkDir(dir); err != nil {
		return err
	}
	if os.Getenv("S3CP_BACKEND_ENDPOINT") != "" {
		return errors.New("S3CP_BACKEND_ENDPOINT is set: the demo changes stored bytes, so it brings an S3 server of its own; take the variable away, or use `make run` with it")
	}
	s := &show{screen: out, snap: pbs.Snapshot{Type: "host", ID: "demo", Time: began}, times: map[string]time.Duration{}}
	fmt.Fprintln(out.w, out.paint(bold, "s3-crypt-proxy: real files through the whole stack, on this machine"))
	defer func() {
		if s.stack != nil {
			err = errors.Join(err, s.stack.Stop())
		}
		if err == nil {
			out.passed(fmt.Sprintf("demo passed (%.1f s)", time.Since(began).Seconds()))
		}
	}()
	if err := s.start(ctx, log); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return s.take(ctx, dir) },
		s.upload, s.list, s.readBack, s.look, s.tamper, s.compare,
	} {
		if err := step(ctx); err != nil {
			return errors.Join(err, s.stack.Dead()) // a process that died explains the rest
		}
	}
	return nil
}

// start brings up the stack and its three clients.
func (s *show) start(ctx context.Context, log *os.File) error {
	s.title("Start")
	var err error
	cfg := rig.StackConfig{}
	if log != nil {
		cfg.Log = log
	}
	if s.stack, err = rig.StartStack(ctx, cfg); err != nil {
		return err
	}
	p, b := s.stack.Proxy, s.stack.Backend
	s.pair("S3 server", "versitygw on %s, storing in a directory", b.Address)
	s.pair("key", "random, in the key holder's memory only (process %d)", s.stack.Keys.PID)
	if p.TLS {
		s.pair("proxy", "%s, TLS %s…", p.Address, p.Fingerprint[:min(23, len(p.Fingerprint))])
	} else {
		s.pair("proxy", "%s, plain HTTP", p.Address)
	}
	client := func(cfg pbs.Config) *pbs.Client {
		c, cerr := pbs.New(cfg)
		err = errors.Join(err, cerr)
		return c
	}
	s.sealed = &pbs.Datastore{Client: client(p.PBS(s.stack.Bucket)), Name: storeName, Concurrency: inFlight}
	s.straight = &pbs.Datastore{Client: client(b.PBS(direct)), Name: storeName, Concurrency: inFlight}
	s.backend = client(b.PBS(s.stack.Bucket))
	if err != nil {
		return err
	}
	return s.straight.Client.CreateBucket(ctx)
}

// take snapshots the tree.
func (s *show) take(ctx context.Context, dir string) error {
	s.title("Take real files")
	f, err := os.Create(filepath.Join(s.stack.Dir, archiveName))
	if err != nil {
		return err
	}
	if s.archive, err = snapshot(ctx, dir, f); err != nil {
		return err
	}
	s.pair("tree", "%s", dir)
	note := ""
	if s.archive.skipped > 0 {
		note = fmt.Sprintf(" (%d could not be read and are left out)", s.archive.skipped)
	}
	s.pair("archive", "%s, %s%s", counted(s.archive.entries, "file or directory", "files and directories"), bytesText(s.archive.size), note)
	return nil
}

// upload backs the archive up through the proxy.
func (s *show) upload(ctx context.Context) error {
	s.title("Upload through the proxy as PBS does, %d requests in flight", inFlight)
	if err := s.sealed.Check(ctx); err != nil {
		return fmt.Errorf("the endpoint check failed: %w", err)
	}
	if err := s.sealed.Create(ctx); err != nil {
		return fmt.Errorf("the datastore could not be created: %w", err)
	}
	st, err := s.backup(ctx, s.sealed, "sealed upload")
	if err != nil {
		return err
	}
	s.pair("archive", "%s, of which %d the same as another", counted(st.Chunks, "chunk", "chunks"), int(st.Duplicates)+st.Known)
	s.pair("and beside it", "owner, index, configuration and manifest of the snapshot; and, once for the datastore, PBS's")
	s.pair("", "marker .in-use and a chunk of 4 MiB zeros, which every PBS datastore has")
	s.pair("time", "%.2f s", s.times["sealed upload"].Seconds())
	return nil
}

func (s *show) backup(ctx context.Context, d *pbs.Datastore, name string) (pbs.BackupStats, error) {
	add, done := s.progress(name, s.archive.size)
	defer done()
	d.OnChunk = add
	began := time.Now()
	st, err := d.Backup(ctx, s.snap, archiveName, s.archive.reader())
	s.times[name] = time.Since(began)
	if err == nil && st.Plain != s.archive.size {
		err = fmt.Errorf("%d of %d bytes were sent", st.Plain, s.archive.size)
	}
	return st, err
}

// list checks that the listing shows plain names and plain sizes.
func (s *show) list(ctx context.Context) error {
	s.title("List through the proxy")
	entries, err := s.sealed.Client.ListAll(ctx, storeName+"/")
	if err != nil {
		return err
	}
	if err := s.sealed.Refresh(ctx); err != nil { // reads each small object and compares its listed size
		return err
	}
	var total uint64
	for _, e := range entries {
		total += e.Size
	}
	s.pair("objects", "%d, %s bytes, all of step 3; names and sizes are those of the plain objects", len(entries), grouped(int64(total)))
	return nil
}

// readBack reads everything and compares every byte.
func (s *show) readBack(ctx context.Context) error {
	s.title("Read everything back and compare every byte")
	if err := s.restore(ctx, s.sealed, "sealed read"); err != nil {
		return err
	}
	s.pair("compared", "%s bytes, all equal", grouped(s.archive.size))
	s.pair("time", "%.2f s", s.times["sealed read"].Seconds())
	return nil
}

func (s *show) restore(ctx context.Context, d *pbs.Datastore, name string) error {
	add, done := s.progress(name, s.archive.size)
	defer done()
	d.OnChunk = add
	c := s.archive.comparer()
	began := time.Now()
	n, err := d.Restore(ctx, s.snap, archiveName, c)
	s.times[name] = time.Since(began)
	if err == nil && n != s.archive.size {
		err = fmt.Errorf("%d of %d bytes came back", n, s.archive.size)
	}
	return err
}

// firstChunk is the key and the plain object of the archive's first chunk.
func (s *show) firstChunk() (key string, plain []byte, err error) {
	data := make([]byte, min(pbs.ChunkSize, s.archive.size))
	if _, err := io.ReadFull(s.archive.reader(), data); err != nil {
		return "", nil, err
	}
	return s.sealed.ChunkKey(pbs.DigestOf(data)), pbs.EncodeBlob(data), nil
}

// look reads stored objects straight from the backend.
func (s *show) look(ctx context.Context) error {
	s.title("What the backend sees")
	key, plain, err := s.firstChunk()
	if err != nil {
		return err
	}
	stored, err := s.backend.Get(ctx, key)
	if err != nil {
		return err
	}
	s.line("%s", s.paint(dim, "the first 64 bytes that were sent"))
	for _, l := range hexdump(plain[:min(64, len(plain))]) {
		s.line("%s", l)
	}
	s.line("%s", s.paint(dim, "the first 64 bytes that are stored"))
	for _, l := range hexdump(stored.Body[:min(64, len(stored.Body))]) {
		s.line("%s", l)
	}
	if bytes.Contains(stored.Body, plain[:min(32, len(plain))]) {
		return errors.New("the stored object contains the plain bytes")
	}
	plainBits, storedBits := entropy(plain), entropy(stored.Body)
	s.pair("entropy", "%.4f bits per byte sent, %.4f stored (8 is random)", plainBits, storedBits)
	if len(stored.Body) > 1<<20 && storedBits < 7.999 {
		return fmt.Errorf("the stored object has %.4f bits of entropy per byte: it is not sealed", storedBits)
	}
	return s.sizes(ctx, key)
}

// sizes shows a few objects as client and backend see them.
func (s *show) sizes(ctx context.Context, chunk string) error {
	dir := storeName + "/.cnt/" + s.snap.Dir()
	rows := [][]string{{"bytes", "plain", "stored", "more"}}
	for _, o := range []struct{ name, key string }{
		{"chunk", chunk}, {"index", dir + archiveName + ".fidx"}, {"manifest", dir + "index.json.blob"}, {"owner", storeName + "/.cnt/host/demo/owner"},
	} {
		plain, err := s.sealed.Client.HeadObject(ctx, o.key)
		if err != nil {
			return err
		}
		stored, err := s.backend.HeadObject(ctx, o.key)
		if err != nil {
			return err
		}
		rows = append(rows, []string{o.name, grouped(plain.Size), grouped(stored.Size), grouped(stored.Size - plain.Size)})
	}
	s.table(rows)
	return nil
}

// tamper flips one stored byte, sees the refusal, and puts the byte back.
func (s *show) tamper(ctx context.Context) error {
	s.title("Flip one stored byte")
	key, plain, err := s.firstChunk()
	if err != nil {
		return err
	}
	stored, err := s.backend.Get(ctx, key)
	if err != nil {
		return err
	}
	at := len(stored.Body) / 2
	flipped := bytes.Clone(stored.Body)
	flipped[at] ^= 0x01
	if _, err := s.backend.Put(ctx, key, pbs.NewBody(flipped), false); err != nil {
		return err
	}
	s.pair("flipped", "the lowest bit of byte %s of %s, in the backend", grouped(int64(at)), grouped(int64(len(flipped))))
	cfg := s.stack.Proxy.PBS(s.stack.Bucket)
	cfg.Waits = []time.Duration{} // once is enough
	once, err := pbs.New(cfg)
	if err != nil {
		return err
	}
	defer once.Close()
	var refusal *pbs.StatusError
	switch _, err := once.Get(ctx, key); {
	case err == nil:
		return errors.New("the changed object was served")
	case !errors.As(err, &refusal) || refusal.Status != 500:
		return fmt.Errorf("the changed object was not refused with status 500: %w", err)
	}
	s.pair("proxy says", "%d %s: %s", refusal.Status, refusal.Code, refusal.Message)
	if _, err := s.backend.Put(ctx, key, pbs.NewBody(stored.Body), false); err != nil {
		return err
	}
	o, err := once.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("after the byte was put back: %w", err)
	}
	if !bytes.Equal(o.Body, plain) {
		return errors.New("after the byte was put back, the object is not the one that was sent")
	}
	s.pair("put back", "the object is served again and equal")
	return nil
}

// compare does the same straight to the backend, and shows both.
func (s *show) compare(ctx context.Context) error {
	if s.archive.size < enoughToCompare {
		fmt.Fprintln(s.w)
		s.line("%s", s.paint(dim, "no throughput: "+bytesText(s.archive.size)+" is too little to measure; a tree of "+bytesText(enoughToCompare)+" and more shows it"))
		return nil
	}
	s.title("Throughput, beside the same upload straight to the S3 server")
	if _, err := s.backup(ctx, s.straight, "direct upload"); err != nil {
		return err
	}
	if err := s.restore(ctx, s.straight, "direct read"); err != nil {
		return err
	}
	rate := func(name string) string {
		return fmt.Sprintf("%.0f MiB/s", float64(s.archive.size)/(1<<20)/s.times[name].Seconds())
	}
	s.table([][]string{
		{"", "sealed", "direct"},
		{"upload", rate("sealed upload"), rate("direct upload")},
		{"read back", rate("sealed read"), rate("direct read")},
	})
	s.line("%s", s.paint(dim, "sealed: TLS, digests checked, sealed, then to the S3 server. direct: plain HTTP to the same server."))
	s.line("%s", s.paint(dim, "client, proxy and server share this machine's cores. One short run: see BENCHMARKS.md for measurements."))
	return nil
}
