package plan

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/osssync/osssync/internal/upload"
)

const (
	// A file that keeps changing is sent at intervals that grow from
	// firstCooldown to maxCooldown and are forgotten when it has been quiet
	// for twice the last one.
	firstCooldown = 250 * time.Millisecond
	maxCooldown   = time.Minute

	// A snapshot of a file that stays open costs two reads of it. So that these
	// read no more than snapshotRate on average, the pause before the next one
	// is the file's size divided by it, up to maxPause.
	snapshotRate = 4 << 20 // bytes per second
	maxPause     = time.Hour

	// racyWait is after how long a file is compared again that a later write
	// may have left with the same version: the coarsest clock ticks in 2 s.
	racyWait = 2500 * time.Millisecond
)

// Done implements [upload.Source].
func (q *Queue) Done(job *upload.Job, res upload.Result) {
	it, ok := job.Lane.(*item)
	if !ok {
		panic("plan: Done of a job that is not from Next")
	}
	l := it.lane
	q.mu.Lock()
	now := q.now()
	var events []Event
	switch {
	case it.stage != busy:
		q.mu.Unlock()
		panic("plan: Done twice for " + it.path)
	case res.Err == nil:
		events = l.succeeded(it, job, res, now)
	default:
		events = l.failed(it, job, res.Err, now)
	}
	l.signal()
	l.lookedAt()
	if q.draining && q.idle() {
		q.pass()
	}
	q.mu.Unlock()
	q.report(events)
}

// succeeded ends a job that was done.
func (l *Lane) succeeded(it *item, job *upload.Job, res upload.Result, now time.Duration) []Event {
	l.digest.forget(it.path)
	if it.unknown {
		l.digest.forgetAbove(it.path)
	}
	l.tally.forgive(it.path)
	l.tally.count(res.Action, res.Bytes)
	l.answered(it, res.Action)
	e := Event{Job: l.name, Action: res.Action, Path: job.Path, Key: job.Key, Bytes: res.Bytes,
		Reason: job.Reason, Try: job.Try + 1, Final: true}
	if l.q.opt.DryRun && (res.Action == upload.Upload || res.Action == upload.Copy) {
		e.Bytes = job.Version.Size
	}
	it.tries, it.stuck, it.failing, it.fault, it.plain = 0, 0, false, false, false
	it.notBefore, it.calm = 0, 0
	if it.overdue(now) && res.Action != upload.Upload {
		l.gone.recent.add(now, 1)
	}
	it.stays()
	it.doubt = false
	if old := it.from; old != nil {
		l.unclaim(it)
		if res.Action == upload.Copy {
			l.movedAway(old, now)
		}
	}
	// In a pass that is to end, the next one compares racy files again.
	// A snapshot is racy too, but of a file that goes on changing.
	racy := res.Entry != nil && res.Entry.Racy && !ahead(res.Entry.CTime) && !job.Live && l.q.opt.MaxTries == 0 && !l.q.draining
	switch {
	case it.again || l.closed || res.Action != upload.Upload && !racy:
		l.cool(it, job, res.Action)
		l.finish(it, now)
	case racy:
		l.cool(it, job, res.Action)
		l.setScan(it, false)
		l.answer(it)
		it.since, it.first = now, now
		l.waitUntil(it, now+racyWait)
	case it.scan:
		l.drop(it)
	default:
		l.cool(it, job, res.Action)
		l.rest(it, now)
	}
	return []Event{e}
}

// ahead says whether a file's time is yet to come, for the clock was set back.
// Until then the next change may bear the same time, so that to compare the file
// again and again would prove nothing: that is left to the next scan.
func ahead(ctime int64) bool { return time.Until(time.Unix(0, ctime)) > racyWait }

// cool says when a file that has just been sent may be sent again: one that
// changes again and again, ever less often.
func (l *Lane) cool(it *item, job *upload.Job, a upload.Action) {
	if a != upload.Upload || l.hurry {
		return
	}
	bound := maxCooldown
	if l.opt.MaxWait > 0 {
		bound = min(bound, l.opt.MaxWait)
	}
	it.cooldown = min(max(firstCooldown, 2*it.cooldown), bound)
	it.notBefore = it.started + it.cooldown
	if job.Live {
		pause := time.Duration(float64(job.Version.Size) / snapshotRate * float64(time.Second))
		it.calm = it.started + min(pause, maxPause)
	}
}

// rest keeps the item, with nothing to be done, until it has been quiet for long
// enough to forget how often it changed.
func (l *Lane) rest(it *item, now time.Duration) {
	l.answer(it)
	it.due = max(now+2*it.cooldown, it.calm)
	l.move(it, resting)
	l.q.nudge(it.due)
}

// finish ends what was to be done about a path. If it was hinted meanwhile, it
// is due again.
func (l *Lane) finish(it *item, now time.Duration) {
	if l.closed || !it.again {
		l.drop(it)
		return
	}
	l.setScan(it, false)
	it.again = false
	it.since, it.first = it.againTime, it.againTime
	it.tries, it.stuck, it.fault = 0, 0, false
	l.renumber(it, it.againSeq)
	l.schedule(it, it.againCause, now)
}

// failed ends an attempt that failed.
func (l *Lane) failed(it *item, job *upload.Job, err error, now time.Duration) []Event {
	l.setRemoving(it, false) // nobody knows when it will be seen
	if old := it.from; old != nil {
		l.unclaim(it)
		l.gone.last = now // the old path waits for the next attempt
	}
	it.doubt = it.doubt || uncertain(err)
	v := judgeError(err, attempt{
		tries: it.tries, stuck: it.stuck, stuckFor: now - it.stuckSince(now), live: job.Live,
		copying: job.Action == upload.Copy, maxTries: l.q.opt.MaxTries, maxWait: l.opt.MaxWait,
	}, rand.Float64)
	e := Event{Job: l.name, Action: job.Action, Path: job.Path, Key: job.Key, Reason: job.Reason, Err: err}
	var req *upload.RequestError
	if errors.As(err, &req) {
		e.RequestID = req.RequestID
	}
	switch {
	case l.closed:
		l.drop(it)
		return nil
	case l.halt.dead != nil:
		e.Try, e.Final = it.tries+1, true
		l.tally.blame(it, err, time.Time{})
		l.drop(it)
		return []Event{e}
	case v.lane:
		return l.stop(it, e, err, now)
	}
	l.answeredError(it, err)
	return l.again(it, e, v, now)
}

// again does to the item what the verdict on its failure says.
func (l *Lane) again(it *item, e Event, v verdict, now time.Duration) []Event {
	it.cleared = it.cleared && !v.relook
	it.plain = it.plain || v.plain
	switch {
	case v.stuck:
		if it.stuck == 0 {
			it.busySince = now
		}
		it.stuck++
	case !v.stopped:
		it.tries++
		it.stuck = 0
	}
	e.Try, e.Final = it.tries, v.final
	it.fault, it.failing = !v.hold, v.hold
	it.notBefore = 0
	if v.hold {
		it.notBefore = now + v.wait
	}
	if v.stuck && it.live {
		it.calm = now + v.wait
	}
	due := now + v.wait
	switch {
	case it.again:
		// It changed since: what went wrong may not go wrong again. The older
		// hint is not answered either.
		it.again, e.Final = false, false
		l.schedule(it, it.againCause, now)
		due = it.due
	case v.final:
		l.tally.blame(it, e.Err, time.Time{})
		l.drop(it)
		return []Event{e}
	default:
		if v.stuck && l.opt.MaxWait > 0 {
			due = min(due, max(now, l.snapshotAt(it)))
		}
		l.waitUntil(it, due)
	}
	e.Wait = max(due-now, 0)
	if v.stuck || v.relook || v.plain {
		return nil // only a file that is being written, or not what it was
	}
	l.tally.blame(it, e.Err, time.Now().Add(e.Wait))
	return []Event{e}
}

// stuckSince returns since when a file has been found open or changing.
func (it *item) stuckSince(now time.Duration) time.Duration {
	if it.stuck == 0 {
		return now
	}
	return it.busySince
}
