//go:build integration

package clients

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestS3fs: files in a mounted bucket. s3fs keeps modes and times as metadata and changes them by copying an object onto
// itself, and renames by copy and delete. With enable_content_md5 it holds the ETag of each part to be the part's MD5, and so
// cannot upload in parts: nothing is stored under the name then, and the caller is told.
func TestS3fs(t *testing.T) {
	t.Parallel()
	if _, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil || os.Getuid() != 0 {
		t.Skipf("s3fs needs /dev/fuse and the right to mount: %v, user %d", err, os.Getuid())
	}
	for _, with := range []setting{plain, sealedNames} {
		t.Run(bucketName(with.name), func(t *testing.T) {
			c := newSession(t, startStack(t, with), "s3fs", "https")
			c.s3fsLife()
		})
	}
}

func (c *session) s3fsLife() {
	ctx := context.Background()
	_, err := c.store.proxy.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &c.bucket})
	must(c.T, err)
	// Most directories come from objects below them.
	want := c.tree.under("tree/")
	for key, b := range want {
		_, err := c.store.proxy.PutObject(ctx, &s3.PutObjectInput{Bucket: &c.bucket, Key: &key, Body: bytes.NewReader(b)})
		must(c.T, err)
	}
	dir := c.path("mounted")
	must(c.T, os.Mkdir(dir, 0o700))
	unmount := c.mount(dir)
	c.tree.sameIn(c.T, filepath.Join(dir, "tree"))
	save := func(name string, b []byte) {
		c.Helper()
		must(c.T, os.WriteFile(filepath.Join(dir, name), b, 0o640))
		want[name] = b
	}
	save("parts", c.tree["size/17m+3"])
	save("tree/plus/new + file.txt", c.tree["size/64k+1"])
	save("tree/size/1m+7", c.tree["size/1025"])
	save("none", nil)
	must(c.T, os.Chmod(filepath.Join(dir, "tree/size/8m"), 0o600))
	must(c.T, os.Rename(filepath.Join(dir, "parts"), filepath.Join(dir, "tree/renamed")))
	want["tree/renamed"] = want["parts"]
	delete(want, "parts")
	f, err := os.OpenFile(filepath.Join(dir, "tree/size/64k"), os.O_WRONLY|os.O_APPEND, 0)
	must(c.T, err)
	_, err = f.WriteString(c.marker)
	must(c.T, err)
	must(c.T, f.Close())
	want["tree/size/64k"] = append(bytes.Clone(want["tree/size/64k"]), c.marker...)
	// A directory of its own is an object with a slash at its end, which versitygw keeps without content. Its mode is metadata.
	made := filepath.Join(dir, "made")
	must(c.T, os.Mkdir(made, 0o700))
	must(c.T, os.Chmod(made, 0o750))
	folder := "made/"
	if o, err := c.store.proxy.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.bucket, Key: &folder}); err != nil || o.Metadata["mode"] == "" {
		c.Errorf("a directory made on %s: %+v, %v", c.backend.Name, o, err)
	}
	must(c.T, os.Remove(made))
	must(c.T, os.Remove(filepath.Join(dir, "tree/size/one")))
	delete(want, "tree/size/one")
	unmount()
	c.store.holds(want)

	// Another mount, without what the first one remembers.
	unmount = c.mount(dir)
	want.sameIn(c.T, dir)
	if st, err := os.Stat(filepath.Join(dir, "tree/size/8m")); err != nil || st.Mode().Perm() != 0o600 {
		c.Errorf("the mode is %v, %v", st.Mode(), err)
	}
	unmount()
	if c.setting == plain {
		unmount = c.mount(dir, "enable_content_md5")
		if err := os.WriteFile(filepath.Join(dir, "refused"), c.tree["size/17m+3"], 0o600); !errors.Is(err, syscall.EIO) {
			c.Errorf("an upload in parts with enable_content_md5: %v", err)
		}
		save("md5", c.tree["size/1m+7"])
		unmount()
		// It leaves the upload open.
		open, err := c.store.proxy.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &c.bucket})
		must(c.T, err)
		for _, u := range open.Uploads {
			_, err := c.store.proxy.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &c.bucket, Key: u.Key, UploadId: u.UploadId})
			must(c.T, err)
		}
	}
	c.store.holds(want)
	unmount = c.mount(dir)
	for key := range want {
		must(c.T, os.Remove(filepath.Join(dir, key)))
	}
	unmount()
	c.store.empty()
}

// mount mounts the bucket and waits for it; what it returns unmounts it and waits for the end of s3fs.
func (c *session) mount(dir string, options ...string) (unmount func()) {
	c.Helper()
	var log bytes.Buffer
	cmd := exec.Command(c.find("s3fs"), c.bucket, dir, "-f", "-o", "url="+c.url, "-o", "use_path_request_style", "-o", "endpoint=us-east-1",
		"-o", "multipart_size=5") // it takes the CA file at its second try
	for _, o := range options {
		cmd.Args = append(cmd.Args, "-o", o)
	}
	cmd.Env = append(c.env, "CURL_CA_BUNDLE="+c.caFile, "AWSACCESSKEYID="+c.proxy.AccessKey, "AWSSECRETACCESSKEY="+c.proxy.SecretKey)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the kernel's "parent" is the thread
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if started <- err; err == nil {
			ended <- cmd.Wait()
		}
	}()
	must(c.T, <-started)
	gone := false
	c.Cleanup(func() {
		if !gone { // the test failed
			syscall.Unmount(dir, syscall.MNT_DETACH)
			cmd.Process.Kill()
			<-ended
			c.Logf("s3fs said:\n%s", tail(log.String()))
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		mounts, err := os.ReadFile("/proc/self/mounts")
		must(c.T, err)
		if strings.Contains(string(mounts), " "+dir+" fuse") {
			break
		}
		select {
		case err := <-ended:
			gone = true
			c.Fatalf("s3fs ended: %v\n%s", err, tail(log.String()))
		default:
		}
		if time.Now().After(deadline) {
			c.Fatal("s3fs does not mount")
		}
	}
	return func() {
		c.Helper()
		must(c.T, syscall.Unmount(dir, 0))
		select {
		case err := <-ended:
			gone = true
			// All it had to send it has sent, as files were closed: what is there is looked at now. That it may crash when it ends
			// (s3fs-fuse issue 2188), or hang on a machine with much else to do, is its own affair.
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
				c.Logf("s3fs died of its end: %v\n%s", err, tail(log.String()))
				break
			}
			must(c.T, err)
		case <-time.After(20 * time.Second):
			c.Log("s3fs did not end after the unmount, and was killed")
			must(c.T, cmd.Process.Kill())
			<-ended
			gone = true
		}
	}
}
