package server

import (
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// unsealable are headers of a write that neither the proxy nor the backend could give
// their meaning: the backend's own encryption under a client's key would need that key,
// an offset would write into a sealed object.
var unsealable = []string{"x-amz-server-side-encryption*", "x-amz-write-offset-bytes", "x-amz-grant-write", "content-range"}

// attributes reads what the backend is to keep beside the object: its tags, class,
// locks and grants. They are passed on as they are, as the operations that set them
// later are, and hold nothing of the object's content.
func (r *request) attributes(now time.Time) (backend.Attributes, error) {
	a := backend.AttributesFrom(r.header)
	const both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied."
	switch {
	case a.LegalHold != "" && a.LegalHold != "ON" && a.LegalHold != "OFF":
		return a, s3err.Argument("x-amz-object-lock-legal-hold", a.LegalHold, "Legal Hold must be either of 'ON' or 'OFF'")
	case a.RetainUntil != "" && a.LockMode == "":
		return a, s3err.Argument("x-amz-object-lock-mode", "", both)
	case a.LockMode != "" && a.RetainUntil == "":
		return a, s3err.Argument("x-amz-object-lock-retain-until-date", "", both)
	case a.LockMode == "":
		return a, nil
	case a.LockMode != "GOVERNANCE" && a.LockMode != "COMPLIANCE":
		return a, s3err.Argument("x-amz-object-lock-mode", a.LockMode, "Unknown wormMode directive.")
	}
	until, err := time.Parse(time.RFC3339, a.RetainUntil)
	if err != nil {
		return a, s3err.Argument("x-amz-object-lock-retain-until-date", a.RetainUntil, "The retain until date must be provided in ISO 8601 format")
	}
	if !until.After(now) {
		return a, s3err.Argument("x-amz-object-lock-retain-until-date", a.RetainUntil, "The retain until date must be in the future!")
	}
	return a, nil
}
