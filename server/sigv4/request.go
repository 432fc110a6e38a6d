package sigv4

// Header is one header line: the name in lower case, the value without the
// white space around it. Names may repeat, in the order received.
type Header struct{ Name, Value string }

// Request is what is signed of a request.
type Request struct {
	Method  string
	Target  string // the request target as on the wire: raw path and query
	Headers []Header
}

// get returns a header that stands exactly once; ok is false if it is missing
// or repeated.
func (r *Request) get(name string) (value string, ok bool) {
	n := 0
	for _, h := range r.Headers {
		if h.Name == name {
			value = h.Value
			n++
		}
	}
	return value, n == 1
}

// PayloadMode says how the body is bound to the signature.
type PayloadMode uint8

// The payload modes. A zero mode is none.
const (
	Exact    PayloadMode = iota + 1 // the body has the signed SHA-256
	Unsigned                        // UNSIGNED-PAYLOAD: the body is not signed
)

// Payload is what the signature says of the body.
type Payload struct {
	Mode   PayloadMode
	SHA256 [32]byte // of Exact
}

// Verified is what a good signature proves.
type Verified struct {
	AccessKey string
	Payload   Payload
}
