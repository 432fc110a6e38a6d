package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// Backend is an S3 server that stores what the proxy sends.
type Backend struct {
	*Process // nil if the backend was given
	Credentials
	Address     string // host:port
	Region      string
	Dir         string // of a versitygw's store; an object is the file Dir/BUCKET/KEY. Empty for a sink
	CAFile      string // its self-signed certificate; "" = plain HTTP
	Fingerprint string // of that, in PBS's form

	given string // its URL, if we did not start it
}

// Endpoint is the backend's URL.
func (b *Backend) Endpoint() string {
	if b.given != "" {
		return b.given
	}
	return b.scheme() + b.Address
}

// Given tells whether the backend is the caller's own.
func (b *Backend) Given() bool { return b.given != "" }

// givenBackend is what the environment names, or nil. What else the environment does not say stays empty: the proxy
// tells what it misses.
func givenBackend() *Backend {
	endpoint := os.Getenv("S3CP_BACKEND_ENDPOINT")
	if endpoint == "" {
		return nil
	}
	_, address, _ := strings.Cut(endpoint, "://")
	return &Backend{
		Credentials: Credentials{os.Getenv("S3CP_BACKEND_ACCESS_KEY"), os.Getenv("S3CP_BACKEND_SECRET_KEY")},
		Address:     address,
		Region:      orDefault(os.Getenv("S3CP_BACKEND_REGION"), backendRegion),
		given:       endpoint,
	}
}

// createBucket makes a bucket at a backend of ours.
func (b *Backend) createBucket(ctx context.Context, name string) error {
	c, err := pbs.New(b.PBS(name))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.CreateBucket(ctx)
}

func (b *Backend) scheme() string {
	if b.CAFile != "" {
		return "https://"
	}
	return "http://"
}

// BackendConfig says how to start a backend.
type BackendConfig struct {
	Dir       string        // versitygw: where its store goes; required
	Bucket    string        // made at start; "" = none
	Listen    string        // "" = a free port on loopback
	Latency   time.Duration // sink: every answer takes so much longer
	Bandwidth int64         // sink: bits a second in each direction; 0 = no limit
	Stream    int64         // bits a second of one connection to the sink, each direction; 0 = no limit
	Versions  bool          // versitygw: keep versions where a bucket asks for them
	TLS       bool          // versitygw: serve TLS with a certificate made for it
	Sidecar   bool          // versitygw: keep attributes in files; those of ext4 have 4 KiB, too little for the list of 350 parts and more
	Log       io.Writer     // nil, or a copy of its log
}

const backendRegion = "us-east-1"

// StartVersitygw starts a real S3 server on a directory.
func StartVersitygw(ctx context.Context, cfg BackendConfig) (*Backend, error) {
	b := &Backend{Credentials: newCredentials("BACKEND"), Region: backendRegion, Dir: filepath.Join(cfg.Dir, "store")}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	args := []string{"-listen", cfg.Listen, "-dir", b.Dir, "-region", b.Region, "-bucket", cfg.Bucket, "-parent-death"}
	if cfg.Versions {
		args = append(args, "-versions", filepath.Join(cfg.Dir, "versions"))
	}
	if cfg.Sidecar {
		args = append(args, "-sidecar")
	}
	if cfg.TLS {
		keyFile := filepath.Join(cfg.Dir, "backend.key")
		b.CAFile = filepath.Join(cfg.Dir, "backend.crt")
		var err error
		if b.Fingerprint, err = writeCertificate(b.CAFile, keyFile); err != nil {
			return nil, err
		}
		args = append(args, "-cert", b.CAFile, "-key", keyFile)
	}
	return b.launch(ctx, "versitygw", args, cfg.Log)
}

// StartSink starts the discard sink: an S3 server that costs next to nothing, keeps objects in memory and checks
// nothing. It is for measuring the proxy, not for testing it.
func StartSink(ctx context.Context, cfg BackendConfig) (*Backend, error) {
	b := &Backend{Credentials: newCredentials("SINK"), Region: backendRegion}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	return b.launch(ctx, "sink", []string{"-listen", cfg.Listen, "-latency", cfg.Latency.String(), "-bandwidth", strconv.FormatInt(cfg.Bandwidth, 10), "-stream", strconv.FormatInt(cfg.Stream, 10)}, cfg.Log)
}

func (b *Backend) launch(ctx context.Context, binary string, args []string, log io.Writer) (*Backend, error) {
	path, err := Binary(binary)
	if err != nil {
		return nil, err
	}
	env := append(environWithout("S3CP_"), "S3SERVER_ACCESS="+b.AccessKey, "S3SERVER_SECRET="+b.SecretKey)
	if b.Process, err = start(spec{name: binary, path: path, args: args, env: env, log: log}); err != nil {
		return nil, err
	}
	line, err := b.readyLine(ctx)
	if err != nil {
		b.Kill()
		return nil, err
	}
	addr, ok := strings.CutPrefix(line, "ready endpoint="+b.scheme())
	if !ok {
		b.Kill()
		return nil, b.failed(fmt.Sprintf("it printed %q instead of its ready line", line))
	}
	b.Address = addr
	return b, nil
}

// readyLine waits for the first line the child prints.
func (p *Process) readyLine(ctx context.Context) (string, error) {
	select {
	case line, ok := <-p.out.ready:
		if !ok {
			return "", p.failed("it ended before it was ready")
		}
		return line, nil
	case <-time.After(readyTimeout):
		return "", p.failed(fmt.Sprintf("it was not ready within %v", readyTimeout))
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// environWithout is our environment without the variables of a prefix.
func environWithout(prefix string) []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, prefix) {
			env = append(env, kv)
		}
	}
	return env
}
