//go:build !race

package keyagent

const raceEnabled = false
