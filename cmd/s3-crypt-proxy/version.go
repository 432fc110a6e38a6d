package main

import (
	"fmt"
	"runtime"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// version is set by the linker (see the Makefile); nothing writes it.
var version = "unknown"

func versionLine() string {
	v := version
	if !seals {
		v += " (DOES NOT SEAL, benchmark build)"
	}
	return fmt.Sprintf("s3-crypt-proxy %s (%s, %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// suiteName is what new objects are sealed with, as people are told.
func suiteName(s format.Suite) string {
	if !seals {
		return "none"
	}
	return s.String()
}
