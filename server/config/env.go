package config

import (
	"sort"
	"strings"
)

const envPrefix = "S3CP_"

// envMap turns KEY=value lines into a map; of two lines for a key the last wins.
func envMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

// readEnv finds what the environment says. A variable that is set but empty is
// an empty value, not an absent one.
func readEnv(env map[string]string, keys []Key) (map[string]given, Problems) {
	byEnv := make(map[string]Key, len(keys))
	names := make([]string, 0, len(keys))
	for _, k := range keys {
		byEnv[k.Env] = k
		names = append(names, k.Env)
	}
	ours := make([]string, 0, len(keys))
	for name := range env {
		if strings.HasPrefix(name, envPrefix) {
			ours = append(ours, name)
		}
	}
	sort.Strings(ours)

	found := make(map[string]given)
	var problems Problems
	for _, name := range ours {
		key, ok := byEnv[name]
		if !ok {
			p := Problem{Env: printable(name), Why: "unknown variable"}
			if meant := nearest(name, names); meant != "" {
				p.Hint = "did you mean " + meant + "?"
			}
			problems = append(problems, p)
			continue
		}
		values := []string{env[name]}
		if key.Kind == List {
			values = splitList(env[name])
		}
		found[key.Name] = given{values, Origin{Env: name}}
	}
	return found, problems
}

// splitList cuts a comma list; blanks around items are dropped.
func splitList(v string) []string {
	if strings.TrimSpace(v) == "" {
		return nil
	}
	items := strings.Split(v, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}
