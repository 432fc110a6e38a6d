//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// rewrapReport is what of s3-crypt's report the test looks at.
type rewrapReport struct {
	Active   string `json:"active_key"`
	Complete bool   `json:"complete"`
	Resumed  bool   `json:"resumed"`
	Keys     []struct {
		ID        string `json:"id"`
		Objects   int    `json:"objects"`
		Retirable bool   `json:"retirable"`
	} `json:"keys"`
	Trouble []json.RawMessage `json:"trouble"`
}

// under is the number of objects under a key, and whether it can be retired.
func (r rewrapReport) under(id string) (objects int, retirable bool) {
	for _, k := range r.Keys {
		if k.ID == id {
			return k.Objects, k.Retirable
		}
	}
	return 0, false
}

// crypt makes s3-crypt with the proxy's configuration.
func (w *world) crypt(args ...string) *exec.Cmd {
	w.t.Helper()
	path, err := rig.Binary("s3-crypt")
	must(w.t, err)
	cmd := exec.Command(path, append(args, "--config", filepath.Join(w.dir, "proxy.yaml"))...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "S3CP_BIN=") }) // the rig's own
	return cmd
}

// cryptReport runs it to its end; the exit status must be code.
func (w *world) cryptReport(code int, args ...string) rewrapReport {
	w.t.Helper()
	cmd := w.crypt(append(args, "--json")...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || cmd.ProcessState.ExitCode() != code {
		w.t.Fatalf("s3-crypt %v: %v, want exit status %d\n%s", args, err, code, &stderr)
	}
	var r rewrapReport
	must(w.t, json.Unmarshal(stdout.Bytes(), &r))
	return r
}

func keyIDOf(t *testing.T, master *keyagent.Secret) string {
	t.Helper()
	var keys *format.Keys
	var derr error
	must(t, master.Use(func(b []byte) { keys, derr = format.DeriveKeys(b) }))
	must(t, derr)
	return keys.ID().String()
}

// TestRewrap is a rotation on a real backend: small objects and one of 100 MiB that the proxy stored in parts; the
// rewrap is killed at random points and clients write meanwhile. In the end everything reads as it was acknowledged
// last, all is under the new key, and the old one is retired and taken away.
func TestRewrap(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(seed(t), 5))
	w := start(t, nil, "pipeline:\n  whole_object: 16MiB\n")
	ctx := context.Background()
	c := w.client(t)
	const small = 150
	want := map[string][]byte{"large": random(rng.Uint64(), 100<<20)}
	for i := range small {
		want[fmt.Sprintf("old/%03d", i)] = random(rng.Uint64(), rng.IntN(200_000))
	}
	for key, body := range want {
		_, err := c.Put(ctx, key, pbs.NewBody(body), false)
		must(t, err)
	}
	// With tags, and one of them uploaded in parts: what lies beside an object, or not in front of it, moves too.
	want["parts"] = random(rng.Uint64(), 7<<20)
	w.putParts(t, "parts", want["parts"])
	_, err := w.sdk().PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String("parts"),
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("ü")}}}})
	must(t, err)
	want["tagged"] = random(rng.Uint64(), 1000)
	_, err = w.sdk().PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String("tagged"), Body: bytes.NewReader(want["tagged"]), Tagging: aws.String("a=2")})
	must(t, err)
	old := keyIDOf(t, w.master)
	if n, _ := w.cryptReport(0, "keys", bucket).under(old); n != small+3 {
		t.Fatalf("%d objects under the first key, want %d", n, small+3)
	}
	before, err := os.ReadFile(w.stored("large"))
	must(t, err)

	// The rotation: a second key is active, and the proxy is still ready with both.
	next, err := keyagent.GenerateSecret()
	must(t, err)
	t.Cleanup(next.Wipe)
	must(t, w.keys.Load(next, w.master))
	active := keyIDOf(t, next)
	waitUntil(t, func() bool { // the push arrives within milliseconds
		_, err := c.Put(ctx, "probe", pbs.NewBody([]byte("x")), false)
		must(t, err)
		n, _ := w.cryptReport(0, "keys", bucket).under(active)
		return n == 1
	})

	// Clients go on, on new keys and on half of those that are rewrapped; each key has one writer, and what was
	// acknowledged last counts.
	var mu sync.Mutex
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for i := range 2 {
		rnd := rand.New(rand.NewPCG(rng.Uint64(), 6))
		writers.Go(func() {
			client := w.client(t)
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
				}
				key, body := fmt.Sprintf("new/%d-%03d", i, rnd.IntN(100)), random(rnd.Uint64(), rnd.IntN(100_000))
				if rnd.IntN(3) == 0 {
					key = fmt.Sprintf("old/%03d", rnd.IntN(small/4)*4+i)
				}
				if _, err := client.Put(ctx, key, pbs.NewBody(body), false); err != nil {
					t.Errorf("a write during the rewrap: %v", err)
					return
				}
				mu.Lock()
				want[key] = body
				mu.Unlock()
			}
		})
	}
	checkpoint := filepath.Join(w.dir, "checkpoint")
	for range 12 {
		cmd := w.crypt("rewrap", bucket, "--rate", "60/s", "--checkpoint", checkpoint)
		must(t, cmd.Start())
		time.Sleep(time.Duration(50+rng.IntN(500)) * time.Millisecond)
		if rng.IntN(2) == 0 {
			_ = cmd.Process.Kill() // it may have ended
		} else {
			_ = cmd.Process.Signal(os.Interrupt)
		}
		_ = cmd.Wait() // killed, interrupted or done: what counts is the bucket
		for _, key := range []string{"large", fmt.Sprintf("old/%03d", rng.IntN(small/4)*4+2)} {
			compare(t, c, key, want[key])
		}
	}
	report := w.cryptReport(0, "rewrap", bucket, "--checkpoint", checkpoint, "--bandwidth", "500MiB")
	close(stop)
	writers.Wait()
	if n, retirable := report.under(old); n != 0 || !retirable || report.Active != active || len(report.Trouble) != 0 {
		t.Errorf("after the rewrap: %+v", report)
	}
	report = w.cryptReport(0, "keys", bucket)
	if n, _ := report.under(active); n != len(want)+1 {
		t.Errorf("%d objects under the new key, want %d", n, len(want)+1)
	}
	after, err := os.ReadFile(w.stored("large"))
	must(t, err)
	if !bytes.Equal(before[format.DefaultBlockSize:], after[format.DefaultBlockSize:]) || bytes.Equal(before[:format.DefaultBlockSize], after[:format.DefaultBlockSize]) {
		t.Error("of the large object, more or less than the block was changed")
	}
	for key, tags := range map[string]string{"parts": "[a=1 b=ü]", "tagged": "[a=2]"} {
		out, err := w.sdk().GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: &key})
		must(t, err)
		var got []string
		for _, tag := range out.TagSet {
			got = append(got, *tag.Key+"="+*tag.Value)
		}
		if slices.Sort(got); fmt.Sprint(got) != tags {
			t.Errorf("%s has the tags %v, had %s", key, got, tags)
		}
	}
	left, err := w.direct(t).ListAll(ctx, format.ReservedPrefix)
	must(t, err)
	for _, e := range left {
		if e.Key != format.StateKey && !strings.HasPrefix(e.Key, format.ReservedPrefix+"rewrap-") {
			t.Errorf("%s is left", e.Key)
		}
	}

	// The old key goes. Until it is retired a ring without it is refused.
	asks := w.client(t, once)
	must(t, w.keys.Load(next))
	waitUntil(t, func() bool { _, err := asks.Get(ctx, "probe"); return status(err) == 503 })
	must(t, w.keys.Load(next, w.master))
	waitUntil(t, func() bool { _, err := asks.Get(ctx, "probe"); return err == nil })
	if r := w.cryptReport(0, "retire", bucket, old); !r.Complete {
		t.Errorf("%+v", r)
	}
	must(t, w.keys.Load(next))
	waitUntil(t, func() bool { _, err := asks.Get(ctx, "probe"); return err == nil })
	for key, body := range want {
		compare(t, c, key, body)
	}
}

// putParts uploads an object in parts of 5 MiB.
func (w *world) putParts(t *testing.T, key string, body []byte) {
	t.Helper()
	ctx, c := context.Background(), w.sdk()
	begun, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: &key})
	must(t, err)
	var done []types.CompletedPart
	for part := range slices.Chunk(body, 5<<20) {
		n := aws.Int32(int32(len(done) + 1))
		out, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(bucket), Key: &key, UploadId: begun.UploadId, PartNumber: n, Body: bytes.NewReader(part)})
		must(t, err)
		done = append(done, types.CompletedPart{PartNumber: n, ETag: out.ETag})
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: &key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	must(t, err)
}

func compare(t *testing.T, c *pbs.Client, key string, want []byte) {
	t.Helper()
	got, err := c.GetInto(context.Background(), key, make([]byte, len(want)+1))
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s: %d bytes, %v; want %d", key, len(got), err, len(want))
	}
}

func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("it does not come")
		}
	}
}
