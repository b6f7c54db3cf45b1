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
package agent
