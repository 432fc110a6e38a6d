package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// initialise is the command init.
func initialise(e *environment, stdout, stderr io.Writer) error {
	s, err := e.load()
	if err != nil {
		return err
	}
	_ = keyagent.Harden() // of use while the seed is in memory; init works without
	created := false
	if _, err := findIdentity(s, e.getenv); errors.Is(err, errNoIdentity) {
		if err := makeIdentity(s.IdentityFile); err != nil {
			return &failure{exitFile, fmt.Errorf("cannot make the identity %s: %w", s.IdentityFile, err), "sudo memkey-server init"}
		}
		created = true
	}
	id, err := loadIdentity(s, e.getenv)
	if err != nil {
		return err
	}
	if err := printInit(e, id, s, created, stdout); err != nil {
		return err
	}
	if !e.json {
		fmt.Fprintf(stderr, "next, here:                memkey-server admin add PUBLIC-KEY --roles deliver,enroll,clear,status --name NAME\n"+
			"next, on the workstation:  memkey-admin init --server https://%s --fingerprint %v\n", advertised(s.ListenAddr), id.fingerprint())
	}
	return nil
}

func printInit(e *environment, id identity, s *settings.Settings, created bool, stdout io.Writer) error {
	if e.json {
		return printJSON(stdout, struct {
			Fingerprint string `json:"fingerprint"`
			Identity    string `json:"identity"`
			Created     bool   `json:"created"`
			Admins      string `json:"admins_file"`
		}{id.fingerprint().String(), id.origin, created, s.AdminsFile})
	}
	word := "kept"
	if created {
		word = "made"
	}
	_, err := fmt.Fprintf(stdout, "identity:    %s (%s)\nfingerprint: %v\n", id.origin, word, id.fingerprint())
	return written(err)
}

// makeIdentity writes a new seed to path; one that is there already stays.
func makeIdentity(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".identity-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	var seed [seedSize]byte
	defer clear(seed[:])
	_, _ = rand.Read(seed[:]) // never fails: crypto/rand ends the process instead
	_, err = temp.Write(seed[:])
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = handOver(dir, temp.Name())
	}
	if err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil { // never over an identity that is there
		return err
	}
	return syncDir(dir)
}

// handOver gives a file to the owner of its directory, if we are root: then the
// server, which runs as that user, can read what root made for it.
func handOver(dir, file string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	uid, ok := ownerOf(info)
	if !ok || uid == 0 {
		return nil
	}
	return os.Chown(file, uid, -1)
}

// syncDir puts new names of a directory on disk.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func printFingerprint(e *environment, stdout io.Writer) error {
	s, err := e.load()
	if err != nil {
		return err
	}
	id, err := loadIdentity(s, e.getenv)
	if err != nil {
		return err
	}
	if e.json {
		return printJSON(stdout, struct {
			Fingerprint string `json:"fingerprint"`
		}{id.fingerprint().String()})
	}
	_, err = fmt.Fprintln(stdout, id.fingerprint())
	return written(err)
}
