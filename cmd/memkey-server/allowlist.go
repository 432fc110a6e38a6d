package main

import (
	"slices"
	"sync/atomic"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// allowList is the administrators in force. Readers share a list that never changes.
type allowList struct {
	now atomic.Pointer[[]memkey.Admin]
}

func newAllowList(admins []memkey.Admin) *allowList {
	l := &allowList{}
	l.now.Store(&admins)
	return l
}

func (l *allowList) get() []memkey.Admin { return *l.now.Load() }

func sameAdmin(a, b memkey.Admin) bool {
	return a.Public.Equal(b.Public) && a.Roles == b.Roles && a.Name == b.Name
}

// reload reads the administrators again. A list that cannot be read is an empty one until the next reload: who was meant
// to be taken off must not stay because of a typing error. The keys stay as they are.
func (a *agent) reload() {
	admins, err := readAdmins(a.settings.AdminsFile)
	if err != nil {
		admins = nil
		a.log.Error().Str("file", a.settings.AdminsFile).Err(err).Msg("cannot read the administrators: nobody is allowed in until that is mended and reloaded")
	}
	result := "ok"
	if err != nil {
		result = "failed"
	}
	changed := !slices.EqualFunc(admins, a.admins.get(), sameAdmin)
	a.admins.now.Store(&admins)
	if changed {
		a.vault.Forget() // shares and enrolments of people who may be off the list
	}
	a.log.Info().Int("admins", len(admins)).Bool("changed", changed).Msg("administrators reloaded")
	if _, _, err := a.audit.Append(audit.Entry{Boot: a.boot, Op: "reload", Result: result}); err != nil {
		a.log.Error().Err(err).Msg("the reload is not in the audit log")
	}
}
