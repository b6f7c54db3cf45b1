package config

import (
	"strconv"
)

// An Origin is where a value came from. The zero Origin is the default.
type Origin struct {
	File   string
	Line   int // from 1
	Column int // in characters, from 1
}

// String returns "FILE:LINE" or "default".
func (o Origin) String() string {
	if o.File == "" {
		return "default"
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// A Setting is the effective value of one key.
type Setting struct {
	Section string // "oss", "credentials", "agent" or "job"
	Job     string // name of the job, "" elsewhere
	Key     string // such as "settle"
	Value   string // as TOML
	Origin  Origin
}

// Settings returns the value of every key, and of every key of every job, in
// the order of the manual.
func (c *Config) Settings() []Setting {
	var all []Setting
	for _, s := range sections {
		if s.name != jobSection {
			all = append(all, c.settings(s, s.name, nil)...)
			continue
		}
		for i := range c.Jobs {
			all = append(all, c.settings(s, jobID(i), &c.Jobs[i])...)
		}
	}
	return all
}

func (c *Config) settings(s section, id string, j *Job) []Setting {
	var all []Setting
	for _, k := range s.keys {
		one := Setting{Section: s.name, Key: k.name, Value: literal(k.field(c, j)), Origin: c.origins[id+"."+k.name]}
		if j != nil {
			one.Job = j.Name
		}
		all = append(all, one)
	}
	return all
}

// Mistake makes an *[Error] of what is wrong with a key of c.Jobs[job], for
// checks that other packages do. key may name an element: "filter[2]".
func (c *Config) Mistake(job int, key string, err error) *Error {
	at := c.jobOrigin(job, key)
	return &Error{File: at.File, Line: at.Line, Column: at.Column, Key: jobSection + "." + key, Err: err}
}

// jobOrigin returns where a key of a job was set, or else where the job begins.
func (c *Config) jobOrigin(job int, key string) Origin {
	if o, ok := c.origins[jobID(job)+"."+key]; ok {
		return o
	}
	return c.origins[jobID(job)]
}
