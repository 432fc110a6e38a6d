package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// A backend's 4xx to a write of ours is 503 to the client, which then tries again: as a
// rule it is not the client's doing. The exceptions are below: what a client named that
// the backend must act on, and names that a backend made of files cannot have.

// aboutNames are the codes of backends on file systems for a name that collides with
// another, or for content under a name that ends in a slash.
var aboutNames = []string{"ObjectParentIsFile", "ExistingObjectIsDirectory", "DirectoryObjectContainsData", "KeyTooLongError",
	"XMinioParentIsObject", "XMinioObjectExistsAsDirectory", "XMinioInvalidObjectName"}

// aboutAttributes are the codes for attributes that the backend will not have.
var aboutAttributes = []string{"InvalidArgument", "InvalidRequest", "InvalidTag", "BadRequest", "InvalidStorageClass",
	"AccessControlListNotSupported", "MalformedACLError", "NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}

// aboutBuckets are the codes for a bucket that cannot be made as it was asked for.
var aboutBuckets = append([]string{"BucketAlreadyExists", "BucketAlreadyOwnedByYou", "InvalidBucketName", "TooManyBuckets",
	"InvalidBucketAclWithObjectOwnership", "InvalidLocationConstraint"}, aboutAttributes...)

// refusalOf gives the client the backend's own refusal if its code is one of these;
// else err stays.
func refusalOf(err error, codes ...[]string) error {
	var e *backend.Error
	if !errors.As(err, &e) || e.Status < 400 || e.Status > 499 || e.Code == "" {
		return err
	}
	for _, list := range codes {
		if slices.Contains(list, e.Code) {
			return s3err.Relayed(e.Status, e.Code, e.Message)
		}
	}
	return err
}

// writeRefusal is refusalOf for a write of an object.
func writeRefusal(err error, with backend.Attributes) error {
	var e *backend.Error
	if errors.As(err, &e) && e.Status == http.StatusNotFound && e.Code == string(s3err.NoSuchKey) {
		return s3err.New(s3err.NoSuchKey, "") // If-Match speaks of an object that is not there
	}
	if with.Any() {
		return refusalOf(err, aboutNames, aboutAttributes)
	}
	return refusalOf(err, aboutNames)
}

// locked says whether the backend denied a change because of an object lock, which is
// S3's answer to the client and no fault of the proxy's credentials.
func locked(err error) bool {
	var e *backend.Error
	if !errors.As(err, &e) || e.Status != http.StatusForbidden && e.Kind != backend.Denied {
		return false
	}
	return e.Code == "ObjectLocked" || e.Code == "AccessDenied" && strings.Contains(strings.ToLower(e.Message), "object lock")
}
