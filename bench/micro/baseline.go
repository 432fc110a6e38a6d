package main

import (
	"slices"
	"strings"
)

// baselineOf names the row a benchmark is compared with, or "": the bare AEAD
// of its suite for what seals on one core, one worker for several, the standard
// library for what hashes, two streams for more of them.
func baselineOf(key string) string {
	pkg, name, _ := strings.Cut(key, " ")
	parts := strings.Split(name, "/")
	switch {
	case pkg == "./format" && strings.HasSuffix(name, "_64KiB") && !strings.HasPrefix(name, "Raw"):
		// SealX_64KiB against RawX_64KiB, OpenX_64KiB against RawOpenX_64KiB.
		if rest, ok := strings.CutPrefix(name, "Seal"); ok {
			return pkg + " Raw" + rest
		}
		return pkg + " Raw" + name
	case pkg == "./pipeline" && len(parts) == 4 && (parts[0] == "Seal" || parts[0] == "Open"):
		if parts[2] == "workers=1" {
			if parts[0] == "Seal" {
				return pkg + " Raw/" + parts[1] + "/64KiB"
			}
			return ""
		}
		return pkg + " " + parts[0] + "/" + parts[1] + "/workers=1/" + parts[3]
	case pkg == "./pipeline/hashing" && len(parts) > 1 && slices.Contains([]string{"Digest", "SHA256", "MD5"}, parts[0]) && parts[1] != "standard":
		return pkg + " " + strings.Replace(name, parts[1], "standard", 1)
	case pkg == "./pipeline/hashing" && parts[0] == "Group" && name != "Group/fused/2":
		return pkg + " Group/fused/2"
	}
	return ""
}
