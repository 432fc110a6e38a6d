package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is the form of a value.
type Kind string

// The kinds.
const (
	Text     Kind = "text"
	Password Kind = "secret"
	Bool     Kind = "true or false"
	Int      Kind = "whole number"
	Bytes    Kind = "size"
	Duration Kind = "duration"
	List     Kind = "list"
)

// Key is one setting: everything the loader, `check`, the manual and the tests
// need to know about it.
type Key struct {
	Name     string // dotted path in the file
	Env      string // variable that wins over the file
	Kind     Kind
	Default  string // in the form a file would have it; "" = empty
	Allowed  string // what a value may be, in words that follow "want"
	Doc      string // one or two sentences
	Required bool   // must not be empty
	Private  bool   // not repeated in errors: it may hold credentials
	FileFor  string // this key names a file that holds the value of that key
	Live     bool   // a change takes effect on SIGHUP; of every other key at the next start
	Unless   string // Required does not hold beside entries of this list, when the whole section is empty

	bind binding

	// Of a key within an entry.
	list       string               // the list's name
	first      bool                 // of the entry's keys
	credential func(*Config) string // name of its systemd credential
}

// Secret tells whether the value must never be shown.
func (k Key) Secret() bool { return k.Kind == Password }

// binding connects a key to its field of a Config.
type binding struct {
	// set parses and checks one value (a List: any number) and stores it. Its
	// error says why not, never what was given; it may be empty, meaning "it is
	// not what Allowed says".
	set func(*Config, []string) error
	// get returns the value as set takes it; a Secret as "redacted" or nothing.
	get func(*Config) []string
	// same compares two Configs' values; nil = what get returns. A Secret has its own.
	same func(a, b *Config) bool
}

// errNotAllowed means that the value is not what Key.Allowed says.
var errNotAllowed = errors.New("")

func one(set func(*Config, string) error) func(*Config, []string) error {
	return func(c *Config, v []string) error { return set(c, v[0]) }
}

// text binds a string; check may be nil.
func text(field func(*Config) *string, check func(string) error) binding {
	return binding{
		set: one(func(c *Config, v string) error {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return errors.New("it has a control character")
			}
			if !utf8.ValidString(v) {
				return errors.New("it is not UTF-8")
			}
			if check != nil {
				if err := check(v); err != nil {
					return err
				}
			}
			*field(c) = v
			return nil
		}),
		get: func(c *Config) []string { return []string{*field(c)} },
	}
}

// choice binds a string that is one of a few.
func choice(field func(*Config) *string, values ...string) binding {
	return text(field, func(v string) error {
		for _, ok := range values {
			if v == ok {
				return nil
			}
		}
		return errNotAllowed
	})
}

func secret(field func(*Config) *Secret, check func(string) error) binding {
	return binding{
		set: one(func(c *Config, v string) error {
			if err := checkSecret(v); err != nil {
				return err
			}
			if check != nil && v != "" {
				if err := check(v); err != nil {
					return err
				}
			}
			*field(c) = NewSecret(v)
			return nil
		}),
		get:  func(c *Config) []string { return []string{field(c).String()} },
		same: func(a, b *Config) bool { return field(a).Reveal() == field(b).Reveal() },
	}
}

func boolean(field func(*Config) *bool) binding {
	return binding{
		set: one(func(c *Config, v string) error {
			switch v {
			case "true", "1":
				*field(c) = true
			case "false", "0":
				*field(c) = false
			default:
				return errNotAllowed
			}
			return nil
		}),
		get: func(c *Config) []string { return []string{strconv.FormatBool(*field(c))} },
	}
}

// integer binds a whole number within [low, high] or among values.
func integer(field func(*Config) *int, ok func(int) bool) binding {
	return binding{
		set: one(func(c *Config, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || !ok(n) || strings.HasPrefix(v, "+") {
				return errNotAllowed
			}
			*field(c) = n
			return nil
		}),
		get: func(c *Config) []string { return []string{strconv.Itoa(*field(c))} },
	}
}

func between(low, high int) func(int) bool { return func(n int) bool { return low <= n && n <= high } }

// size binds a number of bytes within [low, high]; zero too where zero = chosen.
func size(field func(*Config) *Size, low, high Size, zero bool) binding {
	return binding{
		set: one(func(c *Config, v string) error {
			n, err := ParseSize(v)
			if err != nil {
				return err
			}
			if (n < low || n > high) && (n != 0 || !zero) {
				return errNotAllowed
			}
			*field(c) = n
			return nil
		}),
		get: func(c *Config) []string { return []string{field(c).String()} },
	}
}

// duration binds a time span within [low, high].
func duration(field func(*Config) *time.Duration, low, high time.Duration) binding {
	return binding{
		set: one(func(c *Config, v string) error {
			if v != "" && strings.Trim(v, "0123456789") == "" {
				return fmt.Errorf("it has no unit; write %ss for seconds", v)
			}
			d, err := time.ParseDuration(v)
			if err != nil || d < low || d > high {
				return errNotAllowed
			}
			*field(c) = d
			return nil
		}),
		get: func(c *Config) []string { return []string{field(c).String()} },
	}
}

// list binds any number of strings, each checked, none twice.
func list(field func(*Config) *[]string, check func(string) error) binding {
	return binding{
		set: func(c *Config, v []string) error {
			out := make([]string, 0, len(v))
			seen := make(map[string]bool, len(v))
			for _, item := range v {
				if err := check(item); err != nil {
					if err == errNotAllowed {
						return fmt.Errorf("%s is not allowed", shown(item))
					}
					return fmt.Errorf("%s: %w", shown(item), err)
				}
				if seen[item] {
					return fmt.Errorf("%s is in it twice", shown(item))
				}
				seen[item] = true
				out = append(out, item)
			}
			*field(c) = out
			return nil
		},
		get: func(c *Config) []string { return append([]string{}, *field(c)...) },
	}
}
