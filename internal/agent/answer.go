package agent

import "time"

// A Receipt says what a wait has found.
type Receipt struct {
	Jobs []JobReceipt `json:"jobs"` // in the order of the configuration
}

// A JobReceipt is what a wait has found of one job.
type JobReceipt struct {
	Job string `json:"job"`

	// Done means that every change made before the wait is verified in OSS, or
	// is of a file in Failed, or is a deletion in Held.
	Done bool `json:"done"`

	Sequence    uint64          `json:"sequence"`     // number of the newest change that was waited for; never less than before while the agent lives
	Files       int64           `json:"files"`        // in the index now
	Bytes       int64           `json:"bytes"`        // sum of their sizes
	LastKey     string          `json:"last_key"`     // of the object verified last since the agent started
	Pending     int64           `json:"pending"`      // files about which something may have to be done
	Failed      []FailureStatus `json:"failed"`       // at most 1,000, by path
	FailedFiles int64           `json:"failed_files"` // how many there are
	Held        int64           `json:"held"`         // deletions that wait for approval
	Paused      string          `json:"paused"`       // why the job is paused, "" if it is not
	Error       string          `json:"error"`        // why the job does not run or gets no further, "" if it does
	TimedOut    bool            `json:"timed_out"`    // the time was up before it was done
}

// An Explanation is the story of one file.
type Explanation struct {
	Path     string        `json:"path"`      // as it was asked for
	Job      string        `json:"job"`       // that covers it; "" if none does
	Also     []string      `json:"also"`      // other jobs that cover it
	Reason   string        `json:"reason"`    // why there is no Job, or why the job does not run; else ""
	Taken    bool          `json:"taken"`     // by the filter, size included if the file is there
	Rule     string        `json:"rule"`      // that decided; "" for none
	Key      string        `json:"key"`       // of its object, as it is or would be named; "" if there can be none
	KeyError string        `json:"key_error"` // why there can be none
	Disk     DiskStory     `json:"disk"`
	Index    *IndexStory   `json:"index"`   // nil: the index does not hold it
	Pending  *PendingStory `json:"pending"` // nil: nothing has to be done
	Failure  *FailureStory `json:"failure"` // nil: the last attempt did not fail
	Upload   *UploadStory  `json:"upload"`  // unfinished multipart upload, nil: none
}

// A DiskStory is what is at a path on disk.
type DiskStory struct {
	Exists bool       `json:"exists"` // as a regular file that can be taken
	Size   int64      `json:"size"`
	MTime  *time.Time `json:"mtime"` // UTC
	Error  string     `json:"error"` // why there is no such file, or why it cannot be looked at
}

// An IndexStory is what the index holds of a file.
type IndexStory struct {
	Key      string     `json:"key"`
	Size     int64      `json:"size"`
	MTime    time.Time  `json:"mtime"` // UTC
	CRC64    string     `json:"crc64"` // ECMA, decimal, as OSS writes it
	ETag     string     `json:"etag"`
	Recorded *time.Time `json:"recorded"` // UTC, when OSS confirmed it; nil: not known
	Assumed  bool       `json:"assumed"`  // from a listing, or doubted by verify, and not yet compared with the file
}

// A PendingStory is what a file waits for.
type PendingStory struct {
	Doing        string  `json:"doing"`         // "waiting", "in line", "in flight" or "held"
	SinceSeconds float64 `json:"since_seconds"` // how long
	NextSeconds  float64 `json:"next_seconds"`  // until it is looked at
}

// A FailureStory is why the last attempt failed.
type FailureStory struct {
	Error     string     `json:"error"`
	Attempts  int        `json:"attempts"` // since the last success
	Since     time.Time  `json:"since"`    // UTC, first of them
	NextTry   *time.Time `json:"next_try"` // UTC; nil: when the file changes or at the next scan
	RequestID string     `json:"request_id"`
}

// An UploadStory is a multipart upload that is not finished.
type UploadStory struct {
	ID       string    `json:"id"`
	Key      string    `json:"key"`
	Began    time.Time `json:"began"` // UTC
	Size     int64     `json:"size"`  // of the file
	PartSize int64     `json:"part_size"`
	Parts    int       `json:"parts"` // that are there
	Bytes    int64     `json:"bytes"` // in them
}

// Reloaded says what a reload has done: names of jobs, and the keys that count
// only after a restart of the agent.
type Reloaded struct {
	Started     []string `json:"started"`
	Restarted   []string `json:"restarted"`
	Stopped     []string `json:"stopped"`
	Unchanged   []string `json:"unchanged"`
	NeedRestart []string `json:"need_restart"`
}
