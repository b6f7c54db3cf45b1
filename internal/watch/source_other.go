//go:build !linux && !windows

package watch

// openSource has none: on this system every tree is polled.
func openSource(host) (source, string) { return nil, "this system is not listened to" }

func isOverflow(error) bool { return false }

const collapseDeep = true
