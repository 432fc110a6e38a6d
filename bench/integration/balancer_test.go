//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// balancer hands connections out to proxies in turn, and passes over those that do not listen.
type balancer struct {
	net.Listener
	targets []string
	all     sync.WaitGroup

	mu     sync.Mutex
	turn   int
	served map[string]int // connections, by target
	last   string         // target of the latest connection
	limit  int64          // once so many bytes of one connection went up, cut is called; 0 = never
	cut    func(target string)
}

func startBalancer(t *testing.T, targets ...string) *balancer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	b := &balancer{Listener: ln, targets: targets, served: map[string]int{}}
	b.all.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			b.all.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); b.all.Wait() })
	return b
}

func (b *balancer) dial() (conn net.Conn, target string) {
	for range b.targets {
		b.mu.Lock()
		target = b.targets[b.turn%len(b.targets)]
		b.turn++
		b.mu.Unlock()
		conn, err := net.Dial("tcp", target)
		if err != nil {
			continue
		}
		b.mu.Lock()
		b.served[target]++
		b.last = target
		b.mu.Unlock()
		return conn, target
	}
	return nil, ""
}

func (b *balancer) serve(client net.Conn) {
	defer client.Close()
	proxy, target := b.dial()
	if proxy == nil {
		return
	}
	defer proxy.Close()
	b.all.Go(func() {
		defer client.Close()
		io.Copy(client, proxy)
	})
	buf, up := make([]byte, 64<<10), int64(0)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if _, err := proxy.Write(buf[:n]); err != nil {
			return
		}
		up += int64(n)
		b.mu.Lock()
		cut := b.cut
		if b.limit == 0 || up < b.limit {
			cut = nil
		} else {
			b.limit = 0
		}
		b.mu.Unlock()
		if cut != nil {
			cut(target)
		}
	}
}

// atBytes calls cut once a connection has carried so many bytes up.
func (b *balancer) atBytes(limit int64, cut func(target string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit, b.cut = limit, cut
}

// TestUploadThroughTwoProxiesBehindABalancer: the parts of one upload alternate between two proxies that know nothing
// of each other. One is killed in the middle of a part, one, when that is back, in the middle of Complete. The client only
// sends again what was cut. The object is whole, and nothing else is at the backend.
func TestUploadThroughTwoProxiesBehindABalancer(t *testing.T) {
	t.Parallel()
	var tap *rig.Tap
	w := start(t, func(backend string) string {
		var err error
		tap, err = rig.StartTap(backend)
		must(t, err)
		return tap.Address
	}, "")
	t.Cleanup(tap.Close)
	ctx := context.Background()
	config := w.config
	config.Dir, config.Client, config.Listen, config.Admin = t.TempDir(), w.proxy.Credentials, held(t), ""
	second, err := rig.StartProxy(ctx, config)
	must(t, err)
	t.Cleanup(func() { check(t, second.Stop()) })
	config.Listen = second.Address
	b := startBalancer(t, w.proxy.Address, second.Address)
	kill := func(target string) {
		if target == w.proxy.Address {
			w.proxy.Kill()
		} else {
			second.Kill()
		}
	}
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("https://" + b.Addr().String()),
		Region:       "us-east-1",
		Credentials:  credentials.NewStaticCredentialsProvider(w.proxy.AccessKey, w.proxy.SecretKey, ""),
		UsePathStyle: true,
		// A connection for each request, so that requests alternate.
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}},
	})
	key := aws.String("dir/one object")
	begun, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(bucket), Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	must(t, err)
	n := seed(t)
	var list []types.CompletedPart
	var want []byte
	send := func(number int32, size int) {
		t.Helper()
		data := random(n+uint64(number), size)
		out, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: aws.String(bucket), Key: key, UploadId: begun.UploadId, PartNumber: &number,
			Body: bytes.NewReader(data), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		must(t, err)
		list = append(list, types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32})
		want = append(want, data...)
	}
	for i := range int32(4) {
		send(i+1, 5<<20+int(i))
	}
	b.mu.Lock()
	for _, target := range b.targets {
		if b.served[target] < 2 {
			t.Errorf("the parts do not alternate: %v", b.served)
		}
	}
	b.mu.Unlock()

	killed := make(chan string, 1)
	b.atBytes(3<<20, func(target string) { killed <- target; kill(target) })
	send(5, 9<<20)
	send(6, 5<<20)
	select {
	case target := <-killed:
		if target == w.proxy.Address {
			w.startProxy()
			break
		}
		second, err = rig.StartProxy(ctx, config)
		must(t, err)
	default:
		t.Fatal("no proxy was killed in the middle of a part")
	}
	send(8, 5<<20)
	send(9, 12345)

	cut := make(chan struct{})
	var once sync.Once
	tap.Hook(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && r.URL.Query().Has("uploadId") {
			once.Do(func() {
				b.mu.Lock()
				last := b.last
				b.mu.Unlock()
				kill(last)
				close(cut)
				rig.Abort() // the backend never hears of it
			})
		}
		return false
	})
	complete := &s3.CompleteMultipartUploadInput{Bucket: aws.String(bucket), Key: key, UploadId: begun.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: list}}
	done, err := client.CompleteMultipartUpload(ctx, complete)
	must(t, err)
	select {
	case <-cut:
	default:
		t.Error("no proxy was killed in the middle of Complete")
	}
	tap.Hook(nil)
	for range 2 {
		got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: key})
		must(t, err)
		body, err := io.ReadAll(got.Body)
		got.Body.Close()
		must(t, err)
		if !bytes.Equal(body, want) || *got.ETag != *done.ETag {
			t.Errorf("%d bytes with ETag %s, want %d with %s", len(body), *got.ETag, len(want), *done.ETag)
		}
	}
	w.holdsOnly(t, *key, format.SealedSize(format.DefaultBlockSize, int64(len(want))))
}

// holdsOnly fails unless the backend's disk has this object, with so many bytes, the state of the bucket, and no other file.
func (w *world) holdsOnly(t *testing.T, key string, size int64) {
	t.Helper()
	root := w.stored("")
	var files []string
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, root+string(filepath.Separator))
		files = append(files, name)
		if info, err := d.Info(); name == key && (err != nil || info.Size() != size) {
			t.Errorf("%s has %d bytes, want %d (%v)", key, info.Size(), size, err)
		}
		return nil
	}))
	slices.Sort(files)
	expected := []string{format.StateKey, key}
	slices.Sort(expected)
	if !slices.Equal(files, expected) {
		t.Errorf("the backend has %q, want %q", files, expected)
	}
}
