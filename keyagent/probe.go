package keyagent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Probe tells whether Run and Watch would find an agent at config.Socket that may be believed and that takes this
// process, and which keys it has: none if it names none within wait. It asks for no key itself. The agent logs the
// connection under config.Name.
func Probe(ctx context.Context, config ClientConfig, wait time.Duration) (Names, error) {
	c, err := NewClient(config)
	if err != nil {
		return Names{}, err
	}
	uc, err := c.dial(ctx)
	if err != nil {
		return Names{}, err
	}
	defer uc.Close()
	defer context.AfterFunc(ctx, func() { uc.Close() })()
	agent := &agentReader{uc: uc}
	if err := c.hello(agent); err != nil {
		return Names{}, fmt.Errorf("cannot talk to the key agent: %w", err)
	}
	names, err := nextNames(agent, 0, time.Now().Add(wait))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Names{}, nil
	}
	if err != nil {
		return Names{}, fmt.Errorf("cannot talk to the key agent: %w", err)
	}
	return names, nil
}
