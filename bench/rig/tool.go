package rig

import (
	"context"
	"fmt"
)

// StartTool starts one of our binaries that talks line by line over its stdin and stdout.
func StartTool(binary string, args ...string) (*Process, error) {
	path, err := Binary(binary)
	if err != nil {
		return nil, err
	}
	return start(spec{name: binary, path: path, args: args, env: environWithout("S3CP_")})
}

// Say writes to the child's stdin.
func (p *Process) Say(b []byte) error {
	if _, err := p.stdin.Write(b); err != nil {
		return fmt.Errorf("cannot talk to %s: %w; its log ends:\n%s", p.Name, err, p.log)
	}
	return nil
}

// Hear waits for the next line the child prints.
func (p *Process) Hear(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.out.ready:
		if !ok {
			return "", fmt.Errorf("%s ended; its log ends:\n%s", p.Name, p.log)
		}
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
