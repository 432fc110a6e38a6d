package config

import (
	"math"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	f := func(text string, want Size) {
		t.Helper()
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	f("0", 0)
	f("4194304", 4194304)
	f("7B", 7)
	f("64KiB", 65536)
	f("64KB", 64000)
	f("4MiB", 4<<20)
	f("4 MiB", 4<<20)
	f("4MB", 4000000)
	f("1GiB", 1<<30)
	f("1GB", 1e9)
	f("5TiB", 5<<40)
	f("5TB", 5e12)
	f("9223372036854775807", math.MaxInt64)
	f("8388607TiB", 8388607<<40)
}

func TestParseSizeRefuses(t *testing.T) {
	f := func(text, why string) {
		t.Helper()
		got, err := ParseSize(text)
		if err == nil {
			t.Errorf("ParseSize(%q) = %d", text, got)
		} else if !strings.Contains(err.Error(), why) {
			t.Errorf("ParseSize(%q): %v, want %q", text, err, why)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "+1", "1.5MiB", "0x10", "1_000", "4 ", " 4", "4  MiB", "4MiB ", "4\nMiB", "1e6", "٣"} {
		f(text, "")
	}
	f("4K", "KiB (1024) or KB (1000)")
	f("4M", "MiB (1024) or MB (1000)")
	f("4g", "GiB (1024) or GB (1000)")
	f("4mib", "write MiB")
	f("4kb", "write KB")
	f("4Kib", "write KiB")
	f("4bits", "unknown unit")
	f("9223372036854775808", "too large")
	f("8388608TiB", "too large")
	f("99999999999999999999KB", "too large")
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{0: "0", 1: "1", 1023: "1023", 1024: "1KiB", 65536: "64KiB", 1e6: "1000000", 1536 << 10: "1536KiB", 5 << 40: "5TiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d prints %q, want %q", int64(size), got, want)
		}
	}
}

// FuzzParseSize: what parses is not negative and prints as something that parses
// to the same.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "1", "64KiB", "4 MiB", "4MB", "8388607TiB", "9223372036854775807", "4K", "٣", "1e3", "-1", "B", "1TB "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseSize(text)
		if err != nil {
			if n != 0 {
				t.Fatalf("%q: %d with an error", text, n)
			}
			if len(text) > 30 && strings.Contains(err.Error(), text) {
				t.Fatalf("%q: repeated in %v", text, err)
			}
			return
		}
		if n < 0 {
			t.Fatalf("%q: %d", text, n)
		}
		if again, err := ParseSize(n.String()); err != nil || again != n {
			t.Fatalf("%q: %d prints %q, which is %d, %v", text, n, n.String(), again, err)
		}
	})
}
