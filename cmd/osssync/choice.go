package main

import (
	"fmt"
	"slices"
	"strings"
)

// A choice is the value of a flag that can have few. A value that means nothing
// is refused when the flags are read, so that --help refuses it too.
type choice struct {
	to   *string
	pick func(string) (string, error) // returns the value as it is kept
}

// String implements pflag.Value.
func (c *choice) String() string {
	if c.to == nil {
		return ""
	}
	return *c.to
}

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	picked, err := c.pick(s)
	if err == nil {
		*c.to = picked
	}
	return err
}

// Type implements pflag.Value.
func (c *choice) Type() string { return "string" }

// oneOf picks one of these names in any case, or "", which stands for what the
// configuration says.
func oneOf(names ...string) func(string) (string, error) {
	return func(s string) (string, error) {
		name := strings.ToLower(s)
		if name == "" || slices.Contains(names, name) {
			return name, nil
		}
		return "", fmt.Errorf("it can be %s", strings.Join(names, ", "))
	}
}
