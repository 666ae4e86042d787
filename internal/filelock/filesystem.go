package filelock

import "golang.org/x/sys/unix"

// networkFileSystem names the file system with this magic (statfs(2), f_type)
// if flock on it is emulated, decided by a server, or not seen by other
// machines, so that a directory there promises what this lock cannot keep. FUSE
// and 9p are among them: flock there is this machine's alone, or the server's,
// and what they show may be shared by many.
func networkFileSystem(magic int64) (name string, is bool) {
	// f_type is a C long: 32-bit machines extend its sign.
	switch uint32(magic) {
	case unix.NFS_SUPER_MAGIC:
		return "NFS", true
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB", true
	case unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC:
		return "AFS", true
	case unix.CEPH_SUPER_MAGIC:
		return "CephFS", true
	case unix.CODA_SUPER_MAGIC:
		return "Coda", true
	case unix.NCP_SUPER_MAGIC:
		return "NCP", true
	case unix.FUSE_SUPER_MAGIC:
		return "FUSE", true
	case unix.V9FS_MAGIC:
		return "9p", true
	}
	return "", false
}
