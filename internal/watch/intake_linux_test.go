package watch

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// The intake rests while one file is written again and again, and not while
// several are: their events would pile up, and all others behind them.
func TestIntakeRests(t *testing.T) {
	const n = 400
	for files, rests := range map[int]bool{1: true, 2: false, 4: false, 20: false} {
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
				s.fs.Events <- fsnotify.Event{Op: fsnotify.Write, Name: fmt.Sprint(i % files)}
			}
			close(s.fs.Events)
			<-ended
			if took := time.Since(begun); rests && took < n/3*rest || !rests && took > 0 {
				t.Errorf("%d files: %d events took %v", files, n, took)
			}
		})
	}
}
