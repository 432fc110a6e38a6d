package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/versity/versitygw/tests/integration"
)

// limit of one test. The slowest take some seconds; one that hangs must not hold up all.
const limit = 2 * time.Minute

// parallel tests wait for removals of buckets most of the time.
const parallel = 12

// bucketCount numbers the buckets of a process from 1: another child must not meet those of the one before.
//
//go:linkname bucketCount github.com/versity/versitygw/tests/integration.bcktCount
var bucketCount atomic.Uint64

// target is where the tests go, from the environment: secrets are not for argv.
func target(versioning bool) *integration.S3Conf {
	opts := []integration.Option{
		integration.WithEndpoint(os.Getenv("ENDPOINT")), integration.WithAccess(os.Getenv("ACCESS_KEY")), integration.WithSecret(os.Getenv("SECRET_KEY")),
		integration.WithRegion("us-east-1"), integration.WithTLSStatus(false),
	}
	if versioning {
		opts = append(opts, integration.WithVersioningEnabled())
	}
	return integration.NewS3Conf(opts...)
}

// runChild runs the tests that are not yet noted.
func runChild(names []string, path string, round int, versioning bool) error {
	// The SDK's default configuration ends the process over the first of these, and the others would lead it elsewhere.
	for _, name := range []string{"AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	bucketCount.Store(1_000_000 + uint64(round)*10_000)
	done, err := readNotes(path)
	if err != nil {
		return err
	}
	out, err := openNotes(path)
	if err != nil {
		return err
	}
	conf, tests := target(versioning), integration.GetIntTests()
	one := func(name string) {
		out.write(note{Test: name})
		ended := note{Test: name, Ended: true}
		if err := bounded(name, func() error { return tests[name](conf) }); err != nil {
			ended.Error = err.Error()
		}
		out.write(ended)
	}
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for _, name := range names {
		before, suspect := done[name]
		switch {
		case before.over():
			continue
		case suspect || alone.MatchString(name):
			wg.Wait()
			one(name)
			continue
		}
		slots <- struct{}{}
		wg.Go(func() { one(name); <-slots })
	}
	wg.Wait()
	return nil
}

// bounded runs a test within the limit. A bucket that could not be removed behind a test is no failure of the test:
// objects under a lock stay.
func bounded(name string, test func() error) error {
	result := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				result <- fmt.Errorf("panic: %v", p)
			}
		}()
		result <- test()
	}()
	select {
	case err := <-result:
		if err != nil && strings.Contains(err.Error(), "failed to delete the bucket") {
			return nil
		}
		return err
	case <-time.After(limit):
		return fmt.Errorf("%s took more than %v", name, limit)
	}
}
