package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// partSize is S3's smallest, which most clients use.
const partSize = 5 << 20

// sdk is AWS's SDK for Go with the checksums that it sends by itself.
type sdk struct {
	client    *s3.Client
	transport *http.Transport
	bucket    *string
}

func newSDK(job protocol.Job) *sdk {
	t := &http.Transport{MaxIdleConnsPerHost: job.InFlight, DisableCompression: true, WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10}
	scheme := "http://"
	if !job.PlainHTTP {
		scheme = "https://"
		t.TLSClientConfig = &tls.Config{
			InsecureSkipVerify: true, // the fingerprint is what is verified, as by PBS
			VerifyPeerCertificate: func(chain [][]byte, _ [][]*x509.Certificate) error {
				if len(chain) == 0 || !strings.EqualFold(pbs.FormatFingerprint(chain[0]), job.Fingerprint) {
					return errors.New("the certificate has another fingerprint")
				}
				return nil
			},
		}
	}
	region := job.Region
	if region == "" {
		region = "us-east-1"
	}
	return &sdk{transport: t, bucket: &job.Bucket, client: s3.New(s3.Options{
		BaseEndpoint: aws.String(scheme + job.Address), Region: region, UsePathStyle: true, HTTPClient: &http.Client{Transport: t},
		Credentials:                credentials.NewStaticCredentialsProvider(job.AccessKey, job.SecretKey, ""),
		Retryer:                    aws.NopRetryer{},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
}

func (s *sdk) put(ctx context.Context, key string, body *pbs.Body) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: s.bucket, Key: &key, Body: bytes.NewReader(body.Bytes())})
	return err
}

func (s *sdk) parts(ctx context.Context, key string, body *pbs.Body) error {
	begun, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: s.bucket, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		return err
	}
	var list []types.CompletedPart
	for rest := body.Bytes(); len(rest) > 0; {
		piece := rest[:min(partSize, len(rest))]
		rest = rest[len(piece):]
		n := aws.Int32(int32(len(list) + 1))
		out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: s.bucket, Key: &key, UploadId: begun.UploadId, PartNumber: n, Body: bytes.NewReader(piece),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
		if err != nil {
			return err
		}
		list = append(list, types.CompletedPart{ETag: out.ETag, PartNumber: n, ChecksumCRC32: out.ChecksumCRC32})
	}
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: s.bucket, Key: &key, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: list}})
	return err
}

func (s *sdk) get(ctx context.Context, key string, buf []byte) ([]byte, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: s.bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	return readAll(out.Body, buf)
}

func (s *sdk) span(ctx context.Context, key string, first, last int64) ([]byte, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: s.bucket, Key: &key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", first, last))})
	if err != nil {
		return nil, err
	}
	return readAll(out.Body, make([]byte, last-first+1))
}

// readAll reads a body that is no longer than buf, and closes it.
func readAll(body io.ReadCloser, buf []byte) ([]byte, error) {
	defer body.Close()
	n, err := io.ReadFull(body, buf)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return buf[:n], nil // the caller compares lengths
	}
	if err != nil {
		return nil, err
	}
	if extra, err := io.Copy(io.Discard, body); err != nil || extra > 0 {
		return nil, fmt.Errorf("%d bytes too many, %w", extra, err)
	}
	return buf, nil
}

func (s *sdk) head(ctx context.Context, key string) (int64, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: s.bucket, Key: &key})
	if err != nil {
		return 0, err
	}
	return aws.ToInt64(out.ContentLength), nil
}

func (s *sdk) list(ctx context.Context, prefix string) (int, error) {
	out, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: s.bucket, Prefix: &prefix})
	if err != nil {
		return 0, err
	}
	return len(out.Contents), nil
}

func (s *sdk) duplicate(ctx context.Context, from, to string) error {
	_, err := s.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: s.bucket, Key: &to, CopySource: aws.String(*s.bucket + "/" + from)})
	return err
}

func (s *sdk) remove(ctx context.Context, key string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: &key})
	return err
}

func (s *sdk) close() { s.transport.CloseIdleConnections() }
