package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/vault"
)

// TestDerivationsAreInTheAuditLog: a line for each user and span, with how many there were, and none without any.
func TestDerivationsAreInTheAuditLog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "audit")
	log, err := audit.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	a := &agent{log: zerolog.Nop(), audit: log, holder: keyagent.NewHolder()}
	if a.vault, err = vault.Open(vault.Config{Holder: a.holder, PinsPath: filepath.Join(dir, "pins"), EnrollQuorum: 1, Audit: log}); err != nil {
		t.Fatal(err)
	}
	defer a.vault.Close()
	count := a.policy().Derived
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				var err error
				if n%10 == 0 {
					err = errors.New("refused")
				}
				count(keyagent.Peer{UID: 1000 + i%2}, err)
			}
		})
	}
	all.Wait()
	stop := make(chan struct{})
	close(stop)
	a.recordOften(stop)
	a.recordDerivations()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"uid 1000: 360 derivations, 40 refused", "uid 1001: 360 derivations, 40 refused"} {
		if bytes.Count(text, []byte(want)) != 1 {
			t.Errorf("%q is not there once:\n%s", want, text)
		}
	}
	if n, _, err := audit.Verify(bytes.NewReader(text)); err != nil || n != 2 {
		t.Errorf("%d lines, %v", n, err)
	}
}
