// Package record is the file in which an elected command notes that it runs,
// and the proof made from such files that never two ran at once.
//
// A run appends `start`, then a `beat` at short intervals, and `end` as its
// last act; each line is one write(2) with O_APPEND, so that any number of
// processes share one file. Times are CLOCK_BOOTTIME: one origin for all
// processes of a machine, in every PID namespace, whatever happens to the wall
// clock.
//
// It guarantees that an overlap it reports did happen. It cannot see what a
// process did after its last line: a run that was killed may have lived until
// the beat that is missing, so «never two» holds as finely as the beats came
// (Run.Silence). Files of different machines must not be compared.
//
// The example server and the recorder of the benchmark write these files; the
// demo, the benchmark and the end-to-end tests read them.
package record
