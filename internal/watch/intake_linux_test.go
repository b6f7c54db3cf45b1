package watch

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The intake rests while one file is written again and again, and not while
// several are: their events would pile up, and all others behind them. Nor does it
// while a file is written and closed, each time by another writer.
func TestIntakeRests(t *testing.T) {
	const n = 400
	write := func(i int) fsnotify.Event { return fsnotify.Event{Op: fsnotify.Write, Name: fmt.Sprint(i)} }
	for name, tt := range map[string]struct {
		event func(i int) fsnotify.Event
		rests bool
	}{
		"one file":     {func(int) fsnotify.Event { return write(0) }, true},
		"two files":    {func(i int) fsnotify.Event { return write(i % 2) }, false},
		"twenty files": {func(i int) fsnotify.Event { return write(i % 20) }, false},
		"closed": {func(i int) fsnotify.Event {
			ev := write(0)
			if i%2 == 1 {
				ev.Op = opCloseWrite
			}
			return ev
		}, false},
		"other events": {func(int) fsnotify.Event { return fsnotify.Event{Op: fsnotify.Chmod, Name: "0"} }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &inotify{fs: &fsnotify.Watcher{Events: make(chan fsnotify.Event)}}
			s.queue.more.L = &s.queue.mu
			ended := make(chan struct{})
			go func() {
				s.intake()
				close(ended)
			}()
			begun := time.Now()
			for i := range n {
				synctest.Wait() // it waits for an event, or rests
				s.fs.Events <- tt.event(i)
			}
			close(s.fs.Events)
			<-ended
			if took := time.Since(begun); tt.rests && took < n/3*rest || !tt.rests && took > 0 {
				t.Errorf("%s: %d events took %v", name, n, took)
			}
		})
	}
}
