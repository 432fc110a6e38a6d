package keyagent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"
)

// A ClientConfig says where the agent is and whom to believe.
type ClientConfig struct {
	// Socket is the absolute path of the agent's socket. It need not exist yet.
	Socket string

	// Name tells the agent, for its log, who connects: at most MaxClientName printable ASCII characters. It proves
	// nothing.
	Name string

	// ServerUIDs are the user ids from which keys are taken: a foreign process on the socket's name could hand out a
	// key that it knows. Nil means root (systemd may own the listening socket) and the own user.
	ServerUIDs []int

	// MinBackoff and MaxBackoff bound the pause before the next attempt; 0 means 50 ms and 5 s.
	MinBackoff, MaxBackoff time.Duration

	// Logf gets one line when a connection is made and when it fails for a new reason; never key bytes. Nil means no log.
	Logf func(format string, args ...any)
}

// A Client keeps a process supplied with the ring of an agent.
type Client struct {
	config   ClientConfig
	derivers *deriveConns
	supplied atomic.Bool
}

// NewClient checks config and opens nothing.
func NewClient(config ClientConfig) (*Client, error) {
	bad := func(field string, why any) (*Client, error) {
		return nil, fmt.Errorf("cannot use the key agent client: %s: %v", field, why)
	}
	if !filepath.IsAbs(config.Socket) {
		return bad("Socket", fmt.Sprintf("%q is not an absolute path", config.Socket))
	}
	if err := checkClientName(config.Name); err != nil {
		return bad("Name", err)
	}
	if config.ServerUIDs == nil {
		config.ServerUIDs = []int{0, os.Geteuid()}
	}
	config.ServerUIDs = slices.Clone(config.ServerUIDs)
	if config.MinBackoff < 0 || config.MaxBackoff < 0 {
		return bad("MinBackoff, MaxBackoff", "negative")
	}
	if config.MinBackoff == 0 {
		config.MinBackoff = defaultMinBackoff
	}
	if config.MaxBackoff == 0 {
		config.MaxBackoff = max(defaultMaxBackoff, config.MinBackoff)
	}
	if config.MaxBackoff < config.MinBackoff {
		return bad("MaxBackoff", fmt.Sprintf("%v is below MinBackoff %v", config.MaxBackoff, config.MinBackoff))
	}
	if config.Logf == nil {
		config.Logf = func(string, ...any) {}
	}
	return &Client{config: config, derivers: newDeriveConns()}, nil
}

// Run calls apply with the agent's ring, first when it is connected and has one, then at every change within
// milliseconds, until ctx ends, and returns ctx's error; nothing else ends it.
//
//   - The ring is apply's only during the call: its secrets are wiped afterwards. apply derives what it needs from them,
//     or clones them.
//   - A ring without keys means cleared: whatever was derived must go at once. It is only ever sent because somebody
//     said clear; losing the agent, or an agent that restarts and has no keys yet, does not call apply: the process goes
//     on with the ring it has, so that a restart of the agent is no outage.
//   - After a reconnect the ring comes again, also if it is the same as before.
//   - If apply fails, its ring counts as not taken: newer ones still come at once, and after a pause the present one is
//     fetched again.
//
// Calls of apply do not overlap. Run may be called from one goroutine at a time.
func (c *Client) Run(ctx context.Context, apply func(Ring) error) error {
	return c.run(ctx, func(agent *agentReader, have uint64, until time.Time) (uint64, func() error, error) {
		ring, err := nextRing(agent, have, until)
		return ring.Generation, func() error { return applyRing(ring, apply) }, err
	})
}

// Supplied says whether the agent is connected and what it has now was taken: false while it is away, and after it came
// back without keys, when a process that started now would get none. Safe for concurrent use with Run and Watch.
func (c *Client) Supplied() bool { return c.supplied.Load() }

// Watch is Run for a process that never holds a master: apply gets the names of the keys, and Derive what is derived of
// them. The names are apply's for good.
func (c *Client) Watch(ctx context.Context, apply func(Names) error) error {
	return c.run(ctx, func(agent *agentReader, have uint64, until time.Time) (uint64, func() error, error) {
		names, err := nextNames(agent, have, until)
		return names.Generation, func() error { return apply(names) }, err
	})
}

// nextFunc waits for the state after generation have and returns how to apply it.
type nextFunc func(agent *agentReader, have uint64, until time.Time) (generation uint64, apply func() error, err error)

func (c *Client) run(ctx context.Context, next nextFunc) error {
	pause := newBackoff(c.config.MinBackoff, c.config.MaxBackoff)
	logged := ""
	for {
		began := time.Now()
		applied, err := c.connection(ctx, next, pause, func() { logged = "" })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err.Error() != logged {
			logged = err.Error()
			c.config.Logf("key agent: %v; trying again", err)
		}
		if errors.Is(err, errApply) {
			continue // it has waited already, and a cleared ring must not wait again
		}
		if applied || time.Since(began) > c.config.MaxBackoff {
			pause.reset()
		}
		select {
		case <-time.After(pause.next()):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errApply ends a connection whose last ring was not taken, so that the next one brings it again.
var errApply = errors.New("the ring was not taken")

// connection runs one connection to its end, which is always an error. applied tells whether the last ring it brought was
// taken.
func (c *Client) connection(ctx context.Context, next nextFunc, pause *backoff, connected func()) (applied bool, err error) {
	uc, err := c.dial(ctx)
	if err != nil {
		return false, err
	}
	defer uc.Close()
	stop := context.AfterFunc(ctx, func() { uc.Close() }) // frees a blocked read or write
	defer stop()
	agent := &agentReader{uc: uc}
	if err := c.hello(agent); err != nil {
		return false, fmt.Errorf("cannot talk to the key agent: %w", err)
	}
	connected()
	c.config.Logf("key agent: connected to %q", c.config.Socket)

	defer c.supplied.Store(false)
	var retry time.Time // zero unless the last ring was not taken
	for have := uint64(0); ; {
		generation, apply, err := next(agent, have, retry)
		if err != nil {
			if !retry.IsZero() && errors.Is(err, os.ErrDeadlineExceeded) {
				err = errApply
			}
			return applied, fmt.Errorf("connection to the key agent ends: %w", err)
		}
		have = generation
		if err := apply(); err != nil {
			c.config.Logf("key agent: cannot use the ring of generation %d: %v", have, err)
			applied, retry = false, time.Now().Add(pause.next())
			c.supplied.Store(false)
			continue
		}
		applied, retry = true, time.Time{}
		c.supplied.Store(true)
	}
}

// applyRing wipes the ring in every case, also if apply panics.
func applyRing(ring Ring, apply func(Ring) error) error {
	keys := slices.Clone(ring.Keys) // apply may rearrange its slice
	defer Ring{Keys: keys}.Wipe()
	return apply(ring)
}

func (c *Client) dial(ctx context.Context) (*net.UnixConn, error) {
	dialer := net.Dialer{Timeout: frameTime}
	nc, err := dialer.DialContext(ctx, "unix", c.config.Socket)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the key agent: %w", err)
	}
	uc := nc.(*net.UnixConn)
	peer, err := peerOf(uc)
	if err == nil && !slices.Contains(c.config.ServerUIDs, peer.UID) {
		err = fmt.Errorf("the socket %q is served by %v, want uid %v", c.config.Socket, peer, c.config.ServerUIDs)
	}
	if err != nil {
		uc.Close()
		return nil, fmt.Errorf("cannot trust the key agent: %w", err)
	}
	return uc, nil
}

// hello lets the agent speak first: a refusal is then read before anything is written to a closing socket.
func (c *Client) hello(agent *agentReader) error {
	msg, body, fd, err := agent.next(time.Now().Add(frameTime))
	if err != nil {
		return err
	}
	if fd >= 0 {
		closeFD(fd)
		return fmt.Errorf("descriptor with message %d: %w", msg, ErrProtocol)
	}
	switch msg {
	case msgHello:
		if err := parseAgentHello(body); err != nil {
			return err
		}
	case msgRefused:
		return refusalError(body)
	default:
		return fmt.Errorf("message %d instead of HELLO: %w", msg, ErrProtocol)
	}
	return writeFrames(agent.uc, appendClientHello(nil, c.config.Name))
}

// nextRing asks for the ring after generation have and waits for it, until the time until unless that is zero.
func nextRing(agent *agentReader, have uint64, until time.Time) (Ring, error) {
	if err := writeFrames(agent.uc, appendWait(nil, have)); err != nil {
		return Ring{}, err
	}
	msg, body, fd, err := agent.next(until)
	if err != nil {
		return Ring{}, err
	}
	if fd >= 0 {
		defer closeFD(fd)
	}
	switch {
	case msg == msgRefused && fd < 0:
		return Ring{}, refusalError(body)
	case msg != msgRing:
		return Ring{}, fmt.Errorf("message %d instead of RING: %w", msg, ErrProtocol)
	}
	head, err := parseRing(body)
	if err != nil {
		return Ring{}, err
	}
	if head.generation <= have {
		return Ring{}, fmt.Errorf("generation %d after %d: %w", head.generation, have, ErrProtocol)
	}
	if (fd >= 0) != (len(head.labels) > 0) {
		return Ring{}, fmt.Errorf("RING of %d keys, descriptor %t: %w", len(head.labels), fd >= 0, ErrProtocol)
	}
	if fd < 0 {
		return Ring{Generation: head.generation}, nil
	}
	var ring Ring
	err = openRegion(fd, regionSize(len(head.labels)), func(b []byte) (err error) {
		ring, err = readRegion(b, head)
		return err
	})
	return ring, err
}

// nextNames is nextRing for names.
func nextNames(agent *agentReader, have uint64, until time.Time) (Names, error) {
	if err := writeFrames(agent.uc, appendWatch(nil, have)); err != nil {
		return Names{}, err
	}
	msg, body, fd, err := agent.next(until)
	switch {
	case err != nil:
		return Names{}, err
	case fd >= 0:
		closeFD(fd)
		return Names{}, fmt.Errorf("descriptor with message %d: %w", msg, ErrProtocol)
	case msg == msgRefused:
		return Names{}, refusalError(body)
	case msg != msgNames:
		return Names{}, fmt.Errorf("message %d instead of NAMES: %w", msg, ErrProtocol)
	}
	names, err := parseNames(body)
	if err == nil && names.Generation <= have {
		return Names{}, fmt.Errorf("generation %d after %d: %w", names.Generation, have, ErrProtocol)
	}
	return names, err
}

func refusalError(body []byte) error {
	reason, err := parseRefused(body)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %v", ErrRefused, reason)
}
