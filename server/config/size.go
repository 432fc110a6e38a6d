package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes.
type Size int64

// sizeUnits are the accepted units. KB (1000) and KiB (1024) are different
// things, and a bare K, which everybody reads as he likes, is neither. Binary
// units stand first: String looks for the largest that divides.
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

const binaryUnits = 4

// ParseSize reads a whole number of bytes with an optional unit: 4194304, 4MiB,
// "4 MiB", 4MB. Errors do not repeat the text.
func ParseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
	unit := text[len(digits):]
	if unit != "" {
		digits = strings.TrimSuffix(digits, " ")
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, errors.New("not a whole number of bytes")
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, errors.New("too large")
	}
	if unit == "" {
		return Size(n), nil
	}
	for _, u := range sizeUnits {
		if unit != u.name {
			continue
		}
		if n > math.MaxInt64/u.bytes {
			return 0, errors.New("too large")
		}
		return Size(n * u.bytes), nil
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(unit, u.name) {
			return 0, fmt.Errorf("unknown unit; write %s", u.name)
		}
		if len(unit) == 1 && strings.EqualFold(unit, u.name[:1]) {
			return 0, fmt.Errorf("ambiguous unit; write %s (1024) or %s (1000)", u.name, strings.Replace(u.name, "i", "", 1))
		}
	}
	return 0, errors.New("unknown unit")
}

// String returns the size in its largest exact binary unit; ParseSize reads it
// back to the same value.
func (s Size) String() string {
	for _, u := range sizeUnits[:binaryUnits] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// Int returns the size as an int, which is 64 bits wide wherever this runs.
func (s Size) Int() int { return int(s) }
