package server

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// policy is what the signer of a form allows ("Creating a POST policy", Amazon S3 API
// reference). Names of fields are in lower case.
type policy struct {
	expires    time.Time
	conditions []condition
}

// condition is one thing that must hold.
type condition struct {
	kind     conditionKind
	field    string
	value    string
	min, max int64 // of ofLength
}

type conditionKind uint8

const (
	equal    conditionKind = iota + 1 // the field is the value
	begins                            // the field begins with the value
	ofLength                          // the file has min to max bytes
)

func badPolicy(why string) error {
	return s3err.New(s3err.InvalidPolicyDocument, "Invalid Policy: %s", why)
}

// parsePolicy reads a policy in base64.
func parsePolicy(encoded string) (*policy, error) {
	doc, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, badPolicy("Invalid base64.")
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	var top map[string]json.RawMessage
	if err := d.Decode(&top); err != nil || d.More() {
		return nil, badPolicy("Invalid JSON.")
	}
	for name := range top {
		if name != "expiration" && name != "conditions" {
			return nil, badPolicy("Unexpected: " + strconv.Quote(name[:min(len(name), 40)]) + ".")
		}
	}
	var at string
	var list []json.RawMessage
	if json.Unmarshal(top["expiration"], &at) != nil || json.Unmarshal(top["conditions"], &list) != nil {
		return nil, badPolicy("expiration or conditions missing.")
	}
	p := &policy{}
	if p.expires, err = time.Parse(time.RFC3339, at); err != nil {
		return nil, badPolicy("Invalid 'expiration' value.")
	}
	for _, raw := range list {
		more, err := parseCondition(raw)
		if err != nil {
			return nil, badPolicy(err.Error())
		}
		p.conditions = append(p.conditions, more...)
	}
	return p, nil
}

// policyFault is what S3 tells the sender of a policy, in S3's words.
type policyFault string

func (f policyFault) Error() string { return string(f) }

// parseCondition reads {"field": "value", …} or a list that begins with eq,
// starts-with or content-length-range.
func parseCondition(raw json.RawMessage) ([]condition, error) {
	var exact map[string]string
	if json.Unmarshal(raw, &exact) == nil && exact != nil {
		var out []condition
		for name, value := range exact {
			out = append(out, condition{kind: equal, field: strings.ToLower(name), value: value})
		}
		return out, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) != 3 {
		return nil, policyFault("Invalid condition.")
	}
	var op string
	if json.Unmarshal(list[0], &op) != nil {
		return nil, policyFault("Invalid condition.")
	}
	if strings.EqualFold(op, "content-length-range") {
		c := condition{kind: ofLength}
		if !wholeNumber(list[1], &c.min) || !wholeNumber(list[2], &c.max) {
			return nil, policyFault("Invalid content-length-range.")
		}
		return []condition{c}, nil
	}
	var c condition
	var field string
	if json.Unmarshal(list[1], &field) != nil || json.Unmarshal(list[2], &c.value) != nil || !strings.HasPrefix(field, "$") {
		return nil, policyFault("Invalid condition.")
	}
	c.field = strings.ToLower(field[1:])
	switch strings.ToLower(op) {
	case "eq":
		c.kind = equal
	case "starts-with":
		c.kind = begins
	default:
		return nil, policyFault("Unknown condition.")
	}
	return []condition{c}, nil
}

// wholeNumber reads a number, which some clients put into quotes.
func wholeNumber(raw json.RawMessage, into *int64) bool {
	n, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	*into = n
	return err == nil && n >= 0
}

// uncovered are the fields that no condition need speak of.
func uncovered(field string) bool {
	return field == "policy" || field == "x-amz-signature" || field == "file" || strings.HasPrefix(field, "x-ignore-")
}

// check holds a form to the policy: it has not expired, every condition holds, and a
// condition speaks of every field, the bucket among them.
func (p *policy) check(fields map[string]string, length int64, now time.Time) error {
	denied := func(format string, args ...any) error {
		return s3err.New(s3err.AccessDenied, "Invalid according to Policy: %s", fmt.Sprintf(format, args...))
	}
	if !now.Before(p.expires) {
		return denied("Policy expired.")
	}
	covered := map[string]bool{}
	for _, c := range p.conditions {
		covered[c.field] = true
		switch {
		case c.kind == ofLength && length < c.min:
			return s3err.New(s3err.EntityTooSmall, "")
		case c.kind == ofLength && length > c.max:
			return s3err.New(s3err.EntityTooLarge, "")
		case c.kind == equal && fields[c.field] != c.value, c.kind == begins && !strings.HasPrefix(fields[c.field], c.value):
			return denied("Policy Condition failed: %s", strconv.Quote(c.field[:min(len(c.field), 60)]))
		}
	}
	for name := range fields {
		if !covered[name] && !uncovered(name) {
			return denied("Extra input fields: %s", name[:min(len(name), 60)])
		}
	}
	return nil
}
