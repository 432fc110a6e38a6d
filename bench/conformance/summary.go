package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// causes of failures, in the order of the document's columns.
var causes = []string{"users", "web sites", "public", "differs from S3", "sealing", "backend"}

// beside are the families of tests that are not core: what they are about is passed on as it is, or needs users of the
// backend, or a file system below.
var beside = []struct {
	about string
	tests *regexp.Regexp
}{
	{"users and their rights", regexp.MustCompile(`^(AccessControl_|Versioning_AccessControl_|ListBuckets_as_|CreateBucket_as_user$|GetBucketLocation_no_access$|CopyObject_not_owned|Authentication_(date_mismatch|non_existing))|^GetBucketVersioning_(non_owner|with_acl|with_policy)`)},
	{"the public", regexp.MustCompile(`^PublicBucket_|_fail_public$`)},
	{"ACLs and owners", regexp.MustCompile(`^(Put|Get)(Bucket|Object)Acl_|BucketOwnershipControls_|_acl_not_supported$|^CreateBucket_(.*acl|invalid_ownership|ownership|existing_bucket)`)},
	{"policies of buckets", regexp.MustCompile(`^(Put|Get|Delete)BucketPolicy(Status)?_`)},
	{"tags of buckets", regexp.MustCompile(`^(Put|Get|Delete)BucketTagging_|^CreateBucket_(long_tags|invalid_tags|duplicate_keys|tag_count)`)},
	{"web sites", regexp.MustCompile(`^(Put|Get|Delete)BucketWebsite_`)},
	{"pages in browsers", regexp.MustCompile(`^((Put|Get|Delete)BucketCors|PreflightOPTIONS|PostObject)_`)},
	{"what is refused", regexp.MustCompile(`_not_implemented$`)},
	{"names of files", regexp.MustCompile(`_name_too_long$|^PutObject_(with_slashes|overwrite_(dir|file)_obj|dir_obj)|^(CopyObject_overwrite_same_dir|CreateMultipartUpload_dir_obj)`)},
	{"an account without buckets", regexp.MustCompile(`^ListBuckets_empty`)},
}

// core says whether a test is about what is sealed or answered by the proxy.
func core(test string) bool {
	for _, f := range beside {
		if f.tests.MatchString(test) {
			return false
		}
	}
	return true
}

// The summary stands between these lines of the document.
const (
	summaryBegin = "<!-- conformance: bin/conformance -write writes this table -->\n"
	summaryEnd   = "<!-- end of conformance -->\n"
)

// summary is the table: how many tests pass on each server, and why the others do not. What is listed is what fails,
// or the run has failed.
func summary(path string) (string, error) {
	var b strings.Builder
	b.WriteString("| versitygw | tests | pass | fail |")
	for _, c := range causes {
		b.WriteString(" " + c + " |")
	}
	b.WriteString(" fail of the core | pass of the core |\n|" + strings.Repeat("---|", 6+len(causes)) + "\n")
	for _, half := range []struct {
		name       string
		versioning bool
	}{{"without versions", false}, {"with versions", true}} {
		listed, err := exceptions(path, half.versioning)
		if err != nil {
			return "", err
		}
		names := chosen(regexp.MustCompile(""), half.versioning)
		var failed, ofCore, failedOfCore int
		by := map[string]int{}
		for _, n := range names {
			e, fails := listed[n]
			if core(n) {
				ofCore++
			}
			if fails {
				failed++
				by[e.cause]++
				if core(n) {
					failedOfCore++
				}
			}
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d |", half.name, len(names), len(names)-failed, failed)
		for _, c := range causes {
			fmt.Fprintf(&b, " %d |", by[c])
		}
		fmt.Fprintf(&b, " %d | %d |\n", failedOfCore, ofCore-failedOfCore)
	}
	return b.String(), nil
}

// summarized splits the document around its summary.
func summarized(path string) (before, table, after string, err error) {
	doc, err := os.ReadFile(path)
	if err != nil {
		return "", "", "", err
	}
	before, rest, begins := strings.Cut(string(doc), summaryBegin)
	table, after, ends := strings.Cut(rest, summaryEnd)
	if !begins || !ends {
		return "", "", "", fmt.Errorf("%s has no place for the figures: %s", path, strings.TrimSpace(summaryBegin))
	}
	return before + summaryBegin, table, summaryEnd + after, nil
}

func writeSummary(path string) error {
	before, _, after, err := summarized(path)
	if err != nil {
		return err
	}
	table, err := summary(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(before+table+after), 0o644)
}
