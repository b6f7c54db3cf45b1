package state

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// remote names the file systems whose pages or locks live on another machine,
// or in another process (FUSE), by the magic number of statfs.
var remote = map[uint32]string{
	0x01021997: "9p",
	0x5346414f: "afs",
	0x19830326: "beegfs",
	0x00c36400: "ceph",
	0xff534d42: "cifs",
	0x73757245: "coda",
	0x65735546: "fuse",
	0x01161970: "gfs2",
	0x47504653: "gpfs",
	0x0bd00bd0: "lustre",
	0x564c:     "ncp",
	0x6969:     "nfs",
	0x7461636f: "ocfs2",
	0x20030528: "orangefs",
	0xfe534d42: "smb2",
	0x517b:     "smb",
	0x786f4256: "vboxsf",
}

func checkLocal(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("statfs %s: %w", dir, err)
	}
	if name, ok := remote[uint32(fs.Type)]; ok {
		return &RemoteError{Dir: dir, Type: name}
	}
	return nil
}
