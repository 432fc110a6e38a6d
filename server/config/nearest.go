package config

import "strings"

// nearest returns the candidate that a person who wrote name most likely meant,
// or "" if none is near. Of the letters behind the last dot, or behind the prefix
// that all variables share, a third may be wrong: what comes before says little.
func nearest(name string, candidates []string) string {
	telling := strings.TrimPrefix(name[strings.LastIndexByte(name, '.')+1:], envPrefix)
	best, bestCost := "", len(telling)/3+1
	for _, c := range candidates {
		if cost := distance(strings.ToLower(name), strings.ToLower(c), bestCost); cost < bestCost || (cost == bestCost && best == "") {
			best, bestCost = c, cost
		}
	}
	return best
}

// distance is the number of single-letter edits between a and b (Levenshtein),
// or something above limit as soon as it must be that.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
			least = min(least, row[j+1])
		}
		if least > limit {
			return limit + 1
		}
	}
	return row[len(b)]
}
