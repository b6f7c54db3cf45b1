package config

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

const (
	exampleFile = "../../config.example.toml"
	manual      = "../../docs/configuration.md"
	manualZh    = "../../docs/configuration.zh-CN.md"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestExampleFile(t *testing.T) {
	want := example("/var/log/app")
	if *update {
		rewrite(t, exampleFile, want)
	}
	if diff := cmp.Diff(want, read(t, exampleFile)); diff != "" {
		t.Errorf("config.example.toml is not what the code says; go test ./internal/config -update: %s", diff)
	}
}

// What the example shows behind a # are the defaults, and it shows every key.
func TestExampleShowsDefaults(t *testing.T) {
	want := Default()
	want.OSS.Bucket = "my-bucket"
	j := DefaultJob()
	j.Name, j.Source, j.Bucket, j.Prefix = "app-logs", exampleSource, "my-bucket", "logs/{instance_id}/"
	want.Jobs = []Job{j}

	uncommented := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(Example(), "$1")
	for name, text := range map[string]string{"as it is": Example(), "uncommented": uncommented} {
		if c := mustLoad(t, "-- osssync.toml --\n"+text); !same(*c, want) {
			t.Errorf("the example %s gives\n%+v\nwant\n%+v", name, *c, want)
		}
	}

	var tree map[string]any
	if _, err := toml.Decode(uncommented, &tree); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		table, ok := tree[s.name].(map[string]any)
		if !ok {
			table = tree[s.name].([]map[string]any)[0]
		}
		for _, k := range s.keys {
			if _, ok := table[k.name]; !ok {
				t.Errorf("the example has no %s.%s", s.name, k.name)
			}
		}
		if len(table) != len(s.keys) {
			t.Errorf("the example has %d keys below %s, want %d", len(table), s.name, len(s.keys))
		}
	}
}

// Every key has what the manual and the example say of it, and its default
// passes its own check.
func TestKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sections {
		for _, k := range s.keys {
			name := s.name + "." + k.name
			if seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
			if k.why == "" || strings.ContainsAny(k.why, "\n|") || strings.HasSuffix(k.why, ".") {
				t.Errorf("%s: %q is no line of why", name, k.why)
			}
			var c Config
			var j Job
			field := k.field(&c, &j)
			if faults := k.set(field, k.def); faults != nil && !k.mandatory() {
				t.Errorf("%s: its default is refused: %v", name, faults[0].err)
			}
			for _, v := range k.oneOf {
				if faults := k.set(field, v); faults != nil {
					t.Errorf("%s: %q is refused: %v", name, v, faults[0].err)
				}
			}
		}
	}
}

// Every field has a key of its own.
func TestKeysAndFields(t *testing.T) {
	var c Config
	var j Job
	structs := map[string]reflect.Type{
		"oss": reflect.TypeOf(c.OSS), "credentials": reflect.TypeOf(c.Credentials), "agent": reflect.TypeOf(c.Agent), jobSection: reflect.TypeOf(j),
	}
	fields := map[any]string{}
	for _, s := range sections {
		if got, want := len(s.keys), structs[s.name].NumField(); got != want {
			t.Errorf("%s has %d keys for %d fields", s.name, got, want)
		}
		for _, k := range s.keys {
			field := k.field(&c, &j)
			if other, ok := fields[field]; ok {
				t.Errorf("%s.%s and %s are kept in the same field", s.name, k.name, other)
			}
			fields[field] = s.name + "." + k.name
		}
	}
}

func TestSchema(t *testing.T) {
	type table struct {
		Type                 string
		AdditionalProperties *bool
		Required             []string
		Properties           map[string]map[string]any
		Items                *table
	}
	var schema struct {
		Schema     string `json:"$schema"`
		Properties map[string]*table
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, s := range sections {
		got := schema.Properties[s.name]
		if s.name == jobSection {
			if got.Type != "array" || cmp.Diff([]string{"name", "source"}, got.Items.Required) != "" {
				t.Errorf("job: %+v", got)
			}
			got = got.Items
		}
		if got.Type != "object" || got.AdditionalProperties == nil || *got.AdditionalProperties || len(got.Properties) != len(s.keys) {
			t.Errorf("%s: %+v", s.name, got)
		}
		for _, k := range s.keys {
			p := got.Properties[k.name]
			if p["description"] != k.why || p["type"] == nil || (p["default"] == nil) != k.mandatory() {
				t.Errorf("%s.%s: %v", s.name, k.name, p)
			}
			checkPattern(t, k, p)
		}
	}
}

// checkPattern checks that the schema takes the key's own default.
func checkPattern(t *testing.T, k key, p map[string]any) {
	t.Helper()
	pattern, _ := p["pattern"].(string)
	def, _ := k.def.(string)
	if pattern != "" && !regexp.MustCompile(pattern).MatchString(def) {
		t.Errorf("%s: the schema's pattern %s refuses the default %q", k.name, pattern, def)
	}
	for _, good := range map[string][]string{
		"max_wait": {"0", "1h30m", "1d12h", "1.5h", "7d", "250ms"}, "min_size": {"", "1", "1.5GB", "10MiB", "10 MiB", "1B"}, "max_deletes": {"0", "2.5%"},
	}[k.name] {
		if !regexp.MustCompile(pattern).MatchString(good) {
			t.Errorf("%s: the schema's pattern %s refuses %q", k.name, pattern, good)
		}
	}
	for _, bad := range map[string][]string{
		"max_wait": {"", "1", "1w", "-1s", "5"}, "min_size": {"x", "1Mb", "-1", "MiB"}, "max_deletes": {"", "x", "-1"},
	}[k.name] {
		if regexp.MustCompile(pattern).MatchString(bad) {
			t.Errorf("%s: the schema's pattern %s takes %q", k.name, pattern, bad)
		}
	}
}

// The tables of the manual are made from the keys.
func TestManual(t *testing.T) {
	text := read(t, manual)
	for _, s := range sections {
		var b strings.Builder
		b.WriteString("| key | default | meaning |\n|---|---|---|\n")
		for _, k := range s.keys {
			b.WriteString("| " + cells(k) + " | " + escape(k.note()) + " |\n")
		}
		begin, end := "<!-- keys of "+s.name+" -->\n", "<!-- end -->\n"
		before, after, ok := strings.Cut(text, begin)
		got, rest, okEnd := strings.Cut(after, end)
		if !ok || !okEnd {
			t.Fatalf("%s has no table between %s and %s", manual, begin, end)
		}
		if *update {
			text = before + begin + b.String() + end + rest
		} else if diff := cmp.Diff(b.String(), got); diff != "" {
			t.Errorf("the keys of %s are not what the code says; go test ./internal/config -update: %s", s.name, diff)
		}
	}
	if *update {
		rewrite(t, manual, text)
	}
}

// The Chinese manual names the same keys in the same order, with the same
// defaults.
func TestManualZh(t *testing.T) {
	var want, got []string
	for _, s := range sections {
		for _, k := range s.keys {
			want = append(want, cells(k))
		}
	}
	for line := range strings.Lines(read(t, manualZh)) {
		if cell := strings.SplitN(line, " | ", 3); len(cell) == 3 && strings.HasPrefix(line, "| `") {
			got = append(got, strings.TrimPrefix(cell[0], "| ")+" | "+cell[1])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// cells are the name and the default of a key in a table of the manual.
func cells(k key) string {
	if k.mandatory() {
		return "`" + k.name + "` | required"
	}
	return "`" + k.name + "` | `" + literal(k.def) + "`"
}

// escape keeps the manual's renderer from taking text for markup.
func escape(s string) string {
	return strings.NewReplacer("*", `\*`, "_", `\_`).Replace(s)
}

// Whatever the manual shows as a configuration is one.
func TestManualExamples(t *testing.T) {
	for _, name := range []string{manual, manualZh} {
		blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(read(t, name), -1)
		if len(blocks) < 3 {
			t.Errorf("%s has %d examples", name, len(blocks))
		}
		for _, b := range blocks {
			text := regexp.MustCompile(`"(move:)?(/[^"]*)"`).ReplaceAllString(b[1], "'$1@$2'")
			if _, err := Load(write(t, "-- osssync.toml --\n"+text)); err != nil {
				t.Errorf("%s: %v in:\n%s", name, err, b[1])
			}
		}
	}
}
