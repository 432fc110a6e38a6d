package shares

import (
	"errors"
	"fmt"
	"io"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/secretsharing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// drawScalar draws a uniform scalar that is not zero: 32 bytes at a time, the top three bits cleared, until they are the
// canonical encoding of one (about every second time). The group's own RandomScalar ignores its reader.
func drawScalar(random io.Reader) (group.Scalar, error) {
	var b [scalarSize]byte
	defer clear(b[:])
	for {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, fmt.Errorf("cannot draw a scalar: %w", err)
		}
		b[scalarSize-1] &= 0x1f
		if s, err := parseScalar(b[:]); err == nil {
			return s, nil
		}
	}
}

// parseScalar reads a canonical encoding (RFC 9496 section 4.4: 32 bytes, little endian, below the order) that is not
// zero.
func parseScalar(b []byte) (group.Scalar, error) {
	s := group.Ristretto255.NewScalar()
	if err := s.UnmarshalBinary(b); err != nil {
		return nil, errors.New("its secret is not a canonical scalar")
	}
	if s.IsZero() {
		return nil, errors.New("its secret is zero")
	}
	return s, nil
}

func wipeScalar(s group.Scalar) {
	if s != nil {
		s.SetUint64(0)
	}
}

// index returns the scalar of a share's index.
func index(i int) group.Scalar { return group.Ristretto255.NewScalar().SetUint64(uint64(i)) }

// parseCommitments reads canonical encodings (RFC 9496 section 4.3.1) of elements. The identity is refused: it commits
// to a zero coefficient, and only a polynomial of full degree has the threshold it claims.
func parseCommitments(b []byte) (secretsharing.SecretCommitment, error) {
	c := make(secretsharing.SecretCommitment, 0, len(b)/elementSize)
	for i := 0; len(b) > 0; i++ {
		e := group.Ristretto255.NewElement()
		if err := e.UnmarshalBinary(b[:elementSize]); err != nil {
			return nil, fmt.Errorf("its commitment %d is not a canonical element", i)
		}
		if e.IsIdentity() {
			return nil, fmt.Errorf("its commitment %d is the identity", i)
		}
		c = append(c, e)
		b = b[elementSize:]
	}
	return c, nil
}

// polynomial is a_0 + a_1·x + … ; a_0 is the shared scalar.
type polynomial []group.Scalar

func drawPolynomial(random io.Reader, k int) (polynomial, error) {
	var p polynomial
	for range k {
		a, err := drawScalar(random)
		if err != nil {
			p.wipe()
			return nil, err
		}
		p = append(p, a)
	}
	return p, nil
}

// at returns p(i), which the caller wipes.
func (p polynomial) at(i int) group.Scalar {
	x, y := index(i), p[len(p)-1].Copy()
	for j := len(p) - 2; j >= 0; j-- {
		y.Mul(y, x)
		y.Add(y, p[j])
	}
	return y
}

// commit returns the encodings of a_j·B.
func (p polynomial) commit() ([]byte, error) {
	var out []byte
	for _, a := range p {
		b, err := group.Ristretto255.NewElement().MulGen(a).MarshalBinaryCompress()
		if err != nil {
			return nil, fmt.Errorf("cannot commit to a coefficient: %w", err)
		}
		out = append(out, b...)
	}
	return out, nil
}

func (p polynomial) wipe() {
	for _, a := range p {
		wipeScalar(a)
	}
}

// Verify tells whether the share's secret is the one that its set committed to: index·scalar on the polynomial
// (ErrCommitment). It does not tell whether the set is the right one, nor whether its keyring opens.
func (s *Share) Verify() error {
	commitments, err := parseCommitments(s.commitments)
	if err != nil {
		return s.fault(fmt.Errorf("%w: %w", ErrFormat, err))
	}
	ok := false
	if err := s.use(func(y group.Scalar) {
		ok = secretsharing.Verify(uint(s.k-1), secretsharing.Share{ID: index(s.index), Value: y}, commitments)
	}); err != nil {
		return s.fault(err)
	}
	if !ok {
		return s.fault(ErrCommitment)
	}
	return nil
}

func (s *Share) fault(err error) error { return &ShareError{Index: s.index, Set: s.set, Err: err} }

// use calls f with the secret as a scalar, valid during the call only.
func (s *Share) use(f func(group.Scalar)) error {
	var bad error
	err := s.scalar.Use(func(b []byte) {
		y, err := parseScalar(b)
		if err != nil {
			bad = err
			return
		}
		defer wipeScalar(y)
		f(y)
	})
	if err == nil && bad != nil {
		panic("BUG: a share holds a scalar that Parse would not take")
	}
	return err
}

// recoverScalar interpolates the polynomial at zero (Lagrange) from k shares of one set with different indexes. The
// library's Recover would leave copies of every secret on the heap.
func recoverScalar(shares []*Share) (group.Scalar, error) {
	sum := group.Ristretto255.NewScalar()
	for _, s := range shares {
		num, den := index(1), index(1)
		x := index(s.index)
		for _, other := range shares {
			if other != s {
				xo := index(other.index)
				num.Mul(num, xo)
				den.Mul(den, xo.Sub(xo, x))
			}
		}
		num.Mul(num, den.Inv(den))
		if err := s.use(func(y group.Scalar) {
			y.Mul(y, num)
			sum.Add(sum, y)
		}); err != nil {
			wipeScalar(sum)
			return nil, s.fault(err)
		}
	}
	return sum, nil
}

// lock moves a scalar into locked memory and wipes it.
func lock(y group.Scalar) (*keyagent.Secret, error) {
	defer wipeScalar(y)
	b, err := y.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("cannot encode a scalar: %w", err)
	}
	return keyagent.NewSecret(b) // clears b
}
