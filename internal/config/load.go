package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Load reads the file at path, then conf.d/*.toml beside it in the order of
// their names, and checks what they say together. Of a key that two files set,
// the later one counts; jobs add up. The error joins all mistakes, each an
// *[Error], in the order of files and lines; it matches fs.ErrNotExist when
// there is no file at path.
func Load(path string) (*Config, error) {
	l := loader{c: Default(), bad: map[string]bool{}}
	l.c.origins = map[string]Origin{}

	files, err := dropIns(path)
	if err != nil {
		l.broken(err)
	}
	for _, name := range append([]string{path}, files...) {
		l.m.files = append(l.m.files, name)
		f, err := readFile(name)
		if err != nil {
			l.broken(err)
			continue
		}
		l.file(f)
	}
	l.normalize()
	l.relations()
	if err := l.m.join(); err != nil {
		return nil, err
	}
	return &l.c, nil
}

// A loader builds a Config from files.
type loader struct {
	c       Config
	m       mistakes
	bad     map[string]bool // by origin key: has a mistake, so that no other check makes sense
	partial bool            // a file could not be read: what is missing may be in it
}

func (l *loader) broken(err error) {
	if e, ok := errors.AsType[*Error](err); ok {
		l.m.all = append(l.m.all, e)
		l.partial = true
	}
}

func (l *loader) file(f *file) {
	f.refuse(&l.m, "", "", f.tree)
	for name, v := range f.tree {
		p := place("").join(name)
		s := findSection(name)
		switch {
		case s == nil:
			l.m.add(f.origin(p), dotted("", name), unknownSection(name), "")
		case name == jobSection:
			l.jobs(f, s, p, v)
		default:
			t, ok := v.(map[string]any)
			if !ok {
				l.m.add(f.origin(p), name, wrongType("a table: ["+name+"]", v), "")
				continue
			}
			l.table(f, s, p, t, name, nil)
		}
	}
}

func (l *loader) jobs(f *file, s *section, p place, v any) {
	var tables []any
	switch t := v.(type) {
	case []map[string]any:
		for _, e := range t {
			tables = append(tables, e)
		}
	case []any:
		tables = t
	default:
		l.m.add(f.origin(p), s.name, wrongType("a list of tables: [["+s.name+"]]", v), "")
		return
	}
	for i, e := range tables {
		at := p.index(i)
		t, ok := e.(map[string]any)
		if !ok {
			l.m.add(f.origin(at), s.name, wrongType("a table: [["+s.name+"]]", e), "")
			continue
		}
		id, j := jobID(len(l.c.Jobs)), DefaultJob()
		l.c.origins[id] = f.origin(at)
		l.table(f, s, at, t, id, &j)
		l.c.Jobs = append(l.c.Jobs, j)
		for _, k := range s.keys {
			if _, written := f.at[at.join(k.name)]; k.mandatory() && !written {
				l.m.add(f.origin(at), s.name+"."+k.name, errors.New("required"), "")
				l.bad[id+"."+k.name] = true
			}
		}
	}
}

func jobID(i int) string { return jobSection + "[" + strconv.Itoa(i) + "]" }

// table sets the keys of one table; id is what origins call it.
func (l *loader) table(f *file, s *section, p place, t map[string]any, id string, j *Job) {
	for name, raw := range t {
		at := p.join(name)
		k := s.find(name)
		if k == nil {
			l.m.add(f.origin(at), dotted(s.name, name), unknownKey(s, name), "")
			continue
		}
		origin := id + "." + name
		l.c.origins[origin] = f.origin(at)
		if list, ok := raw.([]any); ok {
			for i := range list {
				l.c.origins[origin+"["+strconv.Itoa(i)+"]"] = f.origin(at.index(i))
			}
		}
		faults := k.set(k.field(&l.c, j), raw)
		l.bad[origin] = faults != nil
		for _, fault := range faults {
			l.m.add(f.origin(at.join(fault.at...)), s.name+"."+name, fault.err, "")
		}
	}
}

func unknownSection(name string) error {
	var known []string
	for _, s := range sections {
		known = append(known, s.name)
	}
	if best := likely(name, known); best != "" {
		return fmt.Errorf("unknown table; did you mean %s?", header(best))
	}
	return elsewhere(name)
}

func unknownKey(s *section, name string) error {
	if best := likely(name, s.names()); best != "" {
		return fmt.Errorf("unknown key; did you mean %q?", best)
	}
	return elsewhere(name)
}

// elsewhere says what is wrong with a key that is not known where it stands.
func elsewhere(name string) error {
	for _, s := range sections {
		if s.find(name) != nil {
			return fmt.Errorf("unknown key; it belongs below %s", header(s.name))
		}
	}
	for _, s := range sections {
		if best := likely(name, s.names()); best != "" {
			return fmt.Errorf("unknown key; did you mean %q below %s?", best, header(s.name))
		}
	}
	return errors.New("unknown key")
}

// header returns the line that opens a section.
func header(name string) string {
	if name == jobSection {
		return "[[" + name + "]]"
	}
	return "[" + name + "]"
}

// normalize gives values that can be written in several ways the one that the
// rest of the program knows.
func (l *loader) normalize() {
	c := &l.c
	for _, e := range []*string{&c.OSS.Endpoint, &c.Credentials.STSEndpoint, &c.Credentials.MetadataEndpoint} {
		*e = strings.TrimRight(completeEndpoint(*e), "/")
	}
	if c.Agent.StateDir != "" {
		c.Agent.StateDir = filepath.Clean(c.Agent.StateDir)
	}
	for i := range c.Jobs {
		j := &c.Jobs[i]
		if j.Source != "" {
			j.Source = filepath.Clean(j.Source)
		}
		if j.Bucket == "" && c.OSS.Bucket != "" {
			j.Bucket = c.OSS.Bucket
			c.origins[jobID(i)+".bucket"] = c.origins["oss.bucket"]
		}
	}
}
