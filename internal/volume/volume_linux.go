package volume

import "golang.org/x/sys/unix"

// ID returns a number of the file system that an open directory is on: its own id
// and, where the directory is the root of a mount, the time when that was made. It
// stays as long as the file system does, also over a restart, unless that has no
// id but one of its mount; 0 where the system tells neither.
func ID(fd int) uint64 {
	var id uint64
	var fs unix.Statfs_t
	if unix.Fstatfs(fd, &fs) == nil {
		id = uint64(uint32(fs.Fsid.Val[0]))<<32 | uint64(uint32(fs.Fsid.Val[1]))
	}
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st)
	if err == nil && st.Mask&unix.STATX_BTIME != 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		id ^= uint64(st.Btime.Sec)*1e9 + uint64(st.Btime.Nsec) // an XFS has the id of its device
	}
	return id
}
