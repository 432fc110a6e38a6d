package memkey

import (
	"bytes"
	"context"
	"testing"
)

// Every parser: no input panics, and what is read encodes to the same bytes again.

func FuzzM1(f *testing.F) {
	v := readVector(f)
	f.Add([]byte(v.M1))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, signed, sig, err := parseM1(b)
		if err != nil {
			return
		}
		if again := append(m.append(nil), sig...); !bytes.Equal(again, b) || len(signed)+len(sig) != len(b) {
			t.Errorf("%x encodes to %x", b, again)
		}
	})
}

func FuzzM2(f *testing.F) {
	v := readVector(f)
	f.Add([]byte(v.M2))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, signed, sig, err := parseM2(b)
		if err != nil {
			return
		}
		if again := append(m.append(nil), sig...); !bytes.Equal(again, b) || len(signed)+len(sig) != len(b) {
			t.Errorf("%x encodes to %x", b, again)
		}
	})
}

func FuzzState(f *testing.F) {
	v := readVector(f)
	f.Add([]byte(v.State))
	f.Add(make([]byte, stateFixed))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err != nil {
			return
		}
		if again, err := appendState(nil, s); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x encodes to %x, %v", b, again, err)
		}
	})
}

func FuzzM3(f *testing.F) {
	v := readVector(f)
	f.Add([]byte(v.M3))
	f.Add([]byte(v.M3[:m3Head]))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= m3Head {
			_, _ = parseM3Head(b[:m3Head])
		}
		m, signed, sig, err := parseM3(b)
		if err != nil {
			return
		}
		if again := append(m.append(nil), sig...); !bytes.Equal(again, b) || len(signed)+len(sig) != len(b) {
			t.Errorf("%x encodes to %x", b, again)
		}
	})
}

func FuzzM4(f *testing.F) {
	v := readVector(f)
	f.Add([]byte(v.M4))
	f.Add([]byte(v.M4e))
	f.Fuzz(func(t *testing.T, b []byte) {
		if id, r, before, mac, err := parseM4(b); err == nil {
			again, err := appendM4(nil, id, r)
			if err != nil || !bytes.Equal(again, before) || !bytes.Equal(append(again, mac...), b) {
				t.Errorf("%x encodes to %x, %v", b, again, err)
			}
		}
		if id, r, before, sig, err := parseM4e(b); err == nil {
			again := appendM4e(nil, id, r)
			if !bytes.Equal(again, before) || !bytes.Equal(append(again, sig...), b) {
				t.Errorf("%x encodes to %x", b, again)
			}
		}
	})
}

func FuzzPackage(f *testing.F) {
	v := readVector(f)
	f.Add([]byte(v.Package))
	f.Add(raw(field(tagOp, []byte{byte(OpClear)}), field(tagGeneration, make([]byte, 8))))
	f.Add(raw(field(tagOp, []byte{byte(OpShare)}), field(tagGeneration, make([]byte, 8)), field(tagShare, []byte("share"))))
	f.Fuzz(func(t *testing.T, b []byte) {
		// The fuzzer need not find the padding.
		b = append(bytes.Clone(b), make([]byte, (packageUnit-len(b)%packageUnit)%packageUnit)...)
		p, refusal := parsePackage(bytes.Clone(b))
		if refusal != nil {
			if p != nil || refusal.Status == StatusOK || refusal.Status == StatusFailed {
				t.Errorf("refusal %+v", refusal)
			}
			return
		}
		defer p.Wipe()
		if again, err := appendPackage(p); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x encodes to %x, %v", b, again, err)
		}
	})
}

// FuzzAgent: whatever comes in, the agent neither panics nor carries anything out.
func FuzzAgent(f *testing.F) {
	v := readVector(f)
	f.Add([]byte(v.M1), []byte(v.M3))
	r := newRig(f, patient)
	f.Fuzz(func(t *testing.T, m1, m3 []byte) {
		if m2, err := r.agent.Challenge(context.Background(), home, m1); err == nil || m2 != nil {
			t.Errorf("an M2 for %x", m1)
		}
		if _, err := r.agent.Key(context.Background(), home, m3); err == nil {
			t.Errorf("an M4 for %x", m3)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add("deliver,enroll")
	f.Add("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseRoles(text); err == nil {
			if again, err := ParseRoles(s.String()); err != nil || again != s || !s.valid() {
				t.Errorf("%q is read as %s", text, s)
			}
		}
		if fp, err := ParseFingerprint(text); err == nil {
			if again, err := ParseFingerprint(fp.String()); err != nil || again != fp {
				t.Errorf("%q is read as %s", text, fp)
			}
		}
	})
}
