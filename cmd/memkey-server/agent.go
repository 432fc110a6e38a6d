package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/internal/systemd"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/remote"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/vault"
)

// agent is all parts of a running server.
type agent struct {
	settings *settings.Settings
	getenv   func(string) string
	log      zerolog.Logger
	boot     [16]byte
	identity identity
	admins   *allowList
	holder   *keyagent.Holder
	audit    *audit.Log
	vault    *vault.Vault
	// derivations are counted here until they are written down.
	derivations derivations
	uids        []int
	// agentUIDs are those of them that get no masters.
	agentUIDs []int
	protocol  *memkey.Agent
	web       *http.Server
	tcp       net.Listener
	socket    net.Listener // nil = none
}

// assemble opens everything that serving needs. On an error nothing stays open.
func assemble(s *settings.Settings, getenv func(string) string, log zerolog.Logger) (*agent, error) {
	for _, w := range s.Warnings {
		log.Warn().Msg(w)
	}
	if err := lockMemory(); err != nil {
		log.Warn().Err(err).Msg("only the keys are locked in memory, not the rest of the process")
	}
	a := &agent{settings: s, getenv: getenv, log: log, holder: keyagent.NewHolder()}
	_, _ = rand.Read(a.boot[:]) // never fails: crypto/rand ends the process instead
	for _, step := range []func() error{a.openIdentity, a.openAdmins, a.openUsers, a.openAudit, a.openVault, a.openSocket, a.openWeb, a.recordStart} {
		if err := step(); err != nil {
			a.abandon()
			return nil, err
		}
	}
	return a, nil
}

func (a *agent) openIdentity() (err error) {
	a.identity, err = loadIdentity(a.settings, a.getenv)
	return err
}

func (a *agent) openAdmins() error {
	admins, err := readAdmins(a.settings.AdminsFile)
	if err != nil {
		return &failure{exitFile, fmt.Errorf("cannot read the administrators %s: %w", a.settings.AdminsFile, pathless(err)), "memkey-server admin list"}
	}
	a.admins = newAllowList(admins)
	if len(admins) == 0 {
		a.log.Warn().Str("file", a.settings.AdminsFile).Msg("nobody can bring keys: memkey-server admin add")
	}
	return nil
}

// openUsers turns names of users into numbers.
func (a *agent) openUsers() (err error) {
	if a.uids, err = userIDs("server.unix_socket_uids", a.settings.SocketUIDs); err != nil {
		return err
	}
	a.agentUIDs, err = userIDs("server.unix_socket_agent_uids", a.settings.AgentUIDs)
	return err
}

func userIDs(setting string, names []string) (uids []int, err error) {
	for _, name := range names {
		uid, err := strconv.ParseUint(name, 10, 31)
		if err != nil {
			u, lookErr := user.Lookup(name)
			if lookErr != nil {
				return nil, &failure{exitFile, fmt.Errorf("cannot use %s: there is no user %q", setting, name), "getent passwd"}
			}
			if uid, err = strconv.ParseUint(u.Uid, 10, 31); err != nil {
				return nil, &failure{exitFile, fmt.Errorf("cannot use %s: the user %q has no number", setting, name), "getent passwd"}
			}
		}
		uids = append(uids, int(uid))
	}
	return uids, nil
}

func (a *agent) openAudit() error {
	for _, path := range []string{a.settings.AuditFile, a.settings.PinsFile} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return &failure{exitFile, fmt.Errorf("cannot make the directory of %s: %w", path, err), "sudo memkey-server serve"}
		}
	}
	l, err := audit.Open(a.settings.AuditFile)
	var broken *audit.LineError
	if errors.As(err, &broken) {
		return &failure{exitConflict, err, "memkey-server audit verify"}
	}
	if err != nil {
		return &failure{exitFile, err, "ls -l " + a.settings.AuditFile}
	}
	a.audit = l
	if l.Torn() > 0 {
		a.log.Warn().Int("bytes", l.Torn()).Msg("the last line of the audit log was not complete and is gone")
	}
	return nil
}

func (a *agent) openVault() error {
	v, err := vault.Open(vault.Config{
		Holder: a.holder, PinsPath: a.settings.PinsFile, EnrollQuorum: a.settings.EnrollQuorum, Audit: a.audit, BootID: a.boot,
		Logf: func(format string, args ...any) { a.log.Error().Msgf(format, args...) },
	})
	if err != nil {
		return pinsFailure(a.settings.PinsFile, err)
	}
	a.vault = v
	return nil
}

func (a *agent) openSocket() error {
	path := a.settings.Socket
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return &failure{exitListen, fmt.Errorf("cannot make the directory of the key socket: %w", err), "sudo memkey-server serve"}
	}
	l, err := keyagent.Listen(path)
	if err != nil {
		return &failure{exitListen, err, "ls -ld " + filepath.Dir(path) + "; systemctl status memkey-server"}
	}
	a.socket = l
	return nil
}

// policy is who gets the keys.
func (a *agent) policy() keyagent.Policy {
	return keyagent.Policy{UIDs: a.uids, Deriver: remote.Deriver{}, AgentOnlyUIDs: a.agentUIDs, Derived: a.derivations.count, Logf: func(format string, args ...any) { a.log.Info().Msgf(format, args...) }}
}

func (a *agent) openWeb() error {
	protocol, err := memkey.NewAgent(memkey.AgentConfig{
		Identity: a.identity, BootID: a.boot, Admins: a.admins.get, State: a.vault.State, Apply: a.apply, Audit: a.record,
		SessionLife: a.settings.ChallengeTimeout, MaxClockSkew: a.settings.MaxClockSkew, NoClock: a.settings.NoClock,
		MaxFailed: a.settings.MaxFailed, Lockout: a.settings.Lockout,
	})
	if err != nil {
		return &failure{exitInternal, err, "memkey-server help config"}
	}
	cert, err := a.certificate()
	if err != nil {
		return &failure{exitFile, err, "take server.tls_cert and server.tls_key out of the configuration: a certificate is made then"}
	}
	a.protocol = protocol
	a.web = memkey.NewServer(protocol, cert, a.ready)
	a.web.ErrorLog = newErrorLog(a.log)
	if a.tcp, err = net.Listen("tcp", a.settings.ListenAddr); err != nil {
		return &failure{exitListen, fmt.Errorf("cannot listen on %s (server.listen_addr): %w", a.settings.ListenAddr, err), "ss -ltnp"}
	}
	return nil
}

func newErrorLog(log_ zerolog.Logger) *log.Logger { return log.New(debugWriter{log_}, "", 0) }

// certificate is the configured one, or one made of the identity. Nobody decides by it: the protocol signs for itself.
func (a *agent) certificate() (tls.Certificate, error) {
	if a.settings.TLSCert == "" {
		return memkey.IdentityCertificate(a.identity)
	}
	cert, err := tls.LoadX509KeyPair(a.settings.TLSCert, a.settings.TLSKey)
	if err != nil {
		return cert, fmt.Errorf("cannot take the certificate %s with the key %s: %w", a.settings.TLSCert, a.settings.TLSKey, err)
	}
	return cert, nil
}

// serveWeb returns nil when the server is shut down.
func (a *agent) serveWeb() error {
	l := memkey.NewListener(a.tcp)
	serve := func() error { return a.web.ServeTLS(l, "", "") }
	if !a.settings.TLS {
		serve = func() error { return a.web.Serve(l) }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve administrators: %w", err)
	}
	return nil
}

// ready tells whether the keys are there.
func (a *agent) ready() bool { return a.vault.Loaded() }

// apply carries out a verified package and says so in the log.
func (a *agent) apply(ctx context.Context, r memkey.Request) (memkey.Receipt, error) {
	op := r.Package.Op
	receipt, err := a.vault.Apply(ctx, r)
	if err == nil {
		a.log.Info().Stringer("op", op).Str("admin", r.Admin.Name).Stringer("source", r.Source).Uint64("generation", receipt.Generation).
			Int("keys", len(receipt.Keys)).Uint64("audit_seq", receipt.AuditSeq).Msg("done")
	}
	return receipt, err
}

// announce writes the lines that tools and people look for.
func (a *agent) announce() {
	fp := a.identity.fingerprint().String()
	a.log.Info().Str("fingerprint", fp).Msg("SERVER FINGERPRINT: " + fp)
	state := a.vault.State()
	seq, head := a.audit.Head()
	e := a.log.Info().Str("version", version).Stringer("listen_addr", a.tcp.Addr()).Bool("tls", a.settings.TLS).
		Str("socket", a.settings.Socket).Ints("socket_uids", a.uids).Str("identity", a.identity.origin).
		Int("admins", len(a.admins.get())).Uint64("generation", state.Generation).Str("audit_head", fmt.Sprintf("%d:%x", seq, head))
	e.Msg("ready")
	systemd.Tell(a.getenv, systemd.Ready, systemd.Status("serving administrators and proxies"))
}

// close ends what run did not.
func (a *agent) close(why string) error {
	a.protocol.FlushStrangers()
	_, _, err := a.audit.Append(audit.Entry{Boot: a.boot, Op: "stop", Result: "ok", Detail: why})
	return errors.Join(err, a.audit.Close())
}

// abandon closes what assemble had opened.
func (a *agent) abandon() {
	if a.tcp != nil {
		a.tcp.Close()
	}
	if a.socket != nil {
		a.socket.Close()
	}
	if a.vault != nil {
		a.vault.Close()
	}
	if a.audit != nil {
		a.audit.Close()
	}
}
