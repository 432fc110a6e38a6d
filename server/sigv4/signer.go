package sigv4

import (
	"encoding/hex"
	"sort"
	"strings"
	"time"
)

// Signer signs requests in the header form, as Proxmox Backup Server does: all
// headers are signed, no space follows a comma. Safe for concurrent use.
type Signer struct {
	AccessKey string
	SecretKey string
	Region    string
}

// String prints the access key only.
func (s Signer) String() string { return s.AccessKey + ":redacted" }

// GoString prints the access key only.
func (s Signer) GoString() string { return s.String() }

// Sign returns headers with host, x-amz-content-sha256, x-amz-date and
// authorization added, sorted by name. payload is the value of
// x-amz-content-sha256; names must be in lower case. The input is not changed.
func (s Signer) Sign(method, host, target string, headers []Header, payload string, at time.Time) []Header {
	stamp := at.UTC().Format(timestampForm)
	out := append([]Header(nil), headers...)
	out = append(out, Header{"host", host}, Header{"x-amz-content-sha256", payload}, Header{"x-amz-date", stamp})
	sort.SliceStable(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	var signed []string
	for i, h := range out {
		if i == 0 || out[i-1].Name != h.Name {
			signed = append(signed, h.Name)
		}
	}
	scope := stamp[:8] + "/" + s.Region + "/" + service + "/" + terminator
	canonical := appendCanonical(nil, &Request{Method: method, Target: target, Headers: out}, signed, payload)
	key := signingKey(s.SecretKey, stamp[:8], s.Region)
	sum := mac(key[:], stringToSign(stamp, scope, canonical))
	return append(out, Header{"authorization", algorithm + " Credential=" + s.AccessKey + "/" + scope +
		",SignedHeaders=" + strings.Join(signed, ";") + ",Signature=" + hex.EncodeToString(sum[:])})
}
