package config

import (
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// EntryList is a setting that is a list of entries, each with keys of its own. It
// stands in the file alone: a variable has no room for it. A change of it takes effect on
// SIGHUP, as that of a Key that is Live.
type EntryList struct {
	Name string // of the list, at the top of the file
	Doc  string // one or two sentences
	Max  int    // entries
	Keys []Key  // of an entry; Name is the name within it, Env is empty

	// grow appends an empty entry. The bindings of Keys are to the last entry.
	grow func(*Config)
	// label is what systemd credentials of the last entry have in their names; nil where
	// entries have no secrets.
	label func(*Config) string
	// only is a Config whose last entry is number i; ok = there is one.
	only func(c *Config, i int) (view *Config, ok bool)
}

// EntryLists returns every list of entries, in the order of the manual; the slice is
// the caller's own.
func EntryLists() []EntryList { return []EntryList{clientEntries(), corsEntries()} }

func last[T any](entries []T) *T { return &entries[len(entries)-1] }

// from cuts a list of entries so that number i is its last.
func from[T any](entries []T, i int) ([]T, bool) {
	if i >= len(entries) {
		return nil, false
	}
	return entries[: i+1 : i+1], true
}

// entryKey names a key of entry i, counted from 0.
func entryKey(list string, i int, leaf string) string {
	return list + "[" + strconv.Itoa(i) + "]." + leaf
}

// keysOf are the keys of entry i, bound to it. The entry must be there when they are
// used, and no other be appended after.
func (e EntryList) keysOf(i int) []Key {
	out := make([]Key, len(e.Keys))
	for n, k := range e.Keys {
		inner, leaf := k.bind, k.Name
		k.Name, k.list, k.first = entryKey(e.Name, i, leaf), e.Name, n == 0
		if k.FileFor != "" {
			k.FileFor = entryKey(e.Name, i, k.FileFor)
		}
		k.bind = binding{
			set: func(c *Config, v []string) error { view, _ := e.only(c, i); return inner.set(view, v) },
			get: func(c *Config) []string { view, _ := e.only(c, i); return inner.get(view) },
		}
		k.credential = func(c *Config) string {
			view, _ := e.only(c, i)
			return e.Name + "." + e.label(view) + "." + leaf
		}
		out[n] = k
	}
	return out
}

// keys are those of the table and of every entry there is.
func (c *Config) keys() []Key {
	keys := Keys()
	for _, e := range EntryLists() {
		for i := 0; ; i++ {
			if _, ok := e.only(c, i); !ok {
				break
			}
			keys = append(keys, e.keysOf(i)...)
		}
	}
	return keys
}

// entries walks a list of entries: what it finds is kept as if each entry were a
// section of its own.
func (r *fileReader) entries(e EntryList, k, v *yaml.Node) {
	if !r.plain(v, e.Name) {
		return
	}
	switch {
	case v.Kind == yaml.ScalarNode && v.Tag == "!!null":
		r.fail(k, e.Name, "it has no value; write [] for empty, or take the line out")
		return
	case v.Kind != yaml.SequenceNode:
		r.fail(k, e.Name, "it is not a list; want entries that begin with `- "+e.Keys[0].Name+": …`")
		return
	case len(v.Content) > e.Max:
		r.fail(k, e.Name, "it has "+strconv.Itoa(len(v.Content))+" entries; want at most "+strconv.Itoa(e.Max))
		return
	}
	for i, item := range v.Content {
		name := e.Name + "[" + strconv.Itoa(i) + "]"
		if !r.plain(item, name) {
			continue
		}
		if item.Kind != yaml.MappingNode {
			r.fail(item, name, "it is no entry; want `key: value` lines below one that begins with `- `")
			continue
		}
		sub := &fileReader{path: r.path, keys: map[string]Key{}, found: r.found, lines: r.lines}
		for _, key := range e.keysOf(i) {
			sub.keys[key.Name] = key
			sub.names = append(sub.names, key.Name)
			r.places[key.Name] = Origin{File: r.path, Line: item.Line}
		}
		sub.section(item, name+".")
		r.problems = append(r.problems, sub.problems...)
	}
	r.counts[e.Name] = len(v.Content)
}

// isEntry says whether a name is that of a key within an entry.
func (k Key) isEntry() bool { return k.list != "" }

// leaf is the last part of a key's name.
func (k Key) leaf() string { return k.Name[strings.LastIndexByte(k.Name, '.')+1:] }
