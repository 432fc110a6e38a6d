package sigv4

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
)

// The example of "Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)",
// Amazon S3 API reference.
const (
	examplePolicy    = "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
	exampleSignature = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
	exampleSecret    = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleKey       = "AKIAIOSFODNN7EXAMPLE"
)

func TestFormsOfTheDocumentationVerify(t *testing.T) {
	at := time.Date(2015, 12, 29, 0, 0, 0, 0, time.UTC)
	v := New(Config{Lookup: func(k string) (string, bool) { return exampleSecret, k == exampleKey }, Now: func() time.Time { return at }})
	good := Form{Algorithm: algorithm, Credential: exampleKey + "/20151229/us-east-1/s3/aws4_request", Date: "20151229T000000Z", Signature: exampleSignature, Policy: examplePolicy}
	if key, err := v.VerifyForm(good); err != nil || key != exampleKey {
		t.Fatalf("%q, %v", key, err)
	}
	if signed := NewSigner(exampleKey, exampleSecret, "us-east-1").SignForm(examplePolicy, good.Date); signed != good {
		t.Errorf("%+v", signed)
	}
	for name, f := range map[string]struct {
		change func(*Form)
		is     error
	}{
		"policy":      {func(f *Form) { f.Policy = "A" + f.Policy[1:] }, ErrSignature},
		"no policy":   {func(f *Form) { f.Policy = "" }, ErrMissingAuth},
		"signature":   {func(f *Form) { f.Signature = "9" + f.Signature[1:] }, ErrSignature},
		"upper case":  {func(f *Form) { f.Signature = strings.ToUpper(f.Signature) }, ErrSignature},
		"short":       {func(f *Form) { f.Signature = f.Signature[:62] }, ErrSignature},
		"none":        {func(f *Form) { f.Signature = "" }, ErrMissingAuth},
		"zero":        {func(f *Form) { f.Signature = hex.EncodeToString(make([]byte, 32)) }, ErrSignature},
		"algorithm":   {func(f *Form) { f.Algorithm = "AWS4-HMAC-SHA1" }, ErrQueryScheme},
		"region":      {func(f *Form) { f.Credential = strings.Replace(f.Credential, "us-east-1", "us-east-2", 1) }, ErrSignature},
		"service":     {func(f *Form) { f.Credential = strings.Replace(f.Credential, "/s3/", "/sns/", 1) }, ErrScope},
		"day":         {func(f *Form) { f.Credential = strings.Replace(f.Credential, "20151229", "20151228", 1) }, ErrScope},
		"date":        {func(f *Form) { f.Date = "yesterday" }, ErrDate},
		"credential":  {func(f *Form) { f.Credential = exampleKey }, ErrMalformed},
		"unknown key": {func(f *Form) { f.Credential = "B" + f.Credential }, ErrUnknownKey},
		"future": {func(f *Form) {
			*f = NewSigner(exampleKey, exampleSecret, "us-east-1").SignForm(examplePolicy, "20151229T001501Z")
		}, ErrSkewed},
	} {
		form := good
		f.change(&form)
		if key, err := v.VerifyForm(form); !errors.Is(err, f.is) || key != "" {
			t.Errorf("%s: %q, %v", name, key, err)
		}
	}
}
