package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestLocate(t *testing.T) {
	tests := []struct {
		name, src string
		want      map[string]string // "line:column" by path; ~ stands for a dot in a name
	}{
		{"plain", "a = 1\nb = 2", map[string]string{"a": "1:1", "b": "2:1"}},
		{"CRLF", "a = 1\r\n  b = 2\r\n", map[string]string{"a": "1:1", "b": "2:3"}},
		{"characters, not bytes", "[t] # é\n\"é\".b = 1", map[string]string{"t": "1:2", "t.é": "2:1", "t.é.b": "2:5"}},
		{"dotted", "a.b . c = 1\na.d = 2", map[string]string{"a": "1:1", "a.b": "1:3", "a.b.c": "1:7", "a.d": "2:3"}},
		{"table", "[ a . b ]\nc = 1\n[a]\nd = 2", map[string]string{"a": "1:3", "a.b": "1:7", "a.b.c": "2:1", "a.d": "4:1"}},
		{"array of tables", "[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3\n[[a.e]]\nf = 1\n[[ a . e ]]\nf = 2",
			map[string]string{
				"a": "1:3", "a.0": "1:3", "a.0.b": "2:1", "a.1": "3:3", "a.1.b": "4:1", "a.1.c": "5:4", "a.1.c.d": "6:1",
				"a.1.e": "7:5", "a.1.e.0": "7:5", "a.1.e.0.f": "8:1", "a.1.e.1": "9:8", "a.1.e.1.f": "10:1",
			}},
		{"sub-arrays start again", "[[a]]\n[[a.b]]\n[[a]]\n[[a.b]]\nc = 1",
			map[string]string{"a.0.b.0": "2:5", "a.1.b.0": "4:5", "a.1.b.0.c": "5:1"}},
		{"inline table", "a = { b = 1, c.d = { e = \"}\" } , f = [ 1,2 ] }\ng = 1",
			map[string]string{"a.b": "1:7", "a.c.d.e": "1:22", "a.f": "1:34", "a.f.0": "1:40", "a.f.1": "1:42", "g": "2:1"}},
		{"array", "a = [ # ]\n [ 1 ], # [\n \"]\", ]\nb = 1",
			map[string]string{"a.0": "2:2", "a.0.0": "2:4", "a.1": "3:2", "b": "4:1"}},
		{"strings", `a = "\"]#" # x` + "\n" + `b = '\'` + "\n" + `c = """` + "\n[x]\ny = \\\"\"\" \"\"\\\\\"\"\"\"\"\nd = '''\n''q\n'''''\ne = 1",
			map[string]string{"a": "1:1", "b": "2:1", "c": "3:1", "d": "6:1", "e": "9:1"}},
		{"empty strings", "a = \"\"\nb = ''\nc = \"\"\"\"\"\"\nd = ''''''\ne = 1", map[string]string{"c": "3:1", "d": "4:1", "e": "5:1"}},
		{"quoted keys", `"a.b" = 1` + "\n" + `'c"' = 2` + "\n" + `"\u0064\"" . "" = 3`,
			map[string]string{"a~b": "1:1", `c"`: "2:1", `d"`: "3:1", `d".`: "3:14"}},
		{"keys like numbers", "1 = 1\n[[2.3]]\n4.5 = 1", map[string]string{"1": "1:1", "2": "2:3", "2.3": "2:5", "2.3.0.4.5": "3:3"}},
		{"values", "a = 1979-05-27 07:32:00 # x\nb = +1_000\nc = inf\nd = 0xbeef\ne=true", map[string]string{"b": "2:1", "e": "5:1"}},
		{"no newline at the end", "a = [\n1,\n2]", map[string]string{"a.1": "3:1"}},
		{"only a comment", "# a = 1", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tree map[string]any
			if _, err := toml.Decode(tt.src, &tree); err != nil {
				t.Fatalf("not TOML: %v", err)
			}
			f := file{path: "f", text: newText(tt.src), at: locate(tt.src)}
			for path, want := range tt.want {
				var p place
				for _, name := range strings.Split(path, ".") {
					p = p.join(strings.ReplaceAll(name, "~", "."))
				}
				if _, ok := f.at[p]; !ok {
					t.Errorf("%s not found among %q", path, slices.Sorted(maps.Keys(f.at)))
					continue
				}
				o := f.origin(p)
				if got := strings.TrimPrefix(o.String(), "f:") + ":" + column(o); got != want {
					t.Errorf("%s at %s, want %s", path, got, want)
				}
			}
			checkPlaces(t, tt.src, f.at, "", tree)
		})
	}
}

func column(o Origin) string { return strconv.Itoa(o.Column) }

// checkPlaces checks that every key of the tree was found at a place where that
// key is written, and every element.
func checkPlaces(t *testing.T, src string, at map[place]int, p place, tree any) {
	t.Helper()
	switch v := tree.(type) {
	case map[string]any:
		for name, e := range v {
			if strings.Contains(name, "\x00") {
				continue // a NUL separates the parts of a place
			}
			checkKey(t, src, at, p.join(name), name)
			checkPlaces(t, src, at, p.join(name), e)
		}
	case []map[string]any:
		for i, e := range v {
			checkPlaces(t, src, at, p.index(i), e)
		}
	case []any:
		for i, e := range v {
			if _, ok := at[p.index(i)]; !ok {
				t.Errorf("element %q of %q not found", p.index(i), src)
			}
			checkPlaces(t, src, at, p.index(i), e)
		}
	}
}

func checkKey(t *testing.T, src string, at map[place]int, p place, name string) {
	t.Helper()
	offset, ok := at[p]
	if !ok {
		t.Errorf("key %q of %q not found", p, src)
		return
	}
	if rest := src[offset:]; !strings.HasPrefix(rest, name) && !strings.HasPrefix(rest, `"`) && !strings.HasPrefix(rest, "'") {
		t.Errorf("key %q of %q found at %q", p, src, rest)
	}
}

func FuzzLocate(f *testing.F) {
	for _, src := range []string{
		"a.b = [1, {c = '''x'''}]\n[[d]]\ne = \"\\\"\"\n[d.f]\n", "[a]\nb = \"\"\"\"\"\"\"\n", "a = [[[]]]\r\n# [x]\nb={}\n",
		"[[a]]\n[[a.b]]\n[a.b.c]\nd=1\n[[a]]\n", "\"\\u00e9\" = 1979-05-27 07:32:00", "a = 'x' # '\nb = inf", Example(),
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		var tree map[string]any
		if _, err := toml.Decode(src, &tree); err != nil || strings.HasPrefix(src, "\ufeff") || strings.HasPrefix(src, "\xff\xfe") || strings.HasPrefix(src, "\xfe\xff") {
			locate(src) // must end, whatever it is given
			return
		}
		checkPlaces(t, src, locate(src), "", tree)
	})
}

func FuzzLoad(f *testing.F) {
	for _, src := range []string{
		Example(), "", "[oss]\nbucket = 1", "[[job]]\nname='a'\nsource='/a'\nbucket='abc'\nprefix='{date:2006}'", "job = [{}, 1]",
		"[agent]\nbandwidth='Mon 08:00,1MiB'\nmemory=5\nrescan='1d'", "a = {access_key_id = 'LTAI5tExampleExampleExa'}",
		"[oss]\nendpoint='http://u:p@h'\n[credentials]\nsession_policy='{}'", "[[job]]\nfilter=['+ x',1]\ntags={a='b'}\nmax_deletes='10%'",
		"x = 99999999999999999999", "[a]]", "\"\x00\" = 1",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		c, err := Load(write(t, "-- osssync.toml --\n"+strings.ReplaceAll(src, "\n-- ", "\n--")))
		if (c == nil) == (err == nil) {
			t.Fatalf("Load = %v, %v", c, err)
		}
		if err != nil {
			checkErrors(t, err)
			return
		}
		checkRoundTrip(t, c)
	})
}

// checkErrors checks that each mistake is an *Error with a place.
func checkErrors(t *testing.T, err error) {
	t.Helper()
	all := Mistakes(err)
	if len(all) == 0 {
		t.Errorf("%v has no mistakes", err)
	}
	for _, e := range all {
		if e.File == "" || e.Line < 1 || e.Column < 1 {
			t.Errorf("%v has no place", e)
		}
		if e.Err == nil || strings.ContainsAny(e.Error(), "\n\x1b") {
			t.Errorf("%q is not one line of text", e.Error())
		}
	}
}

// checkRoundTrip checks that a configuration written from its settings is the
// same configuration.
func checkRoundTrip(t *testing.T, c *Config) {
	t.Helper()
	var b strings.Builder
	last := ""
	for _, s := range c.Settings() {
		if s.Section != last || s.Section == jobSection && s.Key == jobKeys[0].name {
			b.WriteString(header(s.Section) + "\n")
			last = s.Section
		}
		b.WriteString(s.Key + " = " + s.Value + "\n")
	}
	again, err := Load(write(t, "-- osssync.toml --\n"+b.String()))
	if err != nil {
		t.Fatalf("settings are not a configuration: %v\n%s", err, b.String())
	}
	if !same(*again, *c) {
		t.Errorf("from its settings:\n%+v\nwant\n%+v", *again, *c)
	}
}
