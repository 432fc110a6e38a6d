package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/versity/versitygw/tests/integration"
)

// notS3 are tests of versitygw's own: accounts, modes and the web site endpoint, and what it does on a file system.
var notS3 = regexp.MustCompile(`^(IAM|S3IAM|NoAclMode|WebsiteHosting|CORSMiddleware|DeleteObjects_iam_)|_data_integrity_etag$|_noacl|_acls?_disabled`)

// withVersioning are tests that expect a server which was started with versioning, and withoutVersioning the contrary.
var (
	withVersioning    = regexp.MustCompile(`^Versioning_`)
	withoutVersioning = regexp.MustCompile(`^(WORMProtection_|ListObjectVersions_VD)|^(PutObjectLockConfiguration|Versioning)_not_enabled_on_bucket_creation$`)
)

// alone are tests that look at all buckets there are.
var alone = regexp.MustCompile(`^ListBuckets_`)

// unused is the test that expects no bucket: those before it may leave some behind when they fail.
const unused = "ListBuckets_empty_success"

// chosen are the names of the tests to run, in order: those that run alone first.
func chosen(only *regexp.Regexp, versioning bool) []string {
	other := withVersioning
	if versioning {
		other = withoutVersioning
	}
	var names []string
	for _, n := range slices.Sorted(maps.Keys(integration.GetIntTests())) {
		if !notS3.MatchString(n) && !other.MatchString(n) && only.MatchString(n) {
			names = append(names, n)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return strings.Compare(rank(a), rank(b))
	})
	return names
}

func rank(name string) string {
	switch {
	case name == unused:
		return "0"
	case alone.MatchString(name):
		return "1"
	}
	return "2"
}
