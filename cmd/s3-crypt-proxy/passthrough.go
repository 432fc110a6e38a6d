//go:build passthrough

package main

// passthroughBuild: this binary stores plaintext. It exists for the benchmark's
// middle column alone.
const passthroughBuild = true
