package config

// A Table is one table of the file as a manual tells of it.
type Table struct {
	Name   string // such as "job"
	Header string // as it is written: "[oss]", "[[job]]"
	Why    string // one sentence
	Keys   []TableKey
}

// A TableKey is one key of a Table.
type TableKey struct {
	Name    string
	Default string // as TOML; "" where a file must set the key
	Meaning string // one line; begins with the values where only some are allowed
}

// Describe returns all that the file can hold, in the order in which people
// read of it. It is the same on every platform.
func Describe() []Table {
	tables := make([]Table, len(sections))
	for i, s := range sections {
		tables[i] = Table{Name: s.name, Header: header(s.name), Why: s.why}
		for _, k := range s.keys {
			one := TableKey{Name: k.name, Meaning: k.note()}
			if !k.mandatory() {
				one.Default = literal(k.def)
			}
			tables[i].Keys = append(tables[i].Keys, one)
		}
	}
	return tables
}
