//go:build !passthrough

package main

// passthroughBuild is true in a binary of the benchmark that does not seal.
const passthroughBuild = false
