//go:build unix

package upload

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/internal/state"
)

func fstat(f handle) (info, error) { return fstatFD(int(f.Fd())) }

func fstatFD(fd int) (info, error) {
	var st unix.Stat_t
	for {
		err := unix.Fstat(fd, &st)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return info{}, err
		}
	}
	return info{
		Version: state.Version{
			Size:   st.Size,
			MTime:  st.Mtim.Nano(),
			CTime:  st.Ctim.Nano(),
			FileID: state.FileID{st.Ino},
		},
		device:  uint64(st.Dev), //nolint:unconvert // of another type on other systems
		mode:    fs.FileMode(st.Mode & 0o777),
		regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
	}, nil
}
