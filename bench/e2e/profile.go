package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// profileWindows is how many windows of load a profile is taken under, so that they outlast profileSeconds.
const (
	profileWindows = 4
	profileSeconds = 3
)

// profiled are the profiles that are taken, each with the end of its file's name.
var profiled = []struct{ path, suffix string }{{"profile", ".pprof"}, {"mutex", "-mutex.pprof"}}

// profile takes profiles of the proxy under each operation, off the measurement, into files
// DIR/SCENARIO-COLUMN-OPERATION.pprof (CPU) and -mutex.pprof (waiting for locks).
func (l *lane) profile(ctx context.Context, dir, scenario string, ops []string) error {
	if l.admin == nil {
		return nil
	}
	for _, op := range ops {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			_, err := l.ask(ctx, protocol.Command{Op: op, Requests: profileWindows * l.count[op]})
			return err
		})
		for _, p := range profiled {
			group.Go(func() error {
				data, err := takeProfile(ctx, l.admin, p.path)
				if err != nil {
					return err
				}
				file := filepath.Join(dir, fmt.Sprintf("%s-%s-%s%s", scenario, l.bucket, op, p.suffix))
				fmt.Fprintf(os.Stderr, "  %s\n", file)
				return os.WriteFile(file, data, 0o644)
			})
		}
		if err := group.Wait(); err != nil {
			return fmt.Errorf("cannot profile: %w", err)
		}
	}
	return nil
}

// takeProfile asks the admin listener, as an operator does.
func takeProfile(ctx context.Context, p *rig.Proxy, name string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", p.AdminAddress, name, profileSeconds), nil)
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
