package config

import "slices"

// Pending names the keys, in the table's order, whose values differ between c and next
// although a change of them takes effect at the next start only: those that are not
// Key.Live. Lists of entries are live, all of them.
func (c *Config) Pending(next *Config) []string {
	var names []string
	for _, k := range Keys() {
		same := func(a, b *Config) bool { return slices.Equal(k.bind.get(a), k.bind.get(b)) }
		if k.bind.same != nil {
			same = k.bind.same
		}
		if !k.Live && !same(c, next) {
			names = append(names, k.Name)
		}
	}
	return names
}
