package main

import (
	"fmt"
	"runtime"
)

// version is set by the linker (see the Makefile); nothing writes it.
var version = "unknown"

func versionLine() string {
	return fmt.Sprintf("s3-crypt %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
