package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// app is one run of the program: the persistent flags, and the passphrase as long as it lasts.
type app struct {
	sys surroundings

	configPath     string
	json           bool
	verbose        bool
	passphraseFile string
	passphraseFD   int

	passphrase []byte // the last one that was given; also tried on the other file
	tty        *terminal
	command    string // for the reply
}

// wipe ends the run.
func (a *app) wipe() {
	clear(a.passphrase)
	a.passphrase = nil
	if a.tty != nil {
		a.tty.close()
	}
}

// now is in whole seconds: files and sheets have no finer time.
func (a *app) now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// hint tells people what to do next, or what is worth knowing. It is not part of the result.
func (a *app) hint(format string, args ...any) {
	fmt.Fprintf(a.sys.err, format+"\n", args...)
}

// detail is a hint for --verbose.
func (a *app) detail(format string, args ...any) {
	if a.verbose {
		a.hint(format, args...)
	}
}

// configFile returns the path of the configuration, made absolute, so that the paths in it mean the same everywhere.
func (a *app) configFile() (string, error) {
	path := a.configPath
	if path == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fail(exitFile, "memkey-admin --config FILE …", fmt.Errorf("cannot find the configuration: %w", err))
		}
		path = filepath.Join(home, defaultConfig)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fail(exitFile, "memkey-admin --config FILE …", fmt.Errorf("cannot find the configuration: %w", err))
	}
	return path, nil
}
