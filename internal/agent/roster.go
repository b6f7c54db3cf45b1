package agent

import "sync"

// A roster knows the jobs that run, for those who ask about all of them. The
// zero value is empty. Safe for concurrent use.
type roster struct {
	mu      sync.Mutex
	lines   map[string]*line // by job
	faults  map[string]error // why a job does not run, where that is known
	hurried bool
}

// add enters a job that runs now.
func (r *roster) add(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lines == nil {
		r.lines = map[string]*line{}
	}
	r.lines[l.job.Name] = l
	delete(r.faults, l.job.Name)
	if r.hurried {
		l.lane.Hurry()
	}
}

// remove takes a job out that is about to end.
func (r *roster) remove(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.lines, l.job.Name)
}

// fail notes why a job does not run.
func (r *roster) fail(job string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.faults == nil {
		r.faults = map[string]error{}
	}
	r.faults[job] = err
}

// find returns the line of a job, or nil and why it has none, if that is known.
func (r *roster) find(job string) (*line, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[job], r.faults[job]
}

// hurry ends all waiting for quiet, also of the jobs that start later.
func (r *roster) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hurried = true
	for _, l := range r.lines {
		l.lane.Hurry()
	}
}
