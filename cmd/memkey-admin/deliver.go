package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// deliverTime bounds a whole exchange, a person's touch on the ssh-agent included.
const deliverTime = 3 * time.Minute

// deliverResult is what the server confirmed.
type deliverResult struct {
	record
	Resumed bool `json:"resumed,omitempty"` // rotate: no new key was made
}

func (r deliverResult) text(w io.Writer) {
	fmt.Fprintf(w, "the server confirms %s\n", r.Op)
	switch {
	case len(r.Keys) > 0:
		fmt.Fprintf(w, "generation  %d\n", r.Generation)
	case r.Op == memkey.OpShare.String():
		fmt.Fprintln(w, "keys        none yet: it waits for more shares, ten minutes for each")
	default:
		fmt.Fprintln(w, "keys        none loaded")
	}
	printKeys(w, r.Keys)
	fmt.Fprintf(w, "audit log   %d entries, head %s\n", r.AuditSeq, r.AuditHead)
}

func newSend(a *app) *cobra.Command {
	return deliverCommand(a, memkey.OpDeliver, "send", "deliver the key ring to a server that knows it", `send delivers the key ring to the server, after every restart of it. The server
takes it only if keys and generation are those that were enrolled. Sending the
same ring again does no harm.

The first time, and after every change, the ring has to be enrolled: key enroll.`)
}

func newEnroll(a *app) *cobra.Command {
	return deliverCommand(a, memkey.OpEnroll, "enroll", "let the server pin the key ring, and deliver it", `enroll lets the server remember ids, verification tags and generation of the key
ring, and delivers it. From then on the server takes no other key. It needs the
role enroll; the server may want a second administrator to enroll the same ring
within ten minutes.`)
}

func deliverCommand(a *app, op memkey.Op, use, short, long string) *cobra.Command {
	var generation uint64
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long: long + `

--generation N is for a ring that was put together again from paper, which does
not know how many changes there were: status shows the number.

Exit status: 0 confirmed, 3 files, 4 passphrase or identity, 5 not reachable, or
no confirmation came, 6 refused, 7 another server answers, 8 keys or generation
are not those that the server has pinned.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRing(func(c *config, path string, ring *keyfile.Keyring) error {
				if generation != 0 {
					if err := setGeneration(ring, generation); err != nil {
						return err
					}
				}
				return a.deliver(cmd.Context(), c, path, ring, op, false)
			})
		},
	}
	c.Flags().Uint64Var(&generation, "generation", 0, "the generation `N` that the server has pinned, for a ring from paper")
	return c
}

func setGeneration(ring *keyfile.Keyring, generation uint64) error {
	if !ring.Pending {
		return fail(exitConflict, "memkey-admin key show", fmt.Errorf("cannot change the generation: a server has confirmed generation %d", ring.Generation))
	}
	ring.Generation = generation
	return nil
}

// withRing opens the key ring under the lock.
func (a *app) withRing(f func(*config, string, *keyfile.Keyring) error) error {
	c, err := a.loadConfig(false)
	if err != nil {
		return err
	}
	path := c.keyring()
	if !exists(path) {
		_, err := a.openKeyring(path) // which says what to do
		return err
	}
	unlock, err := a.lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	ring, err := a.openKeyring(path)
	if err != nil {
		return err
	}
	defer ring.Wipe()
	return f(c, path, ring)
}

// deliver sends the ring, and marks it as confirmed when the server has.
func (a *app) deliver(ctx context.Context, c *config, path string, ring *keyfile.Keyring, op memkey.Op, resumed bool) error {
	sealing := append([]byte(nil), a.passphrase...) // of the ring: the identity may have another
	defer clear(sealing)
	p, err := ring.Package(op)
	if err != nil {
		return fail(exitInternal, "", err)
	}
	defer p.Wipe()
	receipt, err := a.send(ctx, c, p)
	if err != nil {
		return ringAdvice(err, ring, op)
	}
	if err := checkReceipt(receipt, ring); err != nil {
		return err
	}
	rec, rolled := a.keepReceipt(c, op, receipt)
	if ring.Pending {
		ring.Pending = false
		a.setPassphrase(append([]byte(nil), sealing...))
		if err := a.writeKeyring(path, ring, false); err != nil {
			a.hint("the server has confirmed generation %d, only the file does not say so yet", ring.Generation)
			return err
		}
	}
	return a.confirmed(deliverResult{record: rec, Resumed: resumed}, rolled)
}

// send is for every op; the package stays the caller's.
func (a *app) send(ctx context.Context, c *config, p *memkey.Package) (memkey.Receipt, error) {
	client, end, err := a.client(c)
	if err != nil {
		return memkey.Receipt{}, err
	}
	defer end()
	ctx, cancel := context.WithTimeout(ctx, deliverTime)
	defer cancel()
	receipt, err := client.Send(ctx, p)
	if err != nil {
		return memkey.Receipt{}, serverFailure(map[memkey.Op]string{
			memkey.OpDeliver: "deliver the keys", memkey.OpEnroll: "enroll the keys", memkey.OpClear: "clear the keys", memkey.OpShare: "deliver the share",
		}[p.Op], c.ServerURL, err)
	}
	return receipt, nil
}

// ringAdvice says what to type next where the ring's own state makes it clear.
func ringAdvice(err error, ring *keyfile.Keyring, op memkey.Op) error {
	var failed *failure
	var refusal *memkey.Refusal
	if !errors.As(err, &failed) || !errors.As(err, &refusal) || !ring.Pending {
		return err
	}
	switch refusal.Status {
	case memkey.StatusPins:
		if op == memkey.OpEnroll {
			failed.next = "memkey-admin status, and memkey-admin key show: the server has another ring, and wants that one"
			break
		}
		failed.next = "memkey-admin key enroll, if this ring is what the server shall have: it has not been enrolled"
	case memkey.StatusGeneration:
		failed.next = "memkey-admin status, then memkey-admin key send --generation N with the generation it shows, if the ring is from paper"
	}
	return failed
}

// checkReceipt makes sure that the server has what was sent, not something else that it is content with.
func checkReceipt(r memkey.Receipt, ring *keyfile.Keyring) error {
	wrong := r.Generation != ring.Generation || len(r.Keys) != len(ring.Keys) || r.Active != ring.Active().ID
	for _, sent := range ring.Keys {
		found := false
		for _, got := range r.Keys {
			found = found || got.ID == sent.ID && got.KVT == sent.KVT && got.Active == sent.Active
		}
		wrong = wrong || !found
	}
	if wrong {
		return fail(exitConflict, "memkey-admin status", fmt.Errorf("cannot trust the receipt: the server confirms other keys (generation %d, %d keys) than were sent (generation %d, %d keys)", r.Generation, len(r.Keys), ring.Generation, len(ring.Keys)))
	}
	return nil
}
