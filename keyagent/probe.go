package keyagent

import (
	"context"
	"fmt"
)

// Probe tells whether Run and Watch would find an agent at config.Socket that may be believed and that takes this
// process. It asks for no key. The agent logs the connection under config.Name.
func Probe(ctx context.Context, config ClientConfig) error {
	c, err := NewClient(config)
	if err != nil {
		return err
	}
	uc, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer uc.Close()
	if err := c.hello(&agentReader{uc: uc}); err != nil {
		return fmt.Errorf("cannot talk to the key agent: %w", err)
	}
	return nil
}
