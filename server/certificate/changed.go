package certificate

import (
	"os"
	"time"
)

// stamp tells versions of the two files apart: what renews a certificate gives them
// another time or size, or other files in their place.
type stamp [2]fileStamp

type fileStamp struct {
	size     int64
	modified time.Time
	info     os.FileInfo // for os.SameFile; nil: there is none
}

func stampOf(files ...string) stamp {
	var s stamp
	for i, name := range files {
		if info, err := os.Stat(name); err == nil { // through links, as they are read
			s[i] = fileStamp{info.Size(), info.ModTime(), info}
		}
	}
	return s
}

func (s stamp) is(o stamp) bool {
	for i := range s {
		a, b := s[i], o[i]
		if (a.info == nil) != (b.info == nil) || a.size != b.size || !a.modified.Equal(b.modified) {
			return false
		}
		if a.info != nil && !os.SameFile(a.info, b.info) {
			return false
		}
	}
	return true
}

// Changed says whether the files are others than when it was last asked, or when they
// were last loaded: true at most once for each change, so that a bad pair is reported
// once. A pair is written as two files: who finds it half done is asked again when the
// other half is there.
func (s *Store) Changed() bool {
	certFile, keyFile := s.files()
	now := stampOf(certFile, keyFile)
	if last := s.tried.Swap(&now); last != nil {
		return !now.is(*last)
	}
	return false
}
