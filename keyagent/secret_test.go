package keyagent

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"time"
)

func TestNewSecretCopiesAndClearsItsInput(t *testing.T) {
	key := bytes.Repeat([]byte{7}, KeySize)
	from := bytes.Clone(key)
	s, err := NewSecret(from)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Wipe()
	if !bytes.Equal(from, make([]byte, KeySize)) {
		t.Errorf("input is %x after NewSecret, want zeros", from)
	}
	called := false
	if err := s.Use(func(b []byte) { called = bytes.Equal(b, key) }); err != nil || !called {
		t.Errorf("Use: %v, right bytes: %t", err, called)
	}
}

func TestNewSecretRefusesWhatIsNoKeyAndClearsItToo(t *testing.T) {
	for _, from := range [][]byte{nil, {}, bytes.Repeat([]byte{7}, 31), bytes.Repeat([]byte{7}, 33), make([]byte, KeySize)} {
		s, err := NewSecret(from)
		if s != nil || !errors.Is(err, ErrBadSecret) {
			t.Errorf("%d bytes: %v, %v; want ErrBadSecret", len(from), s, err)
		}
		if !bytes.Equal(from, make([]byte, len(from))) {
			t.Errorf("%d bytes: input not cleared", len(from))
		}
	}
}

func TestGenerateSecretGivesDifferentKeys(t *testing.T) {
	a, err := GenerateSecret()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Wipe()
	b, err := GenerateSecret()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Wipe()
	if a.Equal(b) {
		t.Error("two generated secrets are equal")
	}
}

// TestSecretIsRedactedInEveryPrinter uses a key whose bytes are easy to find in decimal, hex, base64 and as text.
func TestSecretIsRedactedInEveryPrinter(t *testing.T) {
	s, err := NewSecret(bytes.Repeat([]byte("k"), KeySize))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Wipe()
	key := Key{Label: "l", Master: s, Active: true}
	values := map[string]any{"secret": s, "key": key, "ring": Ring{Keys: []Key{key}}, "pointer": &key,
		"hidden": struct{ s *Secret }{s}, "value": reflect.ValueOf(s).Elem(), "map": map[string]*Secret{"x": s}}
	var texts []string
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%t", "%p", "%T", "%5.3s", "%w"} {
			texts = append(texts, name+" "+verb+": "+fmt.Sprintf(verb, v))
		}
		if name == "value" {
			continue // reflect.Value is printed by fmt only
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: json: %v", name, err)
		}
		texts = append(texts, name+" json: "+string(text))
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		texts = append(texts, name+" slog: "+log.String())
	}
	text, err := xml.Marshal(key)
	if err != nil {
		t.Error(err)
	}
	texts = append(texts, "xml: "+string(text))
	texts = append(texts, fmt.Sprint(errors.New(s.String()), s.GoString()))
	for _, text := range texts {
		for _, leak := range []string{"107 107", "107, 107", "107,107", "0x6b", "6b6b", "6B6B", "a2tra", "kkk", "153 153"} {
			if bytes.Contains([]byte(text), []byte(leak)) {
				t.Errorf("leak %q in %s", leak, text)
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, s); got != "redacted" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
	if got, _ := json.Marshal(key); string(got) != `{"Label":"l","Master":"redacted","Active":true}` {
		t.Errorf("json of a key: %s", got)
	}
}

func TestUseFailsAfterWipeAndWipeIsIdempotent(t *testing.T) {
	s, err := GenerateSecret()
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(s.Wipe)
	}
	all.Wait()
	s.Wipe()
	if err := s.Use(func([]byte) { t.Error("called") }); err != ErrWiped {
		t.Errorf("Use: %v, want ErrWiped", err)
	}
	if _, err := s.Clone(); err != ErrWiped {
		t.Errorf("Clone: %v, want ErrWiped", err)
	}
	if s.Equal(s) {
		t.Error("a wiped secret equals itself")
	}
	(*Secret)(nil).Wipe()
	if err := new(Secret).Use(func([]byte) { t.Error("called") }); err != ErrWiped {
		t.Errorf("Use of a zero Secret: %v, want ErrWiped", err)
	}
	new(Secret).Wipe()
}

func TestWipeWaitsForUsersAndLetsThemNest(t *testing.T) {
	s, err := NewSecret(bytes.Repeat([]byte{9}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	wiped := make(chan struct{})
	err = s.Use(func(key []byte) {
		go func() {
			s.Wipe()
			close(wiped)
		}()
		for { // until the wipe has begun: then a new Use is refused, nested or not, and does not deadlock
			if s.Use(func([]byte) {}) == ErrWiped {
				break
			}
			time.Sleep(time.Millisecond)
		}
		select {
		case <-wiped:
			t.Error("Wipe returned while the key was in use")
		case <-time.After(20 * time.Millisecond):
		}
		if !bytes.Equal(key, bytes.Repeat([]byte{9}, KeySize)) {
			t.Error("the key changed while it was in use")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	<-wiped
}

func TestUseReleasesTheKeyWhenItsFunctionPanics(t *testing.T) {
	s, err := GenerateSecret()
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = s.Use(func([]byte) { panic("x") })
	}()
	s.Wipe() // would hang
}

func TestCloneKeepsTheKeyUntilTheLastWipe(t *testing.T) {
	key := bytes.Repeat([]byte{5}, KeySize)
	a, err := NewSecret(bytes.Clone(key))
	if err != nil {
		t.Fatal(err)
	}
	b, err := a.Clone()
	if err != nil {
		t.Fatal(err)
	}
	if !a.Equal(b) || !b.Equal(a) {
		t.Error("a clone differs")
	}
	a.Wipe()
	right := false
	if err := b.Use(func(k []byte) { right = bytes.Equal(k, key) }); err != nil || !right {
		t.Errorf("the clone after the wipe of its origin: %v, right bytes: %t", err, right)
	}
	b.Wipe()
	if err := b.Use(func([]byte) {}); err != ErrWiped {
		t.Errorf("Use after the last Wipe: %v", err)
	}
}

func TestEqual(t *testing.T) {
	var secrets []*Secret
	for i := range 3 {
		key := bytes.Repeat([]byte{1}, KeySize)
		key[i%2*31] ^= 0x80 // 0 and 2 are the same, 1 differs in the last byte only
		s, err := NewSecret(key)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Wipe()
		secrets = append(secrets, s)
	}
	if secrets[0].Equal(secrets[1]) || !secrets[0].Equal(secrets[2]) || !secrets[1].Equal(secrets[1]) {
		t.Error("Equal is wrong")
	}
	if secrets[0].Equal(nil) || (*Secret)(nil).Equal(secrets[0]) {
		t.Error("a secret equals nil")
	}
}

// TestConcurrentUseCloneAndWipe is for the race detector: a key is whole or gone.
func TestConcurrentUseCloneAndWipe(t *testing.T) {
	key := bytes.Repeat([]byte{3}, KeySize)
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for range rounds {
		s, err := NewSecret(bytes.Clone(key))
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for {
					c, err := s.Clone()
					if err != nil {
						return
					}
					if err := c.Use(func(k []byte) {
						if !bytes.Equal(k, key) {
							t.Error("half a key")
						}
					}); err != nil {
						t.Error(err)
					}
					c.Wipe()
				}
			})
		}
		all.Go(s.Wipe)
		all.Wait()
	}
}
