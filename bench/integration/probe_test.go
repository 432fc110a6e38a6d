//go:build integration

package integration

import (
	"bytes"
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// TestBackendIsProbed: `check` finds nothing wrong with a real store, leaves nothing in
// it, and says what is wrong with a configuration that does not fit it.
func TestBackendIsProbed(t *testing.T) {
	backend, err := rig.StartVersitygw(t.Context(), rig.BackendConfig{Dir: t.TempDir(), Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, backend.Stop()) })
	binary, err := rig.Binary("s3-crypt-proxy")
	if err != nil {
		t.Fatal(err)
	}
	run := func(environ ...string) (code int, stdout, stderr string) {
		cmd := exec.Command(binary, "check")
		cmd.Env = append([]string{"S3CP_ADMIN_TOKEN=0123456789abcdef", "S3CP_CLIENT_ACCESS_KEY=c", "S3CP_CLIENT_SECRET_KEY=a-secret-of-the-client",
			"S3CP_BACKEND_ENDPOINT=" + backend.Endpoint(), "S3CP_BACKEND_REGION=" + backend.Region, "S3CP_BACKEND_PATH_STYLE=true",
			"S3CP_BACKEND_ACCESS_KEY=" + backend.Credentials.AccessKey, "S3CP_BACKEND_SECRET_KEY=" + backend.Credentials.SecretKey,
			"S3CP_ALLOWED_BUCKETS=" + bucket, "S3CP_LISTEN_ADDR=127.0.0.1:0"}, environ...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if strings.Contains(out.String()+errs.String(), backend.Credentials.SecretKey) {
			t.Error("it shows a secret")
		}
		return cmd.ProcessState.ExitCode(), out.String(), errs.String()
	}
	code, stdout, stderr := run()
	if code != 0 || strings.Contains(stderr, "backend:") || strings.Count(stdout, "\n# ok  "+bucket+": ") < 9 {
		t.Errorf("of a good store: %d\n%s%s", code, stdout, stderr)
	}
	err = filepath.WalkDir(filepath.Join(backend.Dir, bucket), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			t.Errorf("left in the store: %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for variable, says := range map[string]string{
		"S3CP_BACKEND_SECRET_KEY=wrong-wrong-wrong":        "look at backend.access_key",
		"S3CP_ALLOWED_BUCKETS=nowhere":                     "nowhere: bucket: it does not exist",
		"S3CP_BACKEND_ENDPOINT=http://127.0.0.1:1":         "look at backend.endpoint",
		"S3CP_BACKEND_ENDPOINT=https://" + backend.Address: "speaks no TLS: backend.endpoint begins with http://",
	} {
		if code, _, stderr := run(variable); code != 7 || !strings.Contains(stderr, says) {
			t.Errorf("%s: %d, no %q in\n%s", variable, code, says, stderr)
		}
	}
}
