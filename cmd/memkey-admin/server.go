package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// client returns the connection to the server of the configuration, and what ends it.
func (a *app) client(c *config) (*memkey.Client, func(), error) {
	fp, err := memkey.ParseFingerprint(c.ExpectedFingerprint)
	if err != nil || c.ServerURL == "" {
		return nil, nil, fail(exitFile, nextInit, errors.New("cannot talk to a server: the configuration has no server_url or no expected_fingerprint"))
	}
	signer, end, err := a.identity(c)
	if err != nil {
		return nil, nil, err
	}
	client, err := memkey.NewClient(memkey.ClientConfig{URL: c.ServerURL, Server: fp, Identity: signer})
	if err != nil {
		end()
		return nil, nil, fail(exitFile, nextInit, err)
	}
	a.detail("asking %s", c.ServerURL)
	return client, end, nil
}

// serverFailure maps what the client says to the exit codes; doing is "deliver the keys" and the like.
func serverFailure(doing, server string, err error) *failure {
	text := fmt.Errorf("cannot %s: %w", doing, err)
	var refusal *memkey.Refusal
	switch {
	case errors.Is(err, memkey.ErrFingerprint):
		return fail(exitForeign, "nothing more here: compare with memkey-server -print-fingerprint on the server's own console", text)
	case errors.Is(err, memkey.ErrClock):
		return fail(exitRefused, "timedatectl, here and on the server", text)
	case errors.As(err, &refusal):
		if !refusal.Signed {
			text = fmt.Errorf("%w (the answer is not signed)", text)
		}
		return fail(refusalCode(refusal.Status), refusal.Status.Next(), text)
	case errors.Is(err, memkey.ErrExpired):
		return fail(exitRefused, "the same command again", text)
	case errors.Is(err, memkey.ErrUnconfirmed):
		return fail(exitUnreachable, "memkey-admin status, then the same command again: it cannot do harm", text)
	case errors.Is(err, memkey.ErrUnreachable):
		return fail(exitUnreachable, "curl -k "+strings.TrimSuffix(server, "/")+"/health, and systemctl status memkey-server on the server", text)
	case errors.Is(err, memkey.ErrPackage):
		return fail(exitFile, "memkey-admin key show", text)
	}
	return fail(exitIdentity, "memkey-admin status", text) // the identity did not sign
}

func refusalCode(s memkey.Status) exitCode {
	switch s {
	case memkey.StatusKeyMismatch, memkey.StatusPins, memkey.StatusGeneration, memkey.StatusDuplicate, memkey.StatusBucket:
		return exitConflict
	}
	return exitRefused
}
