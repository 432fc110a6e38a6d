package main

import (
	"context"
	"strings"
	"testing"
)

// TestWrongUsage: each of these is status 2, and says what to do.
func TestWrongUsage(t *testing.T) {
	for args, want := range map[string]string{
		"-verzion":            "unknown flag: --verzion",
		"--verzion":           "unknown flag: --verzion",
		"check -keyz=1":       "unknown flag: --keyz",
		"-x":                  "unknown flag: -x",
		"-config":             "flag needs an argument: --config",
		"-version=perhaps":    `invalid argument "perhaps" for "-v, --version"`,
		"help frobnicate":     `there is no help on "frobnicate"`,
		"help check keys":     `there is no help on "check keys"`,
		"frobnicate":          `unknown command "frobnicate"`,
		"completion":          `unknown command "completion"`,
		"completion bash":     `unknown command "completion"`,
		"check extra":         `unknown command "extra"`,
		"fingerprint -config": "flag needs an argument",
	} {
		var out, diag strings.Builder
		code := run(context.Background(), strings.Fields(args), nil, strings.NewReader(""), &out, &diag)
		got := diag.String()
		if code != int(exitUsage) || out.Len() > 0 || !strings.HasPrefix(got, "s3-crypt-proxy: ") || !strings.Contains(got, want) ||
			!strings.HasSuffix(got, "\nrun `s3-crypt-proxy help` for the commands and flags\n") {
			t.Errorf("%s: status %d, stdout %q, stderr %q", args, code, out.String(), got)
		}
	}
}

func TestHelpNamesEverything(t *testing.T) {
	for args, want := range map[string][]string{
		"help":       {"-v, --version", "--config FILE", "one dash or two", "check", "fingerprint", "tune", "explain a command"},
		"-h":         {"-v, --version", "check", "fingerprint"},
		"help help":  {"2 there is no such command"},
		"help check": {"--keys", "-h, --help", "redacted", "Exit status"},
		"-v":         {"s3-crypt-proxy ", "(go"},
		"-version":   {"s3-crypt-proxy ", "(go"},
	} {
		var out, diag strings.Builder
		if code := run(context.Background(), strings.Fields(args), nil, strings.NewReader(""), &out, &diag); code != 0 || diag.Len() > 0 {
			t.Errorf("%s: status %d, stderr %q", args, code, diag.String())
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: no %q in\n%s", args, w, out.String())
			}
		}
		if strings.Contains(out.String(), "completion") {
			t.Errorf("%s names a command that is not there", args)
		}
	}
}
