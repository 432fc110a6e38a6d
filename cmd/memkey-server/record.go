package main

import (
	"fmt"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// recordStart writes that the server starts, and with which pins. Without a log there is no server.
func (a *agent) recordStart() error {
	detail := "fingerprint " + a.identity.fingerprint().String()
	if torn := a.audit.Torn(); torn > 0 {
		detail += fmt.Sprintf(", %d bytes of an unfinished line were removed", torn)
	}
	e := audit.Entry{Boot: a.boot, Op: "start", Generation: a.vault.Pins().Generation, Result: "ok", Detail: detail}
	for _, k := range a.vault.Pins().Keys {
		e.Keys = append(e.Keys, k.ID)
	}
	if _, _, err := a.audit.Append(e); err != nil {
		return &failure{exitFile, err, "df " + a.settings.AuditFile}
	}
	return nil
}

// record writes down what the protocol decided: everything but what Apply did without error, which the vault wrote.
func (a *agent) record(e memkey.Event) {
	entry := audit.Entry{Boot: a.boot, Op: "none", Source: e.Source, Generation: e.Generation, Keys: e.Keys, Result: e.Status.String(), Detail: e.Detail}
	if e.Op != 0 {
		entry.Op = e.Op.String()
	}
	line := a.log.Warn()
	if e.Status == memkey.StatusOK {
		line = a.log.Info()
	}
	if e.Admin != nil {
		admin := [32]byte(*e.Admin)
		entry.Admin = &admin
		line = line.Stringer("admin", *e.Admin)
	}
	line.Str("op", entry.Op).Stringer("source", e.Source).Str("result", entry.Result).Str("detail", strings.ToValidUTF8(e.Detail, "?")).Msg("request")
	if _, _, err := a.audit.Append(entry); err != nil {
		// Nothing took effect that the line would have told of.
		a.log.Error().Err(err).Msg("a refusal is not in the audit log")
	}
}
