package backend

import (
	"context"
	"net/http"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Attributes are what a store keeps beside an object and acts on by itself: who may
// read it, its tags, its class, its locks. Each is the value of its header, "" is
// left out. They are visible to the store: nothing of an object's content belongs
// here.
type Attributes struct {
	ACL, GrantFullControl, GrantRead, GrantReadACP, GrantWriteACP string
	Tagging, StorageClass                                         string
	LockMode, RetainUntil, LegalHold                              string

	// BlockHint is the object's sealed block as Hint gives it. It is the proxy's own and
	// no header of a client's request sets it.
	BlockHint string
}

// AttributeHeaders are the names of the headers that Attributes has fields for, in
// the order of their fields.
func AttributeHeaders() []string {
	var a Attributes
	fields := a.fields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

// AttributesFrom collects the attributes of a request; header gives a header's value
// by its name in lower case, "" if there is none.
func AttributesFrom(header func(name string) string) Attributes {
	var a Attributes
	for _, f := range a.fields() {
		*f.value = header(f.name)
	}
	return a
}

// Any says whether there is an attribute at all.
func (a Attributes) Any() bool {
	a.BlockHint = ""
	return a != Attributes{}
}

type attribute struct {
	name  string
	value *string
}

func (a *Attributes) fields() []attribute {
	return []attribute{
		{"x-amz-acl", &a.ACL}, {"x-amz-grant-full-control", &a.GrantFullControl}, {"x-amz-grant-read", &a.GrantRead},
		{"x-amz-grant-read-acp", &a.GrantReadACP}, {"x-amz-grant-write-acp", &a.GrantWriteACP},
		{"x-amz-tagging", &a.Tagging}, {"x-amz-storage-class", &a.StorageClass},
		{"x-amz-object-lock-mode", &a.LockMode}, {"x-amz-object-lock-retain-until-date", &a.RetainUntil}, {"x-amz-object-lock-legal-hold", &a.LegalHold},
	}
}

// set adds the headers.
func (a *Attributes) set(header http.Header) {
	if a.BlockHint != "" {
		header[hintHeader] = []string{a.BlockHint}
	}
	for _, f := range a.fields() {
		if *f.value != "" {
			header.Set(f.name, *f.value)
		}
	}
}

// options adds the headers to a call of the SDK, before it is signed.
func (a Attributes) options() []func(*middleware.Stack) error {
	var out []func(*middleware.Stack) error
	if a.BlockHint != "" {
		out = append(out, setHeader("x-amz-meta-"+hintName, a.BlockHint))
	}
	for _, f := range a.fields() {
		if *f.value != "" {
			out = append(out, setHeader(f.name, *f.value))
		}
	}
	return out
}

// setHeader is a middleware that sets one header. smithy's own has one id for all and
// can be added once.
func setHeader(name, value string) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("Set "+name, func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			req, ok := in.Request.(*smithyhttp.Request)
			if !ok {
				panic("BUG: a request that is not HTTP's")
			}
			req.Header.Set(name, value)
			return next.HandleBuild(ctx, in)
		}), middleware.After)
	}
}
