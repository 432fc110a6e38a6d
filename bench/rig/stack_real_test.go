//go:build integration

package rig

import (
	"context"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

func headBucket(t *testing.T, cfg pbs.Config) error {
	t.Helper()
	c, err := pbs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.HeadBucket(context.Background())
}

func startStack(t *testing.T) *Stack {
	t.Helper()
	s, err := StartStack(context.Background(), StackConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStackMakesEveryBucket(t *testing.T) {
	t.Setenv("S3CP_ALLOWED_BUCKETS", "one-bucket,two-buckets")
	s := startStack(t)
	for _, name := range []string{"one-bucket", "two-buckets"} {
		if err := headBucket(t, s.Proxy.PBS(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := headBucket(t, s.Proxy.PBS("backups")); err == nil {
		t.Error("a bucket that was not named is served")
	}
}

func TestGivenBackendIsLeftAlone(t *testing.T) {
	b, err := StartVersitygw(context.Background(), BackendConfig{Dir: t.TempDir(), Bucket: "trial-bucket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() }) // its log is not what is tested
	t.Setenv("S3CP_ALLOWED_BUCKETS", "trial-bucket")
	t.Setenv("S3CP_BACKEND_ENDPOINT", b.Endpoint())
	t.Setenv("S3CP_BACKEND_ACCESS_KEY", b.AccessKey)
	t.Setenv("S3CP_BACKEND_SECRET_KEY", b.SecretKey)
	s := startStack(t)
	if n := len(s.processes()); n != 2 || !s.Backend.Given() {
		t.Errorf("%d processes; want a proxy and a key holder", n)
	}
	if err := headBucket(t, s.Proxy.PBS("trial-bucket")); err != nil {
		t.Error(err)
	}
	if err := headBucket(t, b.PBS("backups")); err == nil {
		t.Error("a bucket was made at a backend that is not ours")
	}
}
