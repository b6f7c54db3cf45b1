package creds

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"
)

const (
	lockWait  = 4 * time.Second // then go on without: its holder hangs
	futureMax = 5 * time.Minute // a record fetched further ahead was written by another clock
)

var (
	errCacheEnded    = errors.New("it has ended")
	errCacheForeign  = errors.New("it is bound to another machine, endpoint, role or role chain")
	errCacheDamaged  = errors.New("it is damaged or of another version")
	errCacheClock    = errors.New("its times do not fit this machine's clock")
	errCacheNotOurs  = errors.New("it is owned by another user")
	errCacheNotPlain = errors.New("it is not a private regular file with one name")
)

// A store is the disk cache of one credential. The methods of a nil store do
// nothing. Reading needs no lock, since a record is replaced whole; deciding
// that there is none and asking for one does.
type store struct {
	dir  string
	name string // of the file
	want func() binding
	clk  *clock
	log  *slog.Logger
	step func(string) // test hook: told what replacing a record does next
}

// newStore returns the cache of the credential from the named source, or nil
// without a directory.
func newStore(opt *Options, source string, clk *clock) *store {
	if opt.CacheDir == "" {
		return nil
	}
	s := &store{dir: opt.CacheDir, name: "v1.json", clk: clk, log: opt.Logger, step: func(string) {}}
	want := binding{Endpoint: opt.Endpoint, Role: opt.Role}
	if source == fromAssumeRole {
		s.name = "v1-assumed.json"
		want.Chain = opt.AssumeRole.digest()
	}
	boot, machine := opt.BootID, opt.MachineID
	if boot == nil {
		boot = bootID
	}
	if machine == nil {
		machine = machineID
	}
	s.want = sync.OnceValue(func() binding {
		want.Boot, _ = boot() // "" is the same as no boot
		id, _ := machine()
		want.Machine = digest(id)
		return want
	})
	return s
}

func (s *store) path() string { return filepath.Join(s.dir, s.name) }

// load returns the credential of this boot, or else that of another, which
// needs to be confirmed.
func (s *store) load() (fresh, old *grant) {
	if s == nil {
		return nil, nil
	}
	fresh, old, _ = s.read()
	return fresh, old
}

// sweep is load, but removes what can never be used. The lock is held.
func (s *store) sweep() (fresh, old *grant) {
	if s == nil {
		return nil, nil
	}
	fresh, old, err := s.read()
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return fresh, old
	}
	level := slog.LevelWarn
	if errors.Is(err, errCacheEnded) {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "cached credential dropped", "path", s.path(), "err", err)
	s.remove()
	return nil, nil
}

func (s *store) read() (fresh, old *grant, err error) {
	d, err := openPrivateDir(s.dir, false)
	if err != nil {
		return nil, nil, err
	}
	defer d.close()
	sealed, err := d.read(s.name, maxBody)
	if err != nil {
		return nil, nil, err
	}
	want := s.want()
	data, err := unseal(sealed, want.Machine)
	if err != nil {
		return nil, nil, errCacheDamaged
	}
	rec, err := decodeRecord(data)
	if err != nil {
		return nil, nil, err
	}
	if !rec.Binding.fits(want) {
		return nil, nil, errCacheForeign
	}
	g, err := rec.grant(s.clk.now())
	if err != nil {
		return nil, nil, err
	}
	if want.Boot != "" && rec.Binding.Boot == want.Boot {
		return g, nil, nil
	}
	return nil, g, nil
}

// save replaces the record. A credential of an instance that is not known is
// not kept, since it could not be confirmed.
func (s *store) save(g *grant) error {
	if s == nil || g.identity == (Identity{}) {
		return nil
	}
	d, err := openPrivateDir(s.dir, true)
	if err != nil {
		return err
	}
	defer d.close()
	want := s.want()
	data, err := seal(encodeRecord(want, g), want.Machine)
	if err != nil {
		return err
	}
	return d.replace(s.name, data, s.step)
}

// remove deletes the record, if there is one.
func (s *store) remove() {
	if s == nil {
		return
	}
	d, err := openPrivateDir(s.dir, false)
	if err != nil {
		return
	}
	defer d.close()
	if err := d.remove(s.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("cached credential not removed", "path", s.path(), "err", err)
	}
}

// lock keeps other processes from refreshing and returns what ends this. A
// lock that is not to be had in time is done without: then two processes ask
// for the same, which is harmless.
func (s *store) lock(ctx context.Context) (unlock func()) {
	if s == nil {
		return func() {}
	}
	d, err := openPrivateDir(s.dir, true)
	if err != nil {
		return func() {}
	}
	defer d.close()
	started := time.Now()
	for wait := 2 * time.Millisecond; ; wait = min(wait*2, 50*time.Millisecond) {
		unlock, free, err := d.tryLock(s.name + ".lock")
		if err != nil {
			s.log.Debug("credential cache not locked", "dir", s.dir, "err", err)
			return func() {}
		}
		if free {
			return unlock
		}
		if time.Since(started) > lockWait {
			return func() {}
		}
		select {
		case <-time.After(between(wait/2, wait)):
		case <-ctx.Done():
			return func() {}
		}
	}
}
