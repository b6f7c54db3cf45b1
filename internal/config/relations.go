package config

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
)

// relations checks what values mean to each other. A value that has a mistake
// of its own is left out.
func (l *loader) relations() {
	l.transport()
	l.chain()
	for i := range l.c.Jobs {
		l.sizes(i)
		l.bucket(i)
		l.afterUpload(i)
		l.stateDir(i)
		l.name(i)
		l.destination(i)
		l.trash(i)
	}
}

// good reports whether none of these keys of job i has a mistake.
func (l *loader) good(i int, keys ...string) bool {
	for _, k := range keys {
		if l.bad[jobID(i)+"."+k] {
			return false
		}
	}
	return true
}

// fault reports a mistake in key of job i: where the key is, or else where the
// job begins.
func (l *loader) fault(i int, key string, err error) {
	l.m.add(l.c.jobOrigin(i, key), jobSection+"."+key, err, "")
}

func (l *loader) transport() {
	const key = "oss.endpoint"
	u, err := url.Parse(l.c.OSS.Endpoint)
	if l.bad[key] || l.bad["oss.allow_http"] || l.partial || err != nil {
		return
	}
	if u.Scheme == "http" && !l.c.OSS.AllowHTTP && !isLoopback(u.Hostname()) {
		l.m.add(l.c.origins[key], key, fmt.Errorf("%q: plain http would send the token in the clear; write https:// or set allow_http", l.c.OSS.Endpoint), "")
	}
}

func (l *loader) chain() {
	cr := l.c.Credentials
	if cr.AssumeRoleARN != "" || l.bad["credentials.assume_role_arn"] || l.partial {
		return
	}
	for key, value := range map[string]string{"external_id": cr.ExternalID, "session_policy": cr.SessionPolicy} {
		if key = "credentials." + key; value != "" && !l.bad[key] {
			l.m.add(l.c.origins[key], key, errors.New("means nothing without assume_role_arn"), "")
		}
	}
}

func (l *loader) sizes(i int) {
	j := l.c.Jobs[i]
	if j.MaxSize > 0 && j.MinSize > j.MaxSize && l.good(i, "min_size", "max_size") {
		l.fault(i, "min_size", fmt.Errorf("%s is more than max_size, %s: no file would be taken", j.MinSize, j.MaxSize))
	}
	if j.MaxWait > 0 && j.MaxWait < j.Settle && l.good(i, "settle", "max_wait") {
		l.fault(i, "max_wait", fmt.Errorf("%s is less than settle, %s", j.MaxWait, j.Settle))
	}
}

func (l *loader) bucket(i int) {
	if l.c.Jobs[i].Bucket == "" && l.good(i, "bucket") && !l.bad["oss.bucket"] && !l.partial {
		l.fault(i, "bucket", errors.New("required, here or in [oss]"))
	}
}

func (l *loader) afterUpload(i int) {
	j := l.c.Jobs[i]
	if !l.good(i, "after_upload") || j.AfterUpload == "keep" {
		return
	}
	if j.Deletes != "keep" && l.good(i, "deletes") {
		l.fault(i, "after_upload", fmt.Errorf("with deletes = %q each object would go when its file does; write deletes = \"keep\"", j.Deletes))
	}
	dir, ok := strings.CutPrefix(j.AfterUpload, movePrefix)
	if ok && j.Source != "" && l.good(i, "source") && within(filepath.Clean(dir), j.Source) {
		l.fault(i, "after_upload", fmt.Errorf("%s is inside source %s, and what is moved there would be taken again", dir, j.Source))
	}
}

func (l *loader) stateDir(i int) {
	j, dir := l.c.Jobs[i], filepath.Clean(l.c.StateDir())
	if j.Source == "" || !l.good(i, "source") || l.bad["agent.state_dir"] || l.partial {
		return
	}
	if within(dir, j.Source) {
		l.fault(i, "source", fmt.Errorf("%s holds the state directory %s, which changes with every upload and must never be synced", j.Source, dir))
	}
}

// name checks that no earlier job has the name of job i.
func (l *loader) name(i int) {
	name := l.c.Jobs[i].Name
	for e := range i {
		if l.c.Jobs[e].Name == name && name != "" && l.good(e, "name") && l.good(i, "name") {
			l.fault(i, "name", fmt.Errorf("%q is the name of the job at %s too", name, l.c.jobOrigin(e, "name")))
			return
		}
	}
}

// destination checks that no earlier job sends files of job i's source to the
// same place, and that nobody deletes where others send files to.
func (l *loader) destination(i int) {
	j := l.c.Jobs[i]
	if j.Source == "" || !l.good(i, "source", "bucket", "prefix", "name") {
		return
	}
	for e := range i {
		other := l.c.Jobs[e]
		if other.Bucket != j.Bucket || keyPrefix(other) != keyPrefix(j) || other.Source == "" || !l.good(e, "source", "bucket", "prefix", "name") {
			continue
		}
		if how := overlap(j.Source, other.Source); how != "" {
			l.fault(i, "source", fmt.Errorf("%s %s the source of the job at %s, with the same bucket and prefix; give one of them another prefix",
				j.Source, how, l.c.jobOrigin(e, "source")))
			return
		}
		if j.Deletes != "keep" || other.Deletes != "keep" {
			l.fault(i, "prefix", fmt.Errorf("%q is the prefix of the job at %s too, and one of them deletes: a file of both would lose its object when one is gone; give one of them another prefix",
				j.Prefix, l.c.jobOrigin(e, "prefix")))
			return
		}
	}
}

// keyPrefix returns the prefix of a job as far as it differs from those of others.
func keyPrefix(j Job) string { return strings.ReplaceAll(j.Prefix, "{job}", j.Name) }

// trash checks that no job sends files to where job i puts deleted ones.
func (l *loader) trash(i int) {
	j := l.c.Jobs[i]
	if j.Deletes != "trash" || !l.good(i, "deletes", "trash_prefix", "bucket") {
		return
	}
	for e, other := range l.c.Jobs {
		if other.Bucket == j.Bucket && l.good(e, "bucket", "prefix") && strings.HasPrefix(keyPrefix(other), j.TrashPrefix) {
			l.fault(i, "trash_prefix", fmt.Errorf("the prefix %q of the job at %s begins with %q, and deleted files would lie among living ones",
				other.Prefix, l.c.jobOrigin(e, "prefix"), j.TrashPrefix))
			return
		}
	}
}

// overlap says what a is to b, or "" when they have nothing in common.
func overlap(a, b string) string {
	switch inside, holds := within(a, b), within(b, a); {
	case inside && holds:
		return "is"
	case inside:
		return "is inside"
	case holds:
		return "holds"
	}
	return ""
}
