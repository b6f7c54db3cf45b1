package plan

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// What one pattern leaves out. The answers are those of git check-ignore 2.39
// for a .gitignore with this one line, but where noted. (It takes ? for a byte, and
// never looks into .git.)
var patternTests = []struct {
	pattern string
	out     string // paths that match, separated by spaces
	in      string // paths that do not
}{
	{"*.tmp", "a.tmp d/a.tmp .tmp d.tmp/x d/e.tmp/f/g", "a.tmp2 tmp a.tmpx/b"},
	{"a", "a d/a d/e/a a/x d/a/x/y", "b ab a.b d/ab"},
	{"/a", "a a/x a/x/y", "d/a d/a/x"},
	{"a/", "a/x d/a/x d/a/e/x", "a d/a"},
	{"/a/", "a/x a/d/x", "a d/a/x"},
	{"a/b", "a/b a/b/x", "d/a/b b a/x/b"},
	{"/a/b", "a/b a/b/x", "d/a/b"},
	{"a/b/", "a/b/x", "a/b d/a/b/x"},
	{"a/*", "a/x a/x/y", "a d/a/x"},
	{"a/*.c", "a/x.c a/.c a/x.c/y", "a/b/x.c x.c"},
	{"a/*/c", "a/b/c a/b/c/d", "a/c a/b/b/c"},
	{"a/**", "a/x a/x/y", "a d/a/x"},
	{"/a/**", "a/x", "a d/a/x"},
	{"a/**/b", "a/b a/x/b a/x/y/b a/b/c", "b a/xb d/a/b"},
	{"**/a", "a d/a d/e/a d/a/x", "ab d/ab"},
	{"**/a/b", "a/b d/a/b d/e/a/b/x", "a/x/b b"},
	{"**/a/", "a/x d/a/x", "a d/a"},
	{"**/a/**", "a/x d/a/x/y", "a d/a b/x"},
	{"**", "a d/a .x", ""},
	{"/**", "a d/a", ""},
	{"**/", "d/a d/e/a", "a"},
	{"*", "a d/a .x", ""},
	{"/*", "a d/a", ""},
	{"*/", "d/a", "a"},
	{"/*/", "d/a d/e/f", "a"},
	{"*/a", "d/a d/a/x", "a d/e/a"},
	{"*/*", "d/a d/e/f", "a"},
	{"?", "a 一 d/b x/yy", "ab xx/yy"},
	{"a?c", "abc d/a.c a?c", "ac a/c abbc"},
	{"a*c", "ac abc abbbc d/ac", "a/c acd"},
	{"a*b*c", "abc axbxc aabbcc", "acb ab/c"},
	{"[ab]", "a b d/a", "c ab"},
	{"[a-c]x", "ax cx", "dx Ax"},
	{"[!a]", "b d/b", "a ab"},
	{"[^a]", "b", "a"},
	{"x[!a]y", "xby", "xay x/y"},
	{"[!a-c]x", "dx", "bx"},
	{`\*`, "* d/*", "a"},
	{`\?`, "?", "a"},
	{`\[a]`, "[a]", "a"},
	{`a\*b`, "a*b", "axb"},
	{`\!a`, "!a d/!a", "a"},
	{`\#a`, "#a", "a"},
	{"{a,b}", "{a,b}", "a b"}, // no braces in gitignore
	{"*.{c,h}", "x.{c,h}", "x.c x.h"},
	{"a.b", "a.b", "axb ab"},
	{"a+b(c)|d$^", "a+b(c)|d$^", "aab"},
	{"日志", "日志/一 d/日志", "日"},
	{"*志", "日志", "志日"},
	{"?志", "日志", "日日志"},
	{".*", ".x d/.x .d/x", "x x.y"},
	{".git/", ".git/config d/.git/x", ".git .gitignore"},
	{"a**b", "ab axxb", "a/b"},   // git 2.39 lets it match a/b, its manual says no
	{"**b", "b ab d/xb", "bx"},   // likewise
	{"a/b**", "a/b a/bx", "a/x"}, // likewise
	{"***", "a d/a", ""},
	{"a/***/b", "a/b a/x/y/b", "b"},
	{"A", "A", "a"},
	{"node_modules/", "node_modules/x/y p/node_modules/z", "node_modules2/x"},
	{"/build/*.o", "build/a.o", "build/d/a.o a.o x/build/a.o"},
	{"logs/**/*.gz", "logs/a.gz logs/x/y/a.gz", "a.gz logs/a.log x/logs/a.gz"},
	{"a/b/**/c/d", "a/b/c/d a/b/x/y/c/d", "a/b/d a/c/d"},
	{"**/a/**/b", "a/b x/a/y/b", "b a"},
	{"a/**/**/b", "a/b a/x/b", "ab"},
	{"/a*/b?", "ax/bc a/bb", "x/ax/bc a/b"},
	{"-", "-", "a"},
}

func TestFilterPatterns(t *testing.T) {
	n := 0
	for _, tt := range patternTests {
		f, err := ParseFilter([]string{"- " + tt.pattern})
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for _, p := range strings.Fields(tt.out) {
			n++
			if taken, rule := f.Match(p, false); taken || rule != "- "+tt.pattern {
				t.Errorf("%q takes %q by %q", tt.pattern, p, rule)
			}
		}
		for _, p := range strings.Fields(tt.in) {
			n++
			if taken, rule := f.Match(p, false); !taken || rule != "" {
				t.Errorf("%q leaves out %q by %q", tt.pattern, p, rule)
			}
		}
	}
	if n < 200 {
		t.Errorf("only %d cases", n)
	}
}

func TestFilterSpaces(t *testing.T) {
	tests := []struct {
		rule, path string
		taken      bool
	}{
		{"- a b", "a b", false},
		{"- a  ", "a", false},
		{"- a  ", "a  ", true},
		{`- a\ `, "a ", false},
		{`- a\ `, "a", true},
		{`- \ a`, " a", false},
		{"- - a", "- a", false},
		{"- + a", "+ a", false},
	}
	for _, tt := range tests {
		f, err := ParseFilter([]string{tt.rule})
		if err != nil {
			t.Errorf("%q: %v", tt.rule, err)
		} else if taken, _ := f.Match(tt.path, false); taken != tt.taken {
			t.Errorf("%q on %q: taken %v", tt.rule, tt.path, taken)
		}
	}
}

func TestFilterRules(t *testing.T) {
	tests := []struct {
		rules string // separated by semicolons
		path  string
		taken bool
		rule  string
	}{
		{"", "a", true, ""},
		{"- *.tmp;- .git/;+ **", "a.tmp", false, "- *.tmp"},
		{"- *.tmp;- .git/;+ **", "x/.git/HEAD", false, "- .git/"},
		{"- *.tmp;- .git/;+ **", "x/y", true, "+ **"},
		{"+ a;- a", "a", true, "+ a"},
		{"- a;+ a", "a", false, "- a"},
		{"+ *.log;- *", "x/y.log", true, "+ *.log"},
		{"+ *.log;- *", "x/y.txt", false, "- *"},
		{"+ /src/;- *", "src/a/b", true, "+ /src/"},
		{"+ /src/;- *", "doc/src/b", false, "- *"},
		{"+ *.keep;- build/", "build/x.keep", true, "+ *.keep"},
		{"+ *.keep;- build/", "build/x", false, "- build/"},
		{"- build/;+ *.keep", "build/x.keep", false, "- build/"},
		{"+ /build/keep/;- /build/", "build/keep/x", true, "+ /build/keep/"},
		{"- *.o;+ /a/**;- /a/", "a/x.o", false, "- *.o"},
		{"- .osssync-x", "a/.osssync-1", false, "- .osssync-*"},
		{"+ **", ".osssync-wait", false, "- .osssync-*"},
		{"+ .osssync-*", "d/.osssync-tmp/x", false, "- .osssync-*"},
		{"+ **", "x.osssync-1", true, "+ **"},
	}
	for _, tt := range tests {
		f := mustFilter(t, tt.rules)
		if taken, rule := f.Match(tt.path, false); taken != tt.taken || rule != tt.rule {
			t.Errorf("%q on %q = %v, %q, want %v, %q", tt.rules, tt.path, taken, rule, tt.taken, tt.rule)
		}
	}
	for path, want := range map[string]bool{".osssync/lease": false, ".osssync/lease2": true, "a/.osssync/lease": true} {
		if taken, rule := mustFilter(t, "+ **").Match(path, false); taken != want || !taken && rule != ownLease {
			t.Errorf("Match(%q) = %v, %q", path, taken, rule)
		}
	}
	var zero Filter
	if taken, rule := zero.Match(".osssync-1", false); taken || rule != ownFiles {
		t.Errorf("the zero filter takes osssync's own files: %v, %q", taken, rule)
	}
}

func mustFilter(t testing.TB, rules string) *Filter {
	t.Helper()
	var list []string
	if rules != "" {
		list = strings.Split(rules, ";")
	}
	f, err := ParseFilter(list)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFilterSizes(t *testing.T) {
	f := mustFilter(t, "- *.tmp").WithSizes(10, 20)
	tests := []struct {
		path  string
		size  int64
		taken bool
		rule  string
	}{
		{"a", 9, false, "min_size 10"},
		{"a", 10, true, ""},
		{"a", 20, true, ""},
		{"a", 21, false, "max_size 20"},
		{"a.tmp", 15, false, "- *.tmp"},
	}
	for _, tt := range tests {
		if taken, rule := f.MatchFile(tt.path, tt.size); taken != tt.taken || rule != tt.rule {
			t.Errorf("%s of %d bytes: %v, %q", tt.path, tt.size, taken, rule)
		}
	}
	if taken, _ := f.WithSizes(0, 0).MatchFile("a", 0); !taken {
		t.Error("no bounds: an empty file is left out")
	}
}

func TestFilterExcludesDir(t *testing.T) {
	tests := []struct {
		rules, dir string
		want       bool
	}{
		{"", "a", false},
		{"- *", "", false},
		{"- *", "a", true},
		{"- *.tmp", "a", false},
		{"- *.tmp", "a.tmp", true},
		{"- a/", "a", true},
		{"- a/", "d/a", true},
		{"- a/", "a/b/c", true},
		{"- /a/", "d/a", false},
		{"- a/**", "a", true},
		{"- a/*", "a", true},
		{"- a/*", "b", false},
		{"- a/*/", "a", false},
		{"- a/*/", "a/b", true},
		{"+ a/;- *", "x", false},
		{"+ /a/;- *", "x", true},
		{"+ /a/;- *", "a", false},
		{"+ /a/b/;- *", "a", false},
		{"+ /a/b/;- *", "a/b", false},
		{"+ /a/b/;- *", "a/c", true},
		{"+ /a/*/c;- *", "a/b", false},
		{"+ /a/*/c;- *", "a/b/x", true},
		{"+ /a/**/c;- *", "a/b/x", false},
		{"+ /a/**/c;- *", "b", true},
		{"+ *.keep;- build/", "build", false},
		{"- build/;+ *.keep", "build", true},
		{"- *.tmp;- build/", "build", true},
		{"+ /a;- *", "a", false},
		{"+ /a;- *", "b", true},
		{"+ **;- a/", "a", false},
		{"- /x[!a]y/*", "x/y", false},
		{"+ **", ".osssync-d", true},
	}
	for _, tt := range tests {
		if got := mustFilter(t, tt.rules).ExcludesDir(tt.dir); got != tt.want {
			t.Errorf("%q on %q = %v", tt.rules, tt.dir, got)
		}
	}
}

// A directory is pruned only if nothing below it can be taken.
func TestFilterPruneIsRight(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	atoms := []string{"a", "b", "*", "**", "?", "[!a]", "/", "/", "**/", "a*", "[ab]"}
	names := []string{"a", "b", "ab", "ba"}
	pruned := 0
	for range 20_000 {
		var rules []string
		for range rng.IntN(4) + 1 {
			r := []string{"+ ", "- ", "- "}[rng.IntN(3)]
			for range rng.IntN(5) + 1 {
				r += atoms[rng.IntN(len(atoms))]
			}
			rules = append(rules, r)
		}
		f, err := ParseFilter(rules)
		if err != nil {
			continue
		}
		path := func() string {
			p := names[rng.IntN(len(names))]
			for range rng.IntN(3) {
				p += "/" + names[rng.IntN(len(names))]
			}
			return p
		}
		dir := path()
		if !f.ExcludesDir(dir) {
			continue
		}
		pruned++
		for range 20 {
			p := dir + "/" + path()
			if taken, rule := f.Match(p, false); taken {
				t.Fatalf("%q prunes %q but takes %q by %q", rules, dir, p, rule)
			}
		}
	}
	if pruned < 1000 {
		t.Errorf("only %d directories were pruned", pruned)
	}
}

func TestParseFilterErrors(t *testing.T) {
	bad := []string{"", "a", "-a", "+a", "* x", "- ", "- /", "-   ", "-  a", "- !a", "- ./a", "- a//b", "- ../a",
		"- a/./b", "- [a", "- []", "- a\\", "- a\x00b"}
	for _, r := range bad {
		_, err := ParseFilter([]string{"- ok", r, "+ ok"})
		var re *RuleError
		if !errors.As(err, &re) || re.Index != 1 || re.Rule != r {
			t.Errorf("%q: %v", r, err)
		}
	}
	_, err := ParseFilter(bad)
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != len(bad) {
		t.Errorf("not all mistakes are reported: %v", err)
	}
}

func FuzzFilter(f *testing.F) {
	for _, tt := range patternTests {
		f.Add("- "+tt.pattern, "+ *.c", "a/b/c")
	}
	f.Fuzz(func(t *testing.T, first, second, path string) {
		filter, err := ParseFilter([]string{first, second})
		if err != nil {
			return
		}
		path = strings.Trim(strings.ReplaceAll(path, "//", "/"), "/")
		if path == "" || strings.Contains(path, "//") {
			return
		}
		taken, rule := filter.Match(path, false)
		if rule != "" && rule != first && rule != second && rule != ownFiles && rule != ownLease {
			t.Errorf("decided by %q", rule)
		}
		for dir, _ := split(path); dir != ""; dir, _ = split(dir) {
			if taken && filter.ExcludesDir(dir) {
				t.Errorf("%q, %q prune %q but take %q", first, second, dir, path)
			}
		}
	})
}

func BenchmarkFilterMatch(b *testing.B) {
	f := mustFilter(b, "- *.tmp;- .git/;- /var/cache/**;- node_modules/;+ *.go;- *.o;- a/**/b")
	for b.Loop() {
		f.Match("srv/data/2026/11/22/report-000123.json", false)
	}
}
