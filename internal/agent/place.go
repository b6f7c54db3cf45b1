package agent

import (
	"strings"

	"github.com/osssync/osssync/internal/config"
)

// mustWait says whether a job may not begin before old has ended, so that no two
// of them send at once what one of them is to send: they have a name, a source or
// a place in common.
func mustWait(job, old *config.Job) bool {
	return old.Name == job.Name || old.Source == job.Source || samePlace(job, old)
}

// samePlace says whether two jobs could have an object in common. Placeholders
// could stand for anything, so what comes before the first of them decides.
func samePlace(a, b *config.Job) bool {
	if a.Bucket != b.Bucket {
		return false
	}
	for _, x := range places(a) {
		for _, y := range places(b) {
			if strings.HasPrefix(x, y) || strings.HasPrefix(y, x) {
				return true
			}
		}
	}
	return false
}

// places returns with what the keys begin that a job writes.
func places(j *config.Job) []string {
	all := []string{j.Prefix}
	if j.Deletes == "trash" {
		all = append(all, j.TrashPrefix+j.Prefix)
	}
	for i := range all {
		all[i], _, _ = strings.Cut(all[i], "{")
	}
	return all
}
