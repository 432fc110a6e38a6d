package keyfile

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// An AgentKey is one key that an ssh-agent has.
type AgentKey struct {
	Type    string            // as OpenSSH names it: ssh-ed25519, sk-ssh-ed25519@openssh.com, …
	Comment string            // for people; the agent's word, not checked
	SHA256  string            // OpenSSH's fingerprint, "SHA256:…"
	Public  ed25519.PublicKey // nil unless Type is ssh-ed25519, the only type that can be an administrator
}

// SSHAgentKeys lists the keys of the agent at socket (ErrNoAgent).
func SSHAgentKeys(socket string) ([]AgentKey, error) {
	var keys []AgentKey
	err := withAgent(socket, func(a agent.ExtendedAgent) error {
		listed, err := a.List()
		if err != nil {
			return fmt.Errorf("%w: %w", err, ErrNoAgent)
		}
		for _, l := range listed {
			key := AgentKey{Type: l.Type(), Comment: l.Comment, SHA256: ssh.FingerprintSHA256(l)}
			if public, err := ed25519Of(l); err == nil {
				key.Public = public
			}
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}

// ParseAuthorizedKey reads one line as in OpenSSH's .pub files, which must be an ssh-ed25519 key.
func ParseAuthorizedKey(line []byte) (public ed25519.PublicKey, comment string, err error) {
	key, comment, _, rest, err := ssh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, "", fmt.Errorf("not a public key in OpenSSH's form: %w", err)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, "", errors.New("more than one public key")
	}
	public, err = ed25519Of(key)
	return public, comment, err
}

// AuthorizedKey is the line of OpenSSH's .pub files for public, without comment and newline.
func AuthorizedKey(public ed25519.PublicKey) (string, error) {
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("cannot write the public key: %w", err)
	}
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key))), nil
}

func ed25519Of(key ssh.PublicKey) (ed25519.PublicKey, error) {
	if key.Type() != ssh.KeyAlgoED25519 {
		// A FIDO2 key (sk-ssh-ed25519) signs a hash with a counter, not the message itself.
		return nil, fmt.Errorf("a key of type %s: only %s can sign here", key.Type(), ssh.KeyAlgoED25519)
	}
	parsed, err := ssh.ParsePublicKey(key.Marshal())
	if err != nil {
		return nil, err
	}
	crypto, ok := parsed.(ssh.CryptoPublicKey)
	if !ok {
		return nil, errors.New("a public key without its bytes")
	}
	public, ok := crypto.CryptoPublicKey().(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("a public key of the wrong size")
	}
	return public, nil
}

// An AgentSigner signs through an ssh-agent, which keeps the private key. Safe for concurrent use: every signature has a
// connection of its own.
type AgentSigner struct {
	socket string
	public ed25519.PublicKey
	key    ssh.PublicKey
}

// SSHAgentSigner takes the key with the given public part from the agent at socket. Errors: ErrNoAgent, ErrNoKey.
func SSHAgentSigner(socket string, public ed25519.PublicKey) (*AgentSigner, error) {
	if len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("cannot use the ssh-agent: a public key of %d bytes: %w", len(public), ErrNoKey)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("cannot use the ssh-agent: %w", err)
	}
	keys, err := SSHAgentKeys(socket)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if k.Public.Equal(public) {
			return &AgentSigner{socket: socket, public: public, key: key}, nil
		}
	}
	return nil, fmt.Errorf("cannot use the ssh-agent: it has %d keys, %s is not among them: %w", len(keys), ssh.FingerprintSHA256(key), ErrNoKey)
}

// Public returns the public key; it must not be changed.
func (s *AgentSigner) Public() ed25519.PublicKey { return s.public }

// Sign lets the agent sign message, and verifies what it returns: an agent is another program.
func (s *AgentSigner) Sign(message []byte) ([]byte, error) {
	var signature []byte
	err := withAgent(s.socket, func(a agent.ExtendedAgent) error {
		sig, err := a.Sign(s.key, message)
		if err != nil {
			return fmt.Errorf("%w: %w", err, ErrNoKey)
		}
		if sig.Format != ssh.KeyAlgoED25519 || len(sig.Blob) != ed25519.SignatureSize || !ed25519.Verify(s.public, message, sig.Blob) {
			return fmt.Errorf("its signature is wrong: %w", ErrNoKey)
		}
		signature = sig.Blob
		return nil
	})
	return signature, err
}

func withAgent(socket string, f func(agent.ExtendedAgent) error) error {
	if socket == "" {
		return fmt.Errorf("cannot reach the ssh-agent: SSH_AUTH_SOCK is not set: %w", ErrNoAgent)
	}
	conn, err := net.DialTimeout("unix", socket, agentTime)
	if err != nil {
		return fmt.Errorf("cannot reach the ssh-agent: %w: %w", err, ErrNoAgent)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(agentTime)); err != nil {
		return fmt.Errorf("cannot reach the ssh-agent: %w: %w", err, ErrNoAgent)
	}
	if err := f(agent.NewClient(conn)); err != nil {
		return fmt.Errorf("cannot use the ssh-agent: %w", err)
	}
	return nil
}
