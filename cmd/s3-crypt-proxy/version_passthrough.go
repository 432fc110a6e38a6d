//go:build passthrough

package main

// seals: this build stores what it gets in the clear, for the benchmark alone.
const seals = false
