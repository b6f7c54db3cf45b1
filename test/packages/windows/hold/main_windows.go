// Command hold creates a file that it shares with nobody, writes "held" to it,
// says so, and keeps it open until its standard input ends: hold FILE. Without a
// file it says so and waits.
package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/windows"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Println("waiting")
		io.Copy(io.Discard, os.Stdin)
		return
	}
	name, err := windows.UTF16PtrFromString(os.Args[1])
	if err != nil {
		panic(err)
	}
	h, err := windows.CreateFile(name, windows.GENERIC_WRITE, 0, nil, windows.CREATE_ALWAYS, 0, 0)
	if err != nil {
		panic(err)
	}
	f := os.NewFile(uintptr(h), os.Args[1])
	if _, err := f.WriteString("held"); err != nil {
		panic(err)
	}
	fmt.Println("holding")
	io.Copy(io.Discard, os.Stdin)
	f.Close()
}
