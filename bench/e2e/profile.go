package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// profileWindows is how many windows of load a profile is taken under, so that they outlast profileSeconds.
const (
	profileWindows = 4
	profileSeconds = 3
)

// profile takes a CPU profile of the proxy under each operation, off the measurement, into files
// DIR/SCENARIO-COLUMN-OPERATION.pprof.
func (l *lane) profile(ctx context.Context, dir, scenario string, ops []string) error {
	if l.admin == nil {
		return nil
	}
	for _, op := range ops {
		loaded := make(chan error, 1)
		go func() {
			_, err := l.ask(ctx, protocol.Command{Op: op, Requests: profileWindows * l.count[op]})
			loaded <- err
		}()
		data, err := takeProfile(ctx, l.admin)
		if loadErr := <-loaded; err == nil {
			err = loadErr
		}
		if err != nil {
			return fmt.Errorf("cannot profile: %w", err)
		}
		file := filepath.Join(dir, fmt.Sprintf("%s-%s-%s.pprof", scenario, l.bucket, op))
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "  %s\n", file)
	}
	return nil
}

// takeProfile asks the admin listener, as an operator does.
func takeProfile(ctx context.Context, p *rig.Proxy) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", p.AdminAddress, profileSeconds), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+p.AdminToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the admin listener says %s", resp.Status)
	}
	return data, err
}
