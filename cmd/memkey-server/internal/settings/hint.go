package settings

import "strings"

// hint says which key a person had in mind who wrote name, if one is near.
func hint(name string, keys []key) string {
	leaf := name[strings.LastIndexByte(name, '.')+1:]
	for _, k := range keys {
		section, own, nested := strings.Cut(k.name, ".")
		switch {
		case k.name == name && nested:
			return "write " + own + ": on an indented line below " + section + ":"
		case nested && own == leaf:
			return "did you mean " + k.name + "?"
		}
	}
	best, cost := "", len(leaf)/3+1 // a third of the letters may be wrong
	for _, k := range keys {
		own := k.name[strings.LastIndexByte(k.name, '.')+1:]
		if d := edits(strings.ToLower(leaf), own, cost); d < cost {
			best, cost = k.name, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// edits is the number of single-letter changes between a and b (Levenshtein), or something above limit once it must be.
func edits(a, b string, limit int) int {
	if n := len(a) - len(b); n > limit || -n > limit {
		return limit + 1
	}
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(above[j]+same, above[j+1]+1, row[j]+1)
		}
		above = row
	}
	return above[len(b)]
}
