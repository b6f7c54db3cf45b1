//go:build !windows && (!unix || aix || solaris)

package creds

import "errors"

// A privateDir is not to be had here: without ownership and locks that are
// known to hold there is no disk cache.
type privateDir struct{}

var errNoCache = errors.New("no disk cache on this system")

func openPrivateDir(string, bool) (*privateDir, error) { return nil, errNoCache }

func (d *privateDir) close() {}

func (d *privateDir) read(string, int64) ([]byte, error) { return nil, errNoCache }

func (d *privateDir) replace(string, []byte, func(string)) error { return errNoCache }

func (d *privateDir) remove(string) error { return errNoCache }

func (d *privateDir) tryLock(string) (func(), bool, error) { return nil, false, errNoCache }

func seal([]byte, string) ([]byte, error) { return nil, errNoCache }

func unseal([]byte, string) ([]byte, error) { return nil, errNoCache }
