//go:build !linux && !windows

package creds

import "errors"

var errNoID = errors.New("not known on this system")

// bootID is not known, so that a cached credential is always confirmed first.
func bootID() (string, error) { return "", errNoID }

func machineID() (string, error) { return "", errNoID }

func productName() string { return "" }
