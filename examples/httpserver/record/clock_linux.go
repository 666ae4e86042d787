package record

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime is CLOCK_BOOTTIME of clock_gettime(2), which package syscall
// does not name.
const clockBoottime = 7

// Now is the reading of CLOCK_BOOTTIME: the time since the machine started,
// suspension included.
func Now() (time.Duration, error) {
	var t syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&t)), 0); errno != 0 {
		return 0, fmt.Errorf("read CLOCK_BOOTTIME: %w", errno)
	}
	return time.Duration(t.Nano()), nil
}
