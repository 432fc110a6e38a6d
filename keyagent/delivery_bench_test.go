package keyagent_test

import (
	"context"
	"crypto/ed25519"
	"net/netip"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// The delivery of keys from an admin (PROTOCOL.md): both ends in one process, without sockets and TLS. One goroutine
// does all the work, so that the figures are per core.

// A delivery is both ends and one package.
type delivery struct {
	agent  *memkey.Agent
	client *memkey.Client
	pack   *memkey.Package
	source netip.Addr
}

func newDelivery(b *testing.B) *delivery {
	server, admin := newIdentity(b, 1), newIdentity(b, 2)
	key := memkey.PackageKey{Active: true, Label: "2026"}
	master := make([]byte, keyagent.KeySize)
	for i := range master {
		master[i] = byte(i + 1)
	}
	names, err := format.DeriveKeys(master)
	if err != nil {
		b.Fatal(err)
	}
	key.ID, key.KVT = names.ID(), names.KVT()
	if key.Master, err = keyagent.NewSecret(master); err != nil {
		b.Fatal(err)
	}
	d := &delivery{source: netip.MustParseAddr("192.0.2.1"), pack: &memkey.Package{
		Op: memkey.OpDeliver, Generation: 1, Keys: []memkey.PackageKey{key},
		Pins: []memkey.BucketPin{{Name: "backups", ID: format.BucketID{1}}},
	}}
	b.Cleanup(d.pack.Wipe)
	d.agent, err = memkey.NewAgent(memkey.AgentConfig{
		Identity: server, BootID: [16]byte{1},
		Admins: func() []memkey.Admin {
			return []memkey.Admin{{Public: admin.Public(), Roles: memkey.Roles(memkey.RoleDeliver | memkey.RoleStatus), Name: "bench"}}
		},
		State: func() memkey.State { return memkey.State{} },
		Apply: func(_ context.Context, r memkey.Request) (memkey.Receipt, error) {
			defer r.Package.Wipe()
			receipt := memkey.Receipt{Generation: r.Package.Generation}
			for _, k := range r.Package.Keys {
				receipt.Keys = append(receipt.Keys, memkey.KeyState{ID: k.ID, KVT: k.KVT, Active: k.Active})
				if k.Active {
					receipt.Active = k.ID
				}
			}
			return receipt, nil
		},
		Audit: func(memkey.Event) {},
	})
	if err != nil {
		b.Fatal(err)
	}
	d.client, err = memkey.NewClient(memkey.ClientConfig{
		URL: "https://agent.invalid:7070", Server: memkey.ServerFingerprint(server.Public()), Identity: admin,
	})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func newIdentity(b *testing.B, n byte) memkey.Signer {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = n
	s, err := memkey.NewSigner(seed)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkChallenge is the agent's side of M1 and M2: checks, an ephemeral key, a session, a signature. The admin makes
// its M1s beforehand, in batches outside the clock.
func BenchmarkChallenge(b *testing.B) {
	d := newDelivery(b)
	ctx := context.Background()
	var ready [][]byte
	b.ReportAllocs()
	for b.Loop() {
		if len(ready) == 0 {
			b.StopTimer()
			for range 256 {
				_, m1, err := d.client.Begin(memkey.OpDeliver)
				if err != nil {
					b.Fatal(err)
				}
				ready = append(ready, m1)
			}
			b.StartTimer()
		}
		m1 := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		if _, err := d.agent.Challenge(ctx, d.source, m1); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "challenges/s")
}

// BenchmarkDelivery is everything that both ends compute for one key: M1, M2, M3, M4, three signatures made and verified,
// the key checked against its names at both ends and in locked memory of its own at the agent's.
func BenchmarkDelivery(b *testing.B) {
	d := newDelivery(b)
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		x, m1, err := d.client.Begin(memkey.OpDeliver)
		if err != nil {
			b.Fatal(err)
		}
		m2, err := d.agent.Challenge(ctx, d.source, m1)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := x.Challenge(m2); err != nil {
			b.Fatal(err)
		}
		m3, err := x.Seal(d.pack)
		if err != nil {
			b.Fatal(err)
		}
		m4, err := d.agent.Key(ctx, d.source, m3)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := x.Finish(m4); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
