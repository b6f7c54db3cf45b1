package watch

import (
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// maxEvents is how many events wait for the pump, besides the 16,384 that wait
// in the kernel.
const maxEvents = 32768

// When all that happens is that one file is written again and again, the intake
// leaves the kernel alone for a while: of equal events in a row the kernel keeps
// one, and a file written in small pieces costs next to nothing. So if two equal
// ones come in a row, there was nothing between them, and nothing else waits: to
// rest while several files are written in turn would let their events pile up.
const (
	restAfter = 8 // equal writes in a row
	rest      = 15 * time.Millisecond
)

// An eventQueue lies between the library, which holds no events so that the
// intake can rest, and the pump, which may have to wait for the mutex.
type eventQueue struct {
	mu     sync.Mutex
	more   sync.Cond // changed: there are some, there is room, or no more will come
	events []fsnotify.Event
	over   bool
}

// intake takes the library's events.
func (s *inotify) intake() {
	defer s.queue.end()
	var last fsnotify.Event
	equal := 0 // events in a row
	for {
		idle := false
		var ev fsnotify.Event
		var ok bool
		select {
		case ev, ok = <-s.fs.Events:
		default:
			idle = true
			ev, ok = <-s.fs.Events
		}
		if !ok {
			return
		}
		s.queue.put(ev)
		if equal++; ev.Op != fsnotify.Write || ev.Op != last.Op || ev.Name != last.Name {
			equal = 0
		}
		if last = ev; equal >= restAfter && idle {
			time.Sleep(rest)
		}
	}
}

// put adds an event, when there is room for it. Of equal writes in a row it
// keeps one.
func (q *eventQueue) put(ev fsnotify.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.events) >= maxEvents {
		q.more.Wait()
	}
	if n := len(q.events); n > 0 && ev.Op == fsnotify.Write && q.events[n-1].Op == ev.Op && q.events[n-1].Name == ev.Name {
		return
	}
	q.events = append(q.events, ev)
	q.more.Broadcast()
}

func (q *eventQueue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
	q.more.Broadcast()
}

// take waits for events and exchanges them for the memory of done ones.
func (q *eventQueue) take(done []fsnotify.Event) []fsnotify.Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.events) == 0 && !q.over {
		q.more.Wait()
	}
	clear(done)
	if cap(done) > maxEvents/16 {
		done = nil // there was a burst; do not keep its memory
	}
	events := q.events
	q.events = done[:0]
	q.more.Broadcast()
	return events
}
