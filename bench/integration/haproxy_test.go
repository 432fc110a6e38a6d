//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// startHAProxy runs deploy/haproxy/haproxy.cfg with these proxies in place of its two, and returns where it listens.
func startHAProxy(t *testing.T, proxies ...*rig.Proxy) string {
	t.Helper()
	binary := "/usr/sbin/haproxy"
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("no %s: make integration installs it", binary)
	}
	text, err := os.ReadFile("../../deploy/haproxy/haproxy.cfg")
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := ln.Addr().String()
	must(t, ln.Close())
	put := func(old, with string) {
		t.Helper()
		if strings.Count(string(text), old) != 1 {
			t.Fatalf("the configuration has not one %q", old)
		}
		text = bytes.Replace(text, []byte(old), []byte(with), 1)
	}
	put("bind :8443", "bind "+address)
	for i, p := range proxies {
		_, port, err := net.SplitHostPort(p.AdminAddress)
		must(t, err)
		put(fmt.Sprintf("192.0.2.1%d:8443 port 8081", i+1), p.Address+" port "+port)
	}
	file := filepath.Join(t.TempDir(), "haproxy.cfg")
	must(t, os.WriteFile(file, text, 0o600))
	if out, err := exec.Command(binary, "-c", "-f", file).CombinedOutput(); err != nil || bytes.Contains(out, []byte("[WARNING]")) {
		t.Fatalf("HAProxy does not like the configuration: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-db", "-f", file)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	t.Cleanup(func() {
		check(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("HAProxy: %s", &log)
		}
	})
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return address
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("HAProxy does not listen: %v\n%s", err, &log)
		}
	}
}

// TestHAProxy: under load through the example's HAProxy, one proxy is killed, comes back, and the other is drained. No operation
// of a client fails after the client's own retries, and whatever was acknowledged is there.
func TestHAProxy(t *testing.T) {
	t.Parallel()
	w := start(t, nil, "")
	config := w.config
	config.Dir, config.Client, config.Listen, config.Admin = t.TempDir(), w.proxy.Credentials, held(t), held(t)
	second, err := rig.StartProxy(t.Context(), config)
	must(t, err)
	t.Cleanup(func() { check(t, second.Stop()) })
	config.Listen, config.Admin = second.Address, second.AdminAddress
	address := startHAProxy(t, w.proxy, second)
	// With the SDK's own retries: three attempts. Half of the clients keep their connections, half open new ones.
	newClient := func(fresh bool) *s3.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: fresh}
		return s3.New(s3.Options{
			BaseEndpoint: aws.String("https://" + address), Region: "us-east-1", UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider(w.proxy.AccessKey, w.proxy.SecretKey, ""),
			HTTPClient:  &http.Client{Transport: transport},
		})
	}

	const workers, keys = 8, 6
	n := seed(t)
	load, stop := context.WithCancel(t.Context())
	var done atomic.Int64
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			client := newClient(worker%2 == 0)
			for i := 0; load.Err() == nil; i++ {
				key := aws.String(fmt.Sprintf("%d/%d", worker, i%keys))
				want := random(n+uint64(worker*1000+i), 300<<10+worker)
				if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: key, Body: bytes.NewReader(want)}); err != nil {
					t.Errorf("put %s: %v", *key, err)
					return
				}
				got, err := read(t.Context(), client, key)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("get %s: %d bytes of %d, %v", *key, len(got), len(want), err)
					return
				}
				done.Add(1)
			}
		})
	}
	// more waits until so many further rounds are done, whoever serves them.
	more := func(rounds int64) {
		t.Helper()
		until, began := done.Load()+rounds, time.Now()
		for done.Load() < until && !t.Failed() {
			if time.Since(began) > time.Minute {
				t.Errorf("only %d rounds are done, want %d", done.Load(), until)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	more(40)
	second.Kill()
	more(80)
	second, err = rig.StartProxy(t.Context(), config)
	if err != nil {
		t.Error(err)
	}
	awaitServing(t, second, func() { more(20) })
	check(t, w.proxy.Stop()) // drains, under load
	more(80)
	stop()
	all.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d rounds of PUT and GET", done.Load())
}

// awaitServing waits until HAProxy sends requests to a proxy that has come back.
func awaitServing(t *testing.T, p *rig.Proxy, meanwhile func()) {
	t.Helper()
	for began := time.Now(); !t.Failed(); meanwhile() {
		resp, err := http.Get("http://" + p.AdminAddress + "/metrics")
		must(t, err)
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		must(t, err)
		if bytes.Contains(text, []byte(`operation="PutObject",status="2xx"`)) {
			return
		}
		if time.Since(began) > time.Minute {
			t.Error("HAProxy does not use the proxy that came back")
		}
	}
}

// read gets an object to its last byte. What breaks in the middle is asked for once more, as every client does.
func read(ctx context.Context, client *s3.Client, key *string) (body []byte, err error) {
	for range 3 {
		var got *s3.GetObjectOutput
		if got, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: key}); err != nil {
			return nil, err
		}
		body, err = io.ReadAll(got.Body)
		got.Body.Close()
		if err == nil {
			return body, nil
		}
	}
	return body, err
}
