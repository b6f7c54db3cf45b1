package main

import "os"

// peakMemory returns 0: a process that has ended does not tell it here.
func peakMemory(*os.ProcessState) int64 { return 0 }
