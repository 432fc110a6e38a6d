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
	min, max int64  // of ofLength
	text     string // as S3 repeats it
}

type conditionKind uint8

const (
	equal    conditionKind = iota + 1 // the field is the value
	begins                            // the field begins with the value
	ofLength                          // the file has min to max bytes
	never                             // it does not hold
)

func badPolicy(why string) error {
	return s3err.New(s3err.InvalidPolicyDocument, "Invalid Policy: %s", why)
}

// parsePolicy reads a policy in base64.
func parsePolicy(encoded string) (*policy, error) {
	doc, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, badPolicy("invalid Base64 encoding.")
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	var top map[string]json.RawMessage
	if err := d.Decode(&top); err != nil || d.More() {
		return nil, errPolicyJSON()
	}
	for name := range top {
		if name != "expiration" && name != "conditions" {
			return nil, badPolicy("Unexpected: " + strconv.Quote(name[:min(len(name), 40)]))
		}
	}
	p := &policy{}
	if p.expires, err = parseExpiration(top["expiration"]); err != nil {
		return nil, err
	}
	var list []json.RawMessage
	switch raw := top["conditions"]; {
	case raw == nil:
		return nil, badPolicy("Policy missing conditions.")
	case json.Unmarshal(raw, &list) != nil || list == nil:
		return nil, badPolicy("Invalid 'conditions' value: must be a List.")
	}
	for _, raw := range list {
		c, err := parseCondition(raw)
		if err != nil {
			return nil, err
		}
		p.conditions = append(p.conditions, c)
	}
	return p, nil
}

func errPolicyJSON() error { return badPolicy("Invalid JSON.") }

func parseExpiration(raw json.RawMessage) (at time.Time, err error) {
	if raw == nil {
		return at, badPolicy("Policy missing expiration.")
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return at, errPolicyJSON()
	}
	if at, err = time.Parse(time.RFC3339, text); err != nil {
		return at, badPolicy("Invalid 'expiration' value: '" + text[:min(len(text), 40)] + "'")
	}
	return at, nil
}

// parseCondition reads {"field": "value"} or a list that begins with eq, starts-with
// or content-length-range.
func parseCondition(raw json.RawMessage) (c condition, err error) {
	var simple map[string]json.RawMessage
	if json.Unmarshal(raw, &simple) == nil && simple != nil {
		return simpleCondition(simple)
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil || list == nil {
		return c, badPolicy("Invalid condition test: must be a List or Object.")
	}
	if len(list) == 0 {
		return c, badPolicy("Invalid Condition: missing operation identifier.")
	}
	var op string
	if json.Unmarshal(list[0], &op) != nil {
		return c, errPolicyJSON()
	}
	op = op[:min(len(op), 40)]
	switch strings.ToLower(op) {
	case "eq":
		c.kind = equal
	case "starts-with":
		c.kind = begins
	case "content-length-range":
		c.kind = ofLength
	default:
		return c, badPolicy("Invalid Condition: unknown operation '" + op + "'.")
	}
	if len(list) != 3 {
		return c, badPolicy("Invalid " + op + ": wrong number of arguments.")
	}
	if c.kind == ofLength {
		if !wholeNumber(list[1], &c.min) || !wholeNumber(list[2], &c.max) {
			return c, errPolicyJSON()
		}
		return c, nil
	}
	var field string
	if json.Unmarshal(list[1], &field) != nil || json.Unmarshal(list[2], &c.value) != nil {
		return c, errPolicyJSON()
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return c, errPolicyJSON()
	}
	c.text = compact.String()
	name, isField := strings.CutPrefix(field, "$")
	if !isField {
		c.kind = never // S3 reads it, and it does not hold
		return c, nil
	}
	c.field = strings.ToLower(name)
	return c, nil
}

// simpleCondition reads the form with one field.
func simpleCondition(fields map[string]json.RawMessage) (c condition, err error) {
	if len(fields) != 1 {
		return c, badPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
	}
	c.kind = equal
	for name, raw := range fields {
		var value *string
		if json.Unmarshal(raw, &value) != nil || value == nil {
			return c, badPolicy("Invalid Simple-Condition: value must be a string.")
		}
		c.field, c.value = strings.ToLower(name), *value
		c.text = fmt.Sprintf(`["eq", %q, %q]`, "$"+name, *value)
	}
	return c, nil
}

// holds says whether a field has what a condition wants. A Content-Type may be a list,
// each of which must begin so.
func (c condition) holds(value string) bool {
	switch c.kind {
	case equal:
		return value == c.value
	case begins:
		if c.field != "content-type" {
			return strings.HasPrefix(value, c.value)
		}
		for one := range strings.SplitSeq(value, ",") {
			if !strings.HasPrefix(strings.TrimSpace(one), c.value) {
				return false
			}
		}
		return true
	}
	return false
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

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

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
		if c.kind != ofLength && c.kind != never {
			covered[c.field] = true
		}
		switch {
		case c.kind == ofLength && length < c.min:
			return s3err.New(s3err.EntityTooSmall, "").With("ProposedSize", decimal(length)).With("MinSizeAllowed", decimal(c.min))
		case c.kind == ofLength && length > c.max:
			return s3err.New(s3err.EntityTooLarge, "").With("ProposedSize", decimal(length)).With("MaxSizeAllowed", decimal(c.max))
		case c.kind != ofLength && !c.holds(fields[c.field]):
			return denied("Policy Condition failed: %s", c.text)
		}
	}
	for name := range fields {
		if !covered[name] && !uncovered(name) {
			return denied("Extra input fields: %s", name[:min(len(name), 60)])
		}
	}
	return nil
}
