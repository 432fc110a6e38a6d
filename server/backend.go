package server

import (
	"context"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Backend is what the front needs of an S3 store. *backend.Client implements
// it; every method is safe for concurrent use and returns *backend.Error.
type Backend interface {
	store
	commits
}

// store is a Backend without what makes objects, which is for open buckets (fence.go).
type store interface {
	objects
	listings
	uploads
	// Relay passes on a question that carries none of an object's bytes.
	Relay(ctx context.Context, q backend.Question) (*backend.Reply, error)
	// Connections is the number of open connections to the store, for a gauge.
	Connections() int64
}

type objects interface {
	Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error)
	Head(ctx context.Context, bucket, key string) (*backend.Object, error)
	HeadVersion(ctx context.Context, bucket, key, version string) (*backend.Object, error)
	Delete(ctx context.Context, bucket, key string) error
	DeleteWith(ctx context.Context, bucket, key string, with backend.DeleteOptions) (backend.Deleted, error)
	DeleteMany(ctx context.Context, bucket string, keys []string) ([]backend.DeleteResult, error)
	DeleteManyWith(ctx context.Context, bucket string, ids []backend.ObjectID, with backend.DeleteOptions) ([]backend.DeleteResult, error)
}

type listings interface {
	List(ctx context.Context, bucket string, opt backend.ListOptions) (*backend.Page, error)
	ListVersions(ctx context.Context, bucket string, opt backend.ListVersionsOptions) (*backend.VersionsPage, error)
	Buckets(ctx context.Context) ([]backend.Bucket, error)
	HeadBucket(ctx context.Context, bucket string) error
	CreateBucket(ctx context.Context, bucket string, opt backend.BucketOptions) error
	DeleteBucket(ctx context.Context, bucket string) error
}

type uploads interface {
	CreateUpload(ctx context.Context, bucket, key string) (id string, err error)
	CreateUploadWith(ctx context.Context, bucket, key string, with backend.Attributes) (id string, err error)
	UploadPart(ctx context.Context, bucket, key, id string, n int, body io.ReadSeeker, size int64) (etag string, err error)
	// StreamPart is UploadPart for a body that cannot be sent again.
	StreamPart(ctx context.Context, bucket, key, id string, n int, body io.Reader, size int64) (etag string, err error)
	CopyPart(ctx context.Context, bucket, key, id string, n int, source backend.CopySource, r backend.Range) (etag string, err error)
	AbortUpload(ctx context.Context, bucket, key, id string) error
	Parts(ctx context.Context, bucket, key, id string, after, max int) (*backend.PartPage, error)
}
