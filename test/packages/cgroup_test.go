//go:build linux

package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// cgroups makes a cgroup for a machine in each hierarchy in which a systemd
// keeps its services, so that those of several machines are not taken for each
// other's. An error means that there can be none here.
func cgroups(name string) (dirs []string, err error) {
	for _, hierarchy := range []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(hierarchy, "cgroup.procs")); err != nil {
			return nil, err
		}
		dir := filepath.Join(hierarchy, fmt.Sprintf("osssync-test-%d-%s", os.Getpid(), name))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, errors.Join(err, removeCgroups(dirs))
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// removeCgroups removes cgroups, in which nothing may run, and those below.
func removeCgroups(dirs []string) error {
	var errs []error
	for _, dir := range dirs {
		var all []string
		errs = append(errs, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				all = append(all, path)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}))
		for _, d := range slices.Backward(all) {
			errs = append(errs, os.Remove(d))
		}
	}
	return errors.Join(errs...)
}
