package config

import "fmt"

// loader holds one run of Load.
type loader struct {
	config   *Config
	keys     []Key
	env      map[string]string
	given    map[string]given
	places   map[string]Origin // where to look for what an entry lacks
	failed   map[string]bool   // keys with a problem of their own: no second one
	problems Problems
}

// Load reads a configuration: the defaults, then the YAML file at path ("" = no
// file), then the S3CP_* variables of environ, each winning over the one before.
// Secrets may also come from a file that a *_file key names, or from a systemd
// credential called like the key in $CREDENTIALS_DIRECTORY; a secret given by a
// higher source wins over a file named by a lower one, and the reverse.
//
// Nothing is expanded: a $ is a $. The error is of type Problems and tells
// everything that is wrong, not only the first thing.
func Load(path string, environ []string) (*Config, error) {
	l := &loader{
		config: &Config{origins: map[string]Origin{}},
		keys:   Keys(),
		env:    envMap(environ),
		failed: map[string]bool{},
	}
	fromFile, err := l.readFile(path)
	if err != nil {
		return nil, err
	}
	fromEnv, problems := readEnv(l.env, Keys())
	l.problems = append(l.problems, problems...)
	l.merge(fromFile, fromEnv)
	l.apply()
	l.readSecrets()
	l.require()
	l.derive()
	l.compare()
	if len(l.problems) > 0 {
		return nil, l.problems
	}
	l.warn()
	return l.config, nil
}

func (l *loader) readFile(path string) (map[string]given, error) {
	if path == "" {
		return nil, nil
	}
	content, err := readBounded(path, maxFileBytes)
	if err != nil {
		return nil, Problems{{File: path, Why: fmt.Sprintf("cannot read the configuration: %v", err)}}
	}
	r := &fileReader{path: path, keys: map[string]Key{}, found: map[string]given{}, lines: map[string]int{},
		lists: map[string]EntryList{}, counts: map[string]int{}, places: map[string]Origin{}}
	for _, k := range l.keys {
		r.keys[k.Name] = k
		r.names = append(r.names, k.Name)
	}
	for _, e := range EntryLists() {
		r.lists[e.Name] = e
		r.names = append(r.names, e.Name)
	}
	if !r.parse(content) {
		return nil, r.problems
	}
	for _, p := range r.problems {
		l.failed[p.Key] = true
	}
	l.problems = r.problems
	for _, e := range EntryLists() {
		for range r.counts[e.Name] {
			e.grow(l.config)
		}
	}
	l.keys, l.places = l.config.keys(), r.places
	return r.found, nil
}

// merge lays the environment over the file. A secret and the key that names its
// file are one setting with two forms: the form from the higher source wins.
func (l *loader) merge(fromFile, fromEnv map[string]given) {
	l.given = make(map[string]given, len(fromFile)+len(fromEnv))
	for _, k := range l.keys {
		if g, ok := fromFile[k.Name]; ok {
			l.given[k.Name] = g
		}
		if g, ok := fromEnv[k.Name]; ok {
			l.given[k.Name] = g
		}
	}
	for _, k := range l.keys {
		if k.FileFor == "" {
			continue
		}
		file, hasFile := l.given[k.Name]
		plain, hasPlain := l.given[k.FileFor]
		switch {
		case !hasFile || !hasPlain:
		case file.origin.level() > plain.origin.level():
			if file.values[0] != "" {
				delete(l.given, k.FileFor)
			}
		case file.origin.level() < plain.origin.level():
			delete(l.given, k.Name)
		case file.values[0] != "" && plain.values[0] != "":
			l.fail(k.Name, "", "give either this or "+k.FileFor)
		}
	}
}

// apply sets every key, to what was given or to its default.
func (l *loader) apply() {
	for _, k := range l.keys {
		values := []string{k.Default}
		if k.Kind == List {
			values = splitList(k.Default)
		}
		if err := k.bind.set(l.config, values); err != nil && k.Default != "" {
			panic("BUG: config: bad default of " + k.Name + ": " + err.Error())
		}
		g, ok := l.given[k.Name]
		if !ok {
			continue
		}
		l.config.origins[k.Name] = g.origin
		if err := k.bind.set(l.config, g.values); err != nil {
			l.refuse(k, g, err)
		}
	}
}

// refuse reports a value that its key does not take.
func (l *loader) refuse(k Key, g given, err error) {
	value := ""
	if !k.Secret() && !k.Private && k.Kind != List {
		value = shown(g.values[0])
	}
	why := "want " + k.Allowed
	if err != errNotAllowed {
		why = err.Error() + "; " + why
	}
	l.fail(k.Name, value, why)
}

// fail reports a problem of a key at the place its value came from.
func (l *loader) fail(key, value, why string) {
	if l.failed[key] {
		return
	}
	l.failed[key] = true
	o := l.given[key].origin
	if o == (Origin{}) {
		o = l.places[key]
	}
	l.problems = append(l.problems, Problem{File: o.File, Line: o.Line, Env: o.Env, Key: key, Value: value, Why: why})
}
