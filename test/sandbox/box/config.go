package box

import (
	"bytes"
	"maps"
	"path/filepath"

	"github.com/BurntSushi/toml"
)

// A Job is one [[job]] of a configuration, by its keys. It needs at least
// "name" and "source".
type Job map[string]any

// Config returns a configuration of osssync, in TOML, that works with the box:
// its servers, its bucket, and a state directory below Dir. Without jobs it is
// good for the commands that need none.
func (b *Box) Config(jobs ...Job) string {
	return b.ConfigWith(nil, jobs...)
}

// ConfigWith is Config with more keys, by table, which also take the place of
// those that Config sets.
func (b *Box) ConfigWith(more map[string]map[string]any, jobs ...Job) string {
	tables := map[string]map[string]any{
		"oss": {
			"bucket":     b.Bucket,
			"region":     b.Region,
			"endpoint":   b.OSSEndpoint,
			"path_style": true,
		},
		"credentials": {
			"metadata_endpoint": b.MetadataEndpoint,
			"sts_endpoint":      b.STSEndpoint,
		},
		"agent": {
			"state_dir": filepath.Join(b.Dir, "state"),
		},
	}
	doc := map[string]any{}
	for name, table := range tables {
		doc[name] = table
	}
	for name, table := range more {
		if tables[name] == nil {
			tables[name] = map[string]any{}
		}
		maps.Copy(tables[name], table)
		doc[name] = tables[name]
	}
	if len(jobs) > 0 {
		doc["job"] = jobs
	}
	var buf bytes.Buffer
	enc := toml.NewEncoder(&buf)
	enc.Indent = ""
	if err := enc.Encode(doc); err != nil {
		panic("box: " + err.Error()) // a value of a type that TOML lacks
	}
	return buf.String()
}
