//go:build unix

package creds

func platformChildren() map[string]func(string) { return nil }
