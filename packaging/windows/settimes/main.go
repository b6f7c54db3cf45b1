// Command settimes sets the times in the summary of an MSI, "created" and
// "last saved", which msibuild takes from the clock: settimes FILE SECONDS.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// format is the identifier with which the property set of a summary begins,
// F29F85E0-4FF9-1068-AB91-08002B27B3D9. Its section's offset follows.
const format = "\xe0\x85\x9f\xf2\xf9\x4f\x68\x10\xab\x91\x08\x00\x2b\x27\xb3\xd9"

// Properties of a summary, and the type of a time in it.
const (
	created   = 12
	lastSaved = 13
	fileTime  = 64
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "settimes:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("want FILE SECONDS")
	}
	seconds, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	if err := set(b, seconds); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return os.WriteFile(args[0], b, 0o644)
}

// set writes the time into both properties of the only summary in b. Nothing
// else of the file is understood, so all that is known is checked.
func set(b []byte, seconds int64) error {
	at := bytes.Index(b, []byte(format))
	if at < 28 || bytes.Count(b, []byte(format)) != 1 {
		return errors.New("no summary, or several")
	}
	start := at - 28 // of the stream: the identifier comes after 28 bytes
	section := start + int(binary.LittleEndian.Uint32(b[at+16:]))
	if section+8 > len(b) {
		return errors.New("summary ends early")
	}
	done := 0
	for i := range binary.LittleEndian.Uint32(b[section+4:]) {
		entry := section + 8 + 8*int(i)
		if entry+8 > len(b) {
			return errors.New("summary ends early")
		}
		id := binary.LittleEndian.Uint32(b[entry:])
		if id != created && id != lastSaved {
			continue
		}
		value := section + int(binary.LittleEndian.Uint32(b[entry+4:]))
		if value+12 > len(b) || binary.LittleEndian.Uint32(b[value:]) != fileTime {
			return fmt.Errorf("property %d is no time", id)
		}
		// In units of 100 ns since 1601.
		binary.LittleEndian.PutUint64(b[value+4:], uint64(seconds+11644473600)*10_000_000)
		done++
	}
	if done != 2 {
		return fmt.Errorf("%d times in the summary, want 2", done)
	}
	return nil
}
