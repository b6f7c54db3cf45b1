package plan

import "github.com/osssync/osssync/internal/upload"

// A shelf holds the large files of a lane that were looked at and wait until
// fewer large ones are handed out. What was hinted comes before what a scan
// found, as it does elsewhere, and neither stands still.
type shelf struct {
	hinted, found line
	streak        int // hinted ones taken in a row while found ones waited
}

func newShelf() shelf {
	return shelf{hinted: line{stage: shelved}, found: line{stage: shelved}}
}

func (s *shelf) push(it *item) {
	if it.found {
		s.found.push(it)
	} else {
		s.hinted.push(it)
	}
}

func (s *shelf) peek() bool { return s.hinted.peek() || s.found.peek() }

func (s *shelf) pop() *item {
	if s.hinted.peek() && (s.streak < newestShare || !s.found.peek()) {
		s.streak++
		return s.hinted.pop()
	}
	s.streak = 0
	return s.found.pop()
}

// shelfDue says whether a large file is to be handed out. The mutex is held, as
// in all methods below.
func (l *Lane) shelfDue() bool {
	return l.q.large < upload.LargeAtOnce && l.shelf.peek()
}

// mustWait puts a file onto the shelf if it is large and others are before it.
func (l *Lane) mustWait(it *item) bool {
	q := l.q
	switch {
	case it.large || q.opt.Large == 0 || it.size <= q.opt.Large:
		return false
	case q.large < upload.LargeAtOnce && !l.shelf.peek():
		l.takePlace(it)
		return false
	}
	l.endProbe(it)
	if l.closed || it.again {
		l.finish(it, q.now()) // what has happened meanwhile decides
		return true
	}
	l.move(it, shelved)
	q.nudge(q.now())
	return true
}

// takePlace counts a large file that is handed out.
func (l *Lane) takePlace(it *item) {
	it.large = true
	l.q.large++
}

// giveBack ends takePlace.
func (l *Lane) giveBack(it *item) {
	if !it.large {
		return
	}
	it.large = false
	l.q.large--
	l.q.nudge(0)
}
