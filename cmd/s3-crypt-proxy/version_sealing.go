//go:build !passthrough

package main

// seals: the product always does.
const seals = true
