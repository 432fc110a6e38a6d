package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

const (
	portTries    = 5                // another process may take a free port before versitygw binds it
	readyTimeout = 30 * time.Second // it takes 50 ms; a machine under load gets a lot more
	maxCopy      = 5 << 30          // 0 would refuse every copy
	maxConns     = 2048
	maxParts     = 10000

	// readBuffer is versitygw's --io-buffer-size. Its default is 1 MiB, and each read of a range makes one anew: 700 µs
	// of CPU for the 1 KiB that a HEAD through the proxy asks for. Whole objects are read without a buffer.
	readBuffer = 64 << 10
)

// server is a running gateway. One process can have only one: versitygw keeps global state.
type server struct {
	opt        options
	endpoint   string
	healthPath string
	done       chan error
	tries      int
}

// start launches the gateway; it does not wait for it.
func start(ctx context.Context, opt options) (*server, error) {
	var token [16]byte
	rand.Read(token[:])
	s := &server{opt: opt, healthPath: "/" + hex.EncodeToString(token[:])}
	return s, s.launch(ctx)
}

func (s *server) launch(ctx context.Context) error {
	addr, err := concretePort(s.opt.listen)
	if err != nil {
		return err
	}
	store, err := s.store()
	if err != nil {
		return err
	}
	s.tries++
	s.endpoint = s.opt.scheme() + "://" + addr
	done := make(chan error, 1)
	s.done = done
	go func() {
		done <- embedgw.RunVersityGW(ctx, store, &embedgw.Config{
			RootUserAccess:    s.opt.access,
			RootUserSecret:    s.opt.secret,
			Region:            s.opt.region,
			Ports:             []string{addr},
			CertFile:          s.opt.certFile,
			KeyFile:           s.opt.keyFile,
			Quiet:             true,
			KeepAlive:         s.opt.keepAlive,
			HealthPath:        s.healthPath,
			IAMDir:            s.opt.iamDir(),
			IAMCachePrune:     3600, // seconds; 0 would prune without a pause, on half a core
			MaxConnections:    maxConns,
			MaxRequests:       maxConns,
			MultipartMaxParts: maxParts,
		})
	}()
	return nil
}

func (s *server) store() (*posix.Posix, error) {
	opts := posix.PosixOpts{IOBufferSize: readBuffer, VersioningDir: s.opt.versions, CopyObjectThreshold: maxCopy, ValidateBucketNames: true}
	var attributes meta.MetadataStorer = meta.XattrMeta{}
	if s.opt.sidecar {
		sc, err := meta.NewSideCar(s.opt.sidecarDir())
		if err != nil {
			return nil, err
		}
		attributes, opts.SideCarDir = sc, s.opt.sidecarDir()
	}
	return posix.New(s.opt.dir, attributes, opts)
}

// ready returns when this very process answers on the endpoint: the health path is a fresh random name
// that no other server on the same port could know.
func (s *server) ready(ctx context.Context) error {
	client := s.httpClient()
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(readyTimeout)
	for time.Now().Before(deadline) {
		select {
		case err := <-s.done:
			if errors.Is(err, syscall.EADDRINUSE) && strings.HasSuffix(s.opt.listen, ":0") && s.tries < portTries {
				if err := s.launch(ctx); err != nil {
					return err
				}
				continue
			}
			return errors.Join(errors.New("server did not start"), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.endpoint+s.healthPath, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("server did not answer within %v", readyTimeout)
}

// createBucket makes the bucket; one of ours that exists already is fine.
func (s *server) createBucket(ctx context.Context, name string) error {
	client := s3.New(s3.Options{
		Region:       s.opt.region,
		BaseEndpoint: aws.String(s.endpoint),
		UsePathStyle: true,
		HTTPClient:   s.httpClient(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s.opt.access, SecretAccessKey: s.opt.secret}, nil
		}),
	})
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
	var mine *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		return fmt.Errorf("cannot create bucket %q: %w", name, err)
	}
	return nil
}

// httpClient talks to our own endpoint only, whose certificate nobody signed.
func (s *server) httpClient() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}}
}

// concretePort replaces port 0 by one that is free now; versitygw cannot tell which one it got.
func concretePort(listen string) (string, error) {
	if !strings.HasSuffix(listen, ":0") {
		return listen, nil
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
