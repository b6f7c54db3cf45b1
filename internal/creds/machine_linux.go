package creds

import (
	"errors"
	"os"
	"strings"
)

// bootID identifies this boot: the kernel makes it up anew each time.
func bootID() (string, error) { return firstLine("/proc/sys/kernel/random/boot_id") }

// machineID identifies this installation.
func machineID() (string, error) {
	id, err := firstLine("/etc/machine-id")
	if err != nil {
		id, err = firstLine("/var/lib/dbus/machine-id")
	}
	return id, err
}

// productName says what kind of machine this is, "" where it is not known.
func productName() string {
	name, _ := firstLine("/sys/class/dmi/id/product_name")
	return name
}

func firstLine(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", errors.New("read " + path + ": it is empty")
	}
	return line, nil
}
