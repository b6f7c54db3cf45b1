// Command hold is the other programs of a Windows:
//
//	hold wait                says "waiting" and waits
//	hold file FILE           creates FILE, which it shares with nobody, writes
//	                         "held" to it, says "holding" and waits
//	hold paramchange NAME    tells a service that its parameters have changed
//
// It waits until its standard input ends.
package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "hold:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "wait":
		fmt.Println("waiting")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case len(args) == 2 && args[0] == "file":
		return holdFile(args[1])
	case len(args) == 2 && args[0] == "paramchange":
		return paramChange(args[1])
	}
	return fmt.Errorf("%q: unknown", args)
}

func holdFile(path string) error {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return err
	}
	h, err := windows.CreateFile(name, windows.GENERIC_WRITE, 0, nil, windows.CREATE_ALWAYS, 0, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(h), path)
	if _, err := f.WriteString("held"); err != nil {
		return err
	}
	fmt.Println("holding")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return f.Close()
}

func paramChange(name string) error {
	m, err := mgr.Connect()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.OpenService(name)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.Control(svc.ParamChange)
	return err
}
