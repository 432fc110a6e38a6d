//go:build integration

package clients

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of clients into the documentation")

// client is a program that others wrote, and what it goes through here.
type client struct {
	name    string
	source  string   // where it comes from, with its version if we pin that
	version []string // the command that prints the version
	schemes []string // http as well where a client frames bodies in another way there
	does    string   // for the table in docs/s3-compatibility.md
	life    func(*session)

	settings []setting // under which it lives again: where the client could notice
}

var both = []string{"https", "http"}

// clients is every client, in the order of the documentation.
var clients = []client{
	{"aws-cli", "Debian awscli", []string{"aws", "--version"}, []string{"https"},
		"`s3 mb`, `cp` (trees, standard input, server side), `sync` twice, `ls`, `mv`, `presign`, `rm`; `s3api` `put-object`, `head-object` and `get-object` with checksums", awsLife, []setting{sealedNames}},
	{"s3cmd", "Debian s3cmd", []string{"s3cmd", "--version"}, []string{"https"},
		"`mb`, `put` (in parts of 5 MiB too), `get`, `sync` twice, `ls`, `ls --list-md5`, `info`, `cp`, `mv`, `del`; its `signurl` is signature version 2 and is refused", s3cmdLife, []setting{md5ETags}},
	{"rclone", "Go module v1.76.0", []string{"rclone", "version"}, both,
		"provider `Other`: `mkdir`, `sync` twice, `check --download`, `hashsum`, `sync --checksum`, `lsjson`, uploads in parts of 5 MiB (a large one of 200 MiB; 5 GiB in `make bench`), `rcat`, `copyto`, `moveto`, `move`, `purge`", rcloneLife, []setting{sealedNames, md5ETags}},
	{"restic", "Debian restic", []string{"restic", "version"}, []string{"https"},
		"`init`, `backup`, `check --read-data`, `restore`, `forget --prune`", resticLife, []setting{sealedNames}},
	{"mc", "Go module v0.0.0-20250313080218-cf909e1063a9", []string{"mc", "--version"}, both,
		"`mb`, `mirror` twice, `diff`, `stat`, `cat`, `cp` (with checksums, server side too), `pipe`, `mv`, `rm`", mcLife, nil},
	{"boto3", "Debian python3-boto3", []string{python, "-c", "import boto3; print(boto3.__version__)"}, both,
		"`put_object`, `get_object` (ranges, conditions), `upload_file` and `download_file` in parts, checksums, list paginators, `copy`, presigned GET, PUT and POST, `delete_objects`", boto3Life, []setting{sealedNames, md5ETags}},
	{"AWS SDK for JavaScript", "npm @aws-sdk/client-s3 3.1169.0", nil, both,
		"`PutObject` and `GetObject` with their default checksums, streamed bodies, lib-storage's `Upload`, list paginators, `CopyObject`, presence and absence, `DeleteObjects`", javascriptLife, nil},
}

// TestRealClients takes every client through its whole life with the proxy: what it sent comes back byte for byte, sizes
// agree everywhere, the backend has nothing but sealed objects, and nothing is left when it has deleted its objects.
func TestRealClients(t *testing.T) {
	s := startStack(t, plain)
	for _, c := range clients {
		for _, scheme := range c.schemes {
			t.Run(c.name+"/"+scheme, func(t *testing.T) {
				session := newSession(t, s, bucketName(c.name), scheme)
				if c.version != nil {
					t.Logf("%s", session.run(c.version[0], c.version[1:]...).stdout)
				}
				c.life(session)
			})
		}
	}
}

// TestDocumentation: the table of clients in docs/s3-compatibility.md is this one.
func TestDocumentation(t *testing.T) {
	const file, begin, end = "../../docs/s3-compatibility.md", "<!-- clients: TestDocumentation writes and proves this table -->\n", "<!-- end of clients -->\n"
	var table strings.Builder
	table.WriteString("| Client | From | Through | And with | What it does |\n|---|---|---|---|---|\n")
	for _, c := range clients {
		var with []string
		for _, s := range c.settings {
			with = append(with, s.name)
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", c.name, c.source, strings.Join(c.schemes, ", "), strings.Join(with, ", "), c.does)
	}
	doc, err := os.ReadFile(file)
	must(t, err)
	head, rest, ok := bytes.Cut(doc, []byte(begin))
	old, foot, ended := bytes.Cut(rest, []byte(end))
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", file)
	}
	if string(old) == table.String() {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the clients as they are tested; go test -tags integration -run TestDocumentation ./bench/clients -update writes it", file)
	}
	must(t, os.WriteFile(file, []byte(string(head)+begin+table.String()+end+string(foot)), 0o644))
}

// bucketName makes a client's name fit for a bucket.
func bucketName(s string) string {
	return strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(s), "-"), "-")
}
