//go:build race

package keyagent

const raceEnabled = true
