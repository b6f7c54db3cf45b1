package service

import "log/slog"

// events are the ids under which the event log of Windows keeps what happens,
// by the message of the log line. An id means the same for ever: add, but do
// not change. EventCreate.exe, whose texts are used, knows 1 to 1000.
var events = map[string]uint32{
	"osssync starts":         1,
	"osssync ends":           2,
	"configuration reloaded": 3,
	"configuration not reloaded, all goes on as before":     4,
	"part of the configuration counts only after a restart": 5,
	"service failed":     6,
	"service not set up": 7,

	"job not running":                                          20,
	"instance will be released":                                21,
	"source is another directory now":                          22,
	"another agent writes below this prefix":                   23,
	"not known whether another agent writes below this prefix": 24,
	"lease not renewed":                                        25,
	"job begins again, for the index was made anew":            26,
	"bucket cannot be listed to restore the index: files are compared one by one, and deletions wait": 27,

	"no control socket: status, wait and the like cannot reach this agent": 40,
	"control socket failed":          41,
	"control socket is elsewhere":    42,
	"stranger at the control socket": 43,
	"status page not made":           44,
	"metrics and status are open to other machines, without a password": 45,
	"systemd not notified":                     46,
	"no sign of life, the watchdog is not fed": 47,

	"cached credential dropped":     60,
	"cached credential not removed": 61,
	"clock is wrong":                62,
	"credential not cached":         63,
	"role changed":                  64,
	"role detached":                 65,
	"key and token of different credentials in one request": 66,

	"events lost, the tree is scanned again":   80,
	"directories not read":                     81,
	"no directory for the watcher's own files": 82,
	"inotify not closed":                       83,
	"too few inotify watches, the other directories are looked at once a minute": 84,

	"index cannot be written, trying again":       100,
	"index is damaged, making it anew":            101,
	"file makes no sense to SQLite":               102,
	"index cannot be mended":                      103,
	"index holds a damaged row, which is dropped": 104,
	"index not checked":                           105,
	"index was made anew, the old one is set aside; deletions wait until all is verified": 106,
	"log of the index cannot be emptied, something reads it all the time":                 107,
	"index was rebuilt":        108,
	"no snapshot of the index": 109,

	"job held up":              28,
	"not uploaded":             122,
	"not uploaded, will retry": 123,
	"unfinished uploads not aborted, will try again": 124,
	"object damaged on its way, sending it again":    120,
	"part damaged on its way, sending it again":      121,

	"cannot find out what is to be done, trying again": 125,
}

// The ids of what the table above does not name.
const (
	otherInfo    = 900
	otherWarning = 901
	otherError   = 902
)

// EventID returns the id of a log line in the event log.
func EventID(message string, level slog.Level) uint32 {
	switch id := events[message]; {
	case id != 0:
		return id
	case level >= slog.LevelError:
		return otherError
	case level >= slog.LevelWarn:
		return otherWarning
	}
	return otherInfo
}

// isNews says whether the event log takes a line: warnings, errors, and the
// lines of other levels that have an id of their own.
func isNews(message string, level slog.Level) bool {
	return level >= slog.LevelWarn || level >= slog.LevelInfo && events[message] != 0
}
