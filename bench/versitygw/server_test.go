package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// versitygw allows one gateway a process, so every test runs this test binary again as the server.
func TestMain(m *testing.M) {
	if os.Getenv("S3SERVER_TEST_AS_SERVER") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// child is the server as another process.
type child struct {
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	stdout   *bufio.Reader
	endpoint string
}

// launch starts the server and waits for its ready line.
func launch(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0], append([]string{"-parent-death"}, args...)...)}
	c.cmd.Env = append(os.Environ(), "S3SERVER_TEST_AS_SERVER=1", "S3SERVER_ACCESS=testaccess", "S3SERVER_SECRET=testsecret1234")
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stdin.Close(); c.cmd.Process.Kill(); c.cmd.Wait() })
	c.stdout = bufio.NewReader(out)
	line, err := c.stdout.ReadString('\n')
	if err != nil {
		t.Fatalf("no ready line: %v", err)
	}
	endpoint, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "ready endpoint=")
	if !ok {
		t.Fatalf("first line is %q", line)
	}
	c.endpoint = endpoint
	return c
}

// wait demands that the server ends with status 0, without another word on stdout.
func (c *child) wait(t *testing.T) {
	t.Helper()
	kill := time.AfterFunc(10*time.Second, func() { c.cmd.Process.Kill() })
	defer kill.Stop()
	rest, _ := io.ReadAll(c.stdout)
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("server ended with %v", err)
	}
	if len(rest) != 0 {
		t.Errorf("stdout has more than the ready line: %q", rest)
	}
}

func (c *child) client() *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &c.endpoint, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "testaccess", SecretAccessKey: "testsecret1234"}, nil
		}),
	})
}

func TestStoresObjectsAsFilesAndEndsOnSignal(t *testing.T) {
	for _, extra := range [][]string{nil, {"-sidecar"}} {
		dir := filepath.Join(t.TempDir(), "store")
		c := launch(t, append([]string{"-dir", dir, "-bucket", "backups"}, extra...)...)
		want := bytes.Repeat([]byte("sealed"), 1000)
		if _, err := c.client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("backups"), Key: aws.String("a/b"), Body: bytes.NewReader(want)}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "backups", "a", "b")); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: the object is not the file: %d bytes, %v", extra, len(got), err)
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(dir), "sidecar.store", "backups", "a", "b")); extra != nil && err != nil {
			t.Errorf("no sidecar directory: %v", err)
		}
		if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		c.wait(t)
	}
}

func TestExistingBucketIsFineAtStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	for range 2 {
		c := launch(t, "-dir", dir, "-bucket", "backups")
		c.stdin.Close()
		c.wait(t)
	}
}

func TestEndsWhenItsParentIsGone(t *testing.T) {
	c := launch(t, "-dir", filepath.Join(t.TempDir(), "store"))
	// An open keep-alive connection must not hold the server up.
	resp, err := http.Get(c.endpoint + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	c.stdin.Close()
	c.wait(t)
}

func TestUnknownAccessKeyIsDenied(t *testing.T) {
	c := launch(t, "-dir", filepath.Join(t.TempDir(), "store"), "-bucket", "backups")
	req, err := http.NewRequest(http.MethodGet, c.endpoint+"/backups/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("unsigned request: status %d, want 403", resp.StatusCode)
	}
}

func TestWrongOptionsAreNamed(t *testing.T) {
	dir := t.TempDir()
	ok := options{listen: "127.0.0.1:0", dir: dir, access: "a", secret: "s"}
	for name, tc := range map[string]struct {
		change func(*options)
		want   string
	}{
		"no directory":         {func(o *options) { o.dir = "" }, "-dir"},
		"no secret":            {func(o *options) { o.secret = "" }, "S3SERVER_SECRET"},
		"certificate alone":    {func(o *options) { o.certFile = "x" }, "-key"},
		"no port":              {func(o *options) { o.listen = "localhost" }, "-listen"},
		"versions inside -dir": {func(o *options) { o.versions = dir + "/v" }, "-versions"},
	} {
		o := ok
		tc.change(&o)
		if err := o.check(nil); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v does not name %s", name, err, tc.want)
		}
	}
	if err := ok.check([]string{"stray"}); err == nil || !strings.Contains(err.Error(), "stray") {
		t.Errorf("stray argument: %v", err)
	}
}

// TestIdleIsIdle: a server that nobody asks takes no processor from what is measured or tested beside it.
func TestIdleIsIdle(t *testing.T) {
	c := launch(t, "-dir", filepath.Join(t.TempDir(), "store"))
	// On a busy machine one that never rests may be held back for a moment, not for a second.
	quiet, end := time.Now(), time.Now().Add(30*time.Second)
	for before := 0; time.Since(quiet) < time.Second; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it worked in every second of thirty")
		}
		if now := ticks(t, c.cmd.Process.Pid); now != before {
			before, quiet = now, time.Now()
		}
	}
}

// ticks is the processor time of a process so far, in hundredths of a second.
func ticks(t *testing.T, pid int) (n int) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] { // utime and stime (proc_pid_stat(5))
		v, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		n += v
	}
	return n
}
