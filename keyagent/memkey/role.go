package memkey

import (
	"fmt"
	"strings"
)

// An Op is what an admin asks for (PROTOCOL.md section 3).
type Op uint8

const (
	OpDeliver Op = 1 // replace the keyring; the pins must match
	OpEnroll  Op = 2 // set or change the pins, then deliver
	OpClear   Op = 3 // wipe the keyring
	OpShare   Op = 4 // one of k shares of a keyring
	OpStatus  Op = 5 // M2's state only
)

// A Role is the right to one Op.
type Role uint8

const (
	RoleDeliver Role = 1 << iota
	RoleEnroll
	RoleClear
	RoleShare
	RoleStatus
)

// Roles is a set of roles.
type Roles uint8

// roleNames are in the order of the bits and of the ops: op n has bit n-1.
var roleNames = [...]string{"deliver", "enroll", "clear", "share", "status"}

func (o Op) valid() bool { return o >= OpDeliver && o <= OpStatus }

// Role returns the role that o needs; zero, which nobody has, for an unknown op.
func (o Op) Role() Role {
	if !o.valid() {
		return 0
	}
	return 1 << (o - 1)
}

// String returns the op's name as the roles are spelled, "op 9" for an unknown one.
func (o Op) String() string {
	if !o.valid() {
		return fmt.Sprintf("op %d", uint8(o))
	}
	return roleNames[o-1]
}

// String returns the role's name.
func (r Role) String() string { return Roles(r).String() }

// Has reports whether the set has role r. No set has the zero role.
func (s Roles) Has(r Role) bool { return r != 0 && Role(s)&r == r }

// String lists the roles in their fixed order, comma-separated: the form that ParseRoles reads.
func (s Roles) String() string {
	var names []string
	for i, name := range roleNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

func (s Roles) valid() bool { return s != 0 && s < 1<<len(roleNames) }

// ParseRoles reads a comma-separated list such as "deliver,enroll". Spaces around names are ignored. An empty list, an
// unknown name and a repeated one are errors.
func ParseRoles(text string) (Roles, error) {
	var s Roles
next:
	for _, word := range strings.Split(text, ",") {
		word = strings.TrimSpace(word)
		for i, name := range roleNames {
			if word != name {
				continue
			}
			if s&(1<<i) != 0 {
				return 0, fmt.Errorf("cannot read roles: %q is there twice", word)
			}
			s |= 1 << i
			continue next
		}
		return 0, fmt.Errorf("cannot read roles: %q is none of %s", word, strings.Join(roleNames[:], ", "))
	}
	return s, nil
}
