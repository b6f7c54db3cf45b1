// Package agent joins the parts into the thing that runs: for each job a
// watcher whose hints go to a lane of the planner, one queue over all lanes,
// and the workers that take from it.
//
// An Agent has two ways to run. Run is the agent proper: it scans, watches and
// uploads until it is told to stop. Sync is one pass: it scans once, waits for
// what that found to be done, and returns the totals. Both use the same
// pipeline, so what `sync --dry-run` prints is what `run` would do.
//
// # A job that cannot start
//
// A source that is missing, or a prefix that needs an instance id while the
// metadata service is down, stops that job and no other. Run tries it again,
// at first after five seconds, then ever more rarely up to a minute; Sync
// reports it and goes on.
//
// # Control
//
// While Run runs it answers a [Client] over a Unix socket or, on Windows, a
// named pipe: HTTP/1.1, GET for what is only looked at and POST for what
// changes something, values as a form, answers as JSON. Root, the agent's own
// user and the group of the socket may ask. Each request names the socket that
// only an agent with the same state directory has; another one lets it pass.
//
// A wait is a barrier in three steps: the watcher has handed over all that
// happened before the call, the lane tells the number of its newest hint, and
// every hint up to that number is answered.
//
// A pause by hand lasts until it is ended by hand or the agent ends. It
// survives that its job starts anew, by a reload or after a failure.
package agent
