package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

// minPassphrase is the shortest new passphrase in bytes. It keeps out slips of the finger, no more: what a guess costs
// is Argon2id's business, what there is to guess is the owner's.
const minPassphrase = 8

const nextPassphraseFile = "give the passphrase with --passphrase-file FILE or --passphrase-fd N"

// newPassphrase gets a passphrase for a new file, asked for twice on the terminal. It is a.passphrase afterwards.
func (a *app) newPassphrase(what string) error {
	if given, err := a.givenPassphrase(); given || err != nil {
		if err == nil && len(a.passphrase) < minPassphrase {
			err = tooShort()
		}
		return err
	}
	t, err := a.terminal()
	if err != nil {
		return fail(exitIdentity, nextPassphraseFile, fmt.Errorf("cannot ask for a passphrase: %w", err))
	}
	first, err := t.secret("New passphrase for the " + what + ": ")
	if err != nil {
		return asking(err)
	}
	if len(first) < minPassphrase {
		clear(first)
		return tooShort()
	}
	again, err := t.secret("The same again: ")
	if err != nil {
		clear(first)
		return asking(err)
	}
	defer clear(again)
	if !bytes.Equal(first, again) {
		clear(first)
		return fail(exitIdentity, "the same command again", errors.New("cannot take the passphrase: the two are not the same"))
	}
	a.setPassphrase(first)
	return nil
}

func tooShort() error {
	return fail(exitIdentity, "a passphrase of several words", fmt.Errorf("cannot take the passphrase: it has fewer than %d bytes", minPassphrase))
}

// asking turns a question without an answer into a failure.
func asking(err error) error {
	if errors.Is(err, errInterrupted) {
		return fail(exitInterrupted, "", fmt.Errorf("cannot go on: %w; nothing was written or sent since the question", err))
	}
	return fail(exitIdentity, nextPassphraseFile, fmt.Errorf("cannot ask for a passphrase: %w", err))
}

// withPassphrase calls open with the passphrase of an existing file, until it is the right one: the one that another file
// had, else the one that is given or asked for.
func (a *app) withPassphrase(what string, open func(passphrase []byte) error) error {
	if a.passphrase != nil {
		err := open(a.passphrase)
		if !errors.Is(err, keyfile.ErrPassphrase) || a.passphraseFile != "" || a.passphraseFD >= 0 {
			return err // what was given for all files is not asked for
		}
	}
	given, err := a.givenPassphrase()
	if err != nil {
		return err
	}
	if !given {
		t, err := a.terminal()
		if err != nil {
			return fail(exitIdentity, nextPassphraseFile, fmt.Errorf("cannot ask for the passphrase: %w", err))
		}
		line, err := t.secret("Passphrase for the " + what + ": ")
		if err != nil {
			return asking(err)
		}
		a.setPassphrase(line)
	}
	return open(a.passphrase)
}

// givenPassphrase takes the passphrase from a file or descriptor, if there is to be one.
func (a *app) givenPassphrase() (bool, error) {
	var f *os.File
	switch {
	case a.passphraseFile != "" && a.passphraseFD >= 0:
		return false, fail(exitUsage, "memkey-admin help", errors.New("cannot take two passphrases: --passphrase-file and --passphrase-fd are both there"))
	case a.passphraseFile != "":
		opened, err := os.Open(a.passphraseFile)
		if err != nil {
			return false, fail(exitFile, "ls -l "+a.passphraseFile, fmt.Errorf("cannot read the passphrase: %w", err))
		}
		if err := private(opened); err != nil {
			opened.Close()
			return false, fail(exitFile, "chmod 600 "+a.passphraseFile, fmt.Errorf("cannot use the passphrase in %s: %w", a.passphraseFile, err))
		}
		f = opened
	case a.passphraseFD >= 0:
		f = os.NewFile(uintptr(a.passphraseFD), "passphrase-fd")
	default:
		return false, nil
	}
	defer f.Close()
	buffer := make([]byte, keyfile.MaxPassphrase+3)
	n, err := io.ReadFull(f, buffer)
	if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		clear(buffer)
		if err == nil {
			err = fmt.Errorf("more than %d bytes", keyfile.MaxPassphrase)
		}
		return false, fail(exitFile, "look at the file: the passphrase is its first line, and nothing else may be there", fmt.Errorf("cannot read the passphrase: %w", err))
	}
	line := buffer[:n]
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 || bytes.ContainsAny(line, "\r\n\x00") {
		clear(buffer)
		return false, fail(exitIdentity, "look at the file: the passphrase is its first line, and nothing else may be there", errors.New("cannot read the passphrase: it is empty, or more than a line"))
	}
	a.setPassphrase(line)
	return true, nil
}

// private refuses a file that others than its owner can read or write: what is in it is no secret. A pipe and the like
// have no readers but this one.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.IsRegular() && mode.Perm()&0o077 != 0 {
		return fmt.Errorf("others than its owner have rights on the file (mode %#o, want 0600)", mode.Perm())
	}
	return nil
}

// setPassphrase owns line.
func (a *app) setPassphrase(line []byte) {
	clear(a.passphrase)
	a.passphrase = line
}
