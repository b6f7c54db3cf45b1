package agent

import (
	"math"
	"slices"
	"sync"

	"github.com/osssync/osssync/internal/config"
)

// A roster knows the jobs, for those who ask about all of them. Safe for
// concurrent use.
type roster struct {
	mu      sync.Mutex
	jobs    []*config.Job     // as they are configured now
	posts   map[string]*post  // by job
	numbers map[string]uint64 // newest sequence number of each job that ran once, as it is told
	hurried bool
	whole   chan struct{} // closed when every job was scanned as a whole
	once    sync.Once
}

// A post is what is known of one job, whether it runs or not.
type post struct {
	line    *line // nil while the job does not run
	fault   error // why it does not, where that is known
	paused  bool  // by hand, until it is resumed by hand
	scanned bool  // as a whole, once
	lastKey string
	changed chan struct{} // closed when the line or paused changes, and replaced
	retry   chan struct{} // tells a job that waits to be started not to
}

func newRoster(jobs []*config.Job) *roster {
	return &roster{jobs: jobs, posts: map[string]*post{}, numbers: map[string]uint64{}, whole: make(chan struct{})}
}

// post returns what is known of a job. The mutex is held.
func (r *roster) post(job string) *post {
	p := r.posts[job]
	if p == nil {
		p = &post{changed: make(chan struct{}), retry: make(chan struct{}, 1)}
		r.posts[job] = p
	}
	return p
}

// change tells who waits for it that the post is another one now.
func (p *post) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// set says which jobs there are now. What is known of one that is there no more
// is forgotten.
func (r *roster) set(jobs []*config.Job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jobs = jobs
	for name, p := range r.posts {
		if !slices.ContainsFunc(jobs, func(j *config.Job) bool { return j.Name == name }) {
			delete(r.posts, name)
			close(p.changed)
		}
	}
}

// all returns the jobs that there are now. It is not to be changed.
func (r *roster) all() []*config.Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.jobs
}

// resolve returns these jobs, each once and in the order of the configuration,
// or all if none is named. An error is an *UnknownJobError.
func (r *roster) resolve(names []string) ([]*config.Job, error) {
	jobs := r.all()
	var there []string
	for _, j := range jobs {
		there = append(there, j.Name)
	}
	for _, name := range names {
		if !slices.Contains(there, name) {
			return nil, &UnknownJobError{name, there}
		}
	}
	if len(names) == 0 {
		return jobs, nil
	}
	return slices.DeleteFunc(slices.Clone(jobs), func(j *config.Job) bool { return !slices.Contains(names, j.Name) }), nil
}

// view returns what is known of a job, nil where it was removed.
func (r *roster) view(job string) *post {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.ContainsFunc(r.jobs, func(j *config.Job) bool { return j.Name == job }) {
		return nil
	}
	p := *r.post(job)
	return &p
}

// add enters a job that runs now.
func (r *roster) add(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.post(l.job.Name)
	p.line, p.fault = l, nil
	l.first, l.last = r.numbers[l.job.Name], math.MaxUint64
	if p.paused {
		l.lane.Pause()
	}
	if r.hurried {
		l.lane.Hurry()
	}
	p.change()
}

// remove takes a job out that is about to end.
func (r *roster) remove(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.last = l.first + l.lane.Sequence()
	r.numbers[l.job.Name] = l.last
	if p := r.posts[l.job.Name]; p != nil && p.line == l {
		p.line = nil
		p.change()
	}
}

// number returns what a sequence number of a job's lane is called outside, where
// numbers go on when the job starts anew. Without a line it is that of the newest
// change that is known.
func (r *roster) number(job string, l *line, seq uint64) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l == nil {
		return r.numbers[job]
	}
	return min(l.first+seq, l.last)
}

// fail notes why a job does not run.
func (r *roster) fail(job string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.post(job).fault = err
}

// find returns the line of a job, or nil and why it has none, if that is known.
func (r *roster) find(job string) (*line, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.posts[job]; p != nil {
		return p.line, p.fault
	}
	return nil, nil
}

// lines returns the jobs that run.
func (r *roster) lines() []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*line
	for _, p := range r.posts {
		if p.line != nil {
			all = append(all, p.line)
		}
	}
	return all
}

// pause stops a job's uploads, or lets them go on, now and when it starts anew.
func (r *roster) pause(job string, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.post(job)
	if p.paused == on {
		return
	}
	p.paused = on
	switch {
	case p.line == nil:
	case on:
		p.line.lane.Pause()
	default:
		p.line.lane.Resume()
	}
	p.change()
}

// retry makes a job try at once what has failed, even to start.
func (r *roster) retry(job string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.post(job)
	if p.line != nil {
		p.line.lane.Retry()
		return
	}
	select {
	case p.retry <- struct{}{}:
	default: // it was told already
	}
}

// retried returns what tells a job not to wait any longer.
func (r *roster) retried(job string) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.post(job).retry
}

// verified notes the object that a job has stored and recorded last.
func (r *roster) verified(job, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.posts[job]; p != nil {
		p.lastKey = key
	}
}

// doubt tells all jobs that run that the index was made anew.
func (r *roster) doubt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.posts {
		if p.line != nil {
			p.line.doubt()
		}
	}
}

// scanned notes that a whole scan of a job has ended.
func (r *roster) scanned(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.post(l.job.Name).scanned = true
	for _, j := range r.jobs {
		if !r.post(j.Name).scanned {
			return
		}
	}
	r.once.Do(func() { close(r.whole) })
}

// hurry ends all waiting for quiet, also of the jobs that start later.
func (r *roster) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hurried = true
	for _, p := range r.posts {
		if p.line != nil {
			p.line.lane.Hurry()
		}
	}
}
