package rig

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

// StartMinio starts minio on a directory: a second real S3 server, which keeps objects in another way than versitygw
// (flat keys, metadata names in lower case, small objects inside their metadata). It is a process of its own and is
// never linked. Its binary is looked for like ours; `make minio` builds it. TLS and a bucket at start are not done here.
func StartMinio(ctx context.Context, cfg BackendConfig) (*Backend, error) {
	if cfg.TLS || cfg.Bucket != "" {
		return nil, fmt.Errorf("cannot start minio: the rig gives it neither TLS nor a bucket")
	}
	path, err := Binary("minio")
	if err != nil {
		return nil, fmt.Errorf("%w; for minio: make minio", err)
	}
	b := &Backend{Credentials: newCredentials("BACKEND"), Region: backendRegion, Dir: filepath.Join(cfg.Dir, "store")}
	env := append(environWithout("MINIO_"), "MINIO_ROOT_USER="+b.AccessKey, "MINIO_ROOT_PASSWORD="+b.SecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "MINIO_CALLHOME_ENABLE=off", "HOME="+cfg.Dir)
	// It prints no address, so the port is chosen here; another process may take it first.
	for range portTries {
		b.Address = cfg.Listen
		if err = concrete(&b.Address); err != nil {
			return nil, err
		}
		args := []string{"server", "--quiet", "--address", b.Address, b.Dir}
		if b.Process, err = start(spec{name: "minio", path: path, args: args, env: env, log: cfg.Log}); err != nil {
			return nil, err
		}
		if err = b.awaitMinio(ctx); err == nil {
			return b, nil
		}
		ended := !b.Alive()
		b.Kill()
		if !ended {
			break
		}
	}
	return nil, err
}

// awaitMinio polls minio's own word that it serves.
func (b *Backend) awaitMinio(ctx context.Context) error {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); {
		req, err := http.NewRequestWithContext(ctx, "GET", b.Endpoint()+"/minio/health/ready", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				return nil
			}
		}
		select {
		case <-b.Done():
			return b.failed("it ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPoll):
		}
	}
	return b.failed(fmt.Sprintf("it was not ready within %v", readyTimeout))
}
