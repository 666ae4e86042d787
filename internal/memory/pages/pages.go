// Package pages lets go of the program's own pages. Package memory calls it for the
// gate and the sidecar, package guard for itself, which has no garbage to speak of
// and would start later with what collecting it needs (package self).
package pages

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Shed lets go of those pages of the program's own file that only the start
// needed, which is nearly all of them: Go's runtime looks through its tables once,
// and each page fault maps the neighbours too. Resident memory (VmRSS, proc(5))
// falls by half. The pages stay in the page cache, charged to whoever read them,
// but as no process maps them they are the first to be reclaimed, and what is
// used again is mapped from there again.
//
// MADV_DONTNEED is harmless exactly for private mappings that were never
// written to (madvise(2)), so writable ones are left alone. On any doubt nothing
// is done.
func Shed() {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return
	}
	for line := range strings.Lines(string(maps)) {
		line = strings.TrimSuffix(line, "\n")
		addresses, rest, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(rest, "r-xp ") && !strings.HasPrefix(rest, "r--p ") || !strings.HasSuffix(line, " "+program) {
			continue
		}
		first, last, _ := strings.Cut(addresses, "-")
		from, err1 := strconv.ParseUint(first, 16, strconv.IntSize)
		to, err2 := strconv.ParseUint(last, 16, strconv.IntSize)
		if err1 != nil || err2 != nil || to <= from {
			continue
		}
		// The range is the program's code and constants, not Go's heap.
		pages := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), uintptr(from))), to-from)
		_ = unix.Madvise(pages, unix.MADV_DONTNEED)
	}
}
