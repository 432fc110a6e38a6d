package memkey

import "encoding/binary"

// A cursor takes fields off a message that is in memory already. After one field too many it stays bad and gives zeros,
// so that a parser checks once, at its end. What it returns points into the message.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	field := c.b[:n:n]
	c.b = c.b[n:]
	return field
}

// fill takes len(dst) bytes into dst, which is left alone when they are not there.
func (c *cursor) fill(dst []byte) { copy(dst, c.take(len(dst))) }

func (c *cursor) u8() uint8 {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if b := c.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// want takes the bytes of text, which must be there.
func (c *cursor) want(text string) {
	if b := c.take(len(text)); string(b) != text {
		c.bad = true
	}
}

// done reports whether every field was there and nothing is left.
func (c *cursor) done() bool { return !c.bad && len(c.b) == 0 }
