package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

// TestMain makes the test binary memkey-admin itself, with files that are cheap to open.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"memkey-admin": func() {
		if err := protect(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(run(context.Background(), os.Args[1:], system(keyfile.LowCost())))
	}})
}

// TestExitCodesAreDocumented compares doc.go and the help text with the codes.
func TestExitCodesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("exit.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []exitCode{exitOK, exitInternal, exitUsage, exitFile, exitIdentity, exitUnreachable, exitRefused, exitForeign, exitConflict, exitInterrupted} {
		n := strconv.Itoa(int(c))
		if !strings.Contains(string(doc), fmt.Sprintf("\n//\t%-3s ", n)) {
			t.Errorf("doc.go does not have the exit status %s", n)
		}
		if !strings.Contains(longHelp, n+" ") {
			t.Errorf("--help does not have the exit status %s", n)
		}
	}
	if n := bytes.Count(code, []byte("exitCode = ")); n != 10 {
		t.Errorf("%d codes in exit.go, 10 in this test", n)
	}
}
