// Package conformance runs the test suite of the official Go SDK, as it is in
// the module cache, against the sandbox's OSS server.
//
// The suite is compiled once and run in shards, each with a server, a directory
// and bucket names of its own: most of its time it sleeps, to let the
// configuration of a bucket spread in the real service.
//
// What each test is expected to do is in expected.txt. A test that fails and is
// not expected to, or passes and is not expected to, fails the run.
package conformance

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
	"gopkg.in/check.v1"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/oss"
)

const (
	sdkPackage = "github.com/aliyun/aliyun-oss-go-sdk/oss"
	region     = "cn-hangzhou"
	wanted     = 125 // tests of objects, not of buckets, that must pass

	// perShard is how many tests one process runs. Each spends 12 seconds on
	// sleeping before its first and after its last.
	perShard = 14
)

// suites are those that need a server.
var suites = []string{
	"OssBucketSuite", "OssBucketMultipartSuite", "OssUploadSuite", "OssDownloadSuite", "OssCopySuite",
	"OssCrcSuite", "OssProgressSuite", "OssClientSuite",
}

var (
	binary = flag.String("suite", "", "the compiled suite; empty compiles it")
	only   = flag.String("only", "", "run only the tests that match this expression, and expect no number of them")
	show   = flag.Bool("print", false, "print what each test did")
)

// These keep the suite and what it is written in among the module's
// requirements.
var (
	_ = sdk.Version
	_ = check.ErrorMatches
)

// expectation is what expected.txt says of a test that is not to pass.
type expectation struct {
	skip   bool // it is not run
	reason string
}

// readExpected reads expected.txt: lines of "fail" or "skip", the name of a
// test and the reason. Empty lines and those that start with '#' mean nothing.
func readExpected(t *testing.T) map[string]expectation {
	b, err := os.ReadFile("expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := make(map[string]expectation)
	for i, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) < 3 || f[0] != "fail" && f[0] != "skip" {
			t.Fatalf("expected.txt:%d: want fail or skip, a test and a reason", i+1)
		}
		if _, ok := m[f[1]]; ok {
			t.Fatalf("expected.txt:%d: %s is there already", i+1, f[1])
		}
		m[f[1]] = expectation{f[0] == "skip", strings.Join(f[2:], " ")}
	}
	return m
}

func TestOfficialSuite(t *testing.T) {
	expected := readExpected(t)
	dir := t.TempDir()
	bin := *binary
	if bin == "" {
		bin = filepath.Join(dir, "suite.test")
		run(t, "go", "test", "-c", "-o", bin, sdkPackage)
	}
	source := strings.TrimSpace(run(t, "go", "list", "-f", "{{.Dir}}", sdkPackage))
	tests := list(t, bin, dir)
	for name := range expected {
		if !slices.Contains(tests, name) && *only == "" {
			t.Errorf("expected.txt: there is no test %s", name)
		}
	}
	var todo []string
	for _, name := range tests {
		if !expected[name].skip {
			todo = append(todo, name)
		}
	}
	results := make(map[string]string)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, shard := range shards(todo) {
		wg.Go(func() {
			got := runShard(t, bin, source, filepath.Join(dir, fmt.Sprint(i)), shard)
			mu.Lock()
			defer mu.Unlock()
			for _, name := range shard {
				results[name] = got[name]
			}
		})
	}
	wg.Wait()
	judge(t, todo, results, expected)
}

// judge compares what the tests did with what was expected of them.
func judge(t *testing.T, todo []string, results map[string]string, expected map[string]expectation) {
	passed, objects := 0, 0
	for _, name := range todo {
		e, mayFail := expected[name]
		switch result := results[name]; {
		case result == "PASS" && !mayFail:
			passed++
			if !strings.HasPrefix(name, "OssClientSuite.") {
				objects++
			}
		case result == "PASS":
			t.Errorf("%s passed, but is expected to fail: %s", name, e.reason)
		case !mayFail:
			t.Errorf("%s: %s", name, result)
		}
		if *show {
			fmt.Println(results[name], name)
		}
	}
	t.Logf("%d of the official suite's tests passed, %d of them of objects; %d did not", passed, objects, len(todo)-passed)
	if objects < wanted && *only == "" {
		t.Errorf("%d tests of objects passed, want %d", objects, wanted)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}

// list returns the names of the tests that need a server.
func list(t *testing.T, bin, dir string) []string {
	cmd := exec.Command(bin, "-check.list")
	cmd.Dir = dir // it writes a log wherever it is
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(*only)
	var names []string
	for _, name := range strings.Fields(string(out)) {
		suite, _, _ := strings.Cut(name, ".")
		if slices.Contains(suites, suite) && match.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// shards splits tests into lots of one suite each.
func shards(tests []string) [][]string {
	bySuite := make(map[string][]string)
	for _, name := range tests {
		suite, _, _ := strings.Cut(name, ".")
		bySuite[suite] = append(bySuite[suite], name)
	}
	var all [][]string
	for _, suite := range suites {
		all = slices.AppendSeq(all, slices.Chunk(bySuite[suite], perShard))
	}
	return all
}

var resultLine = regexp.MustCompile(`^(PASS|FAIL|PANIC|MISS|SKIP): [^ ]+: ([^\s]+)`)

// runShard runs tests in a process and returns what each did.
func runShard(t *testing.T, bin, source, dir string, tests []string) map[string]string {
	work := filepath.Join(dir, "oss")
	if err := prepare(source, work); err != nil {
		t.Error(err)
		return nil
	}
	a := authority.New(authority.Options{})
	key := a.AddStatic("LTAI5tConformance", "conformance-secret")
	s, err := oss.New(filepath.Join(dir, "data"), oss.Options{Authority: a, Region: region})
	if err != nil {
		t.Error(err)
		return nil
	}
	defer s.Close()
	srv := httptest.NewServer(s)
	defer srv.Close()
	defer srv.CloseClientConnections()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	filter := make([]string, len(tests))
	for i, name := range tests {
		filter[i] = regexp.QuoteMeta(name)
	}
	cmd := exec.CommandContext(ctx, bin, "-check.v", "-check.f", "^("+strings.Join(filter, "|")+")$")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "OSS_TEST_ENDPOINT="+srv.URL, "OSS_TEST_REGION="+region,
		"OSS_TEST_ACCESS_KEY_ID="+key.AccessKeyID, "OSS_TEST_ACCESS_KEY_SECRET="+key.AccessKeySecret)
	out, _ := cmd.CombinedOutput() // that a test failed is no news
	results := parse(out)
	for _, name := range tests {
		if results[name] == "" {
			results[name] = "did not run\n" + string(out[max(0, len(out)-2000):])
		}
	}
	return results
}

// parse reads what gocheck prints: a line for each test, and below that of one
// that failed the reason.
func parse(out []byte) map[string]string {
	results := make(map[string]string)
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 16<<20)
	failed := "" // the test that the next lines tell of
	for sc.Scan() {
		if m := resultLine.FindStringSubmatch(sc.Text()); m != nil {
			results[m[2]] = m[1]
			if failed = m[2]; m[1] == "PASS" {
				failed = ""
			}
		} else if line := strings.TrimSpace(sc.Text()); failed != "" && line != "" && len(results[failed]) < 1000 {
			results[failed] += "\n" + line[:min(len(line), 300)]
		}
	}
	return results
}

// prepare makes the directory in which the suite finds what it reads: files of
// its own package and of its samples.
func prepare(source, work string) error {
	for _, d := range []struct{ from, to string }{
		{source, work},
		{filepath.Join(source, "..", "sample"), filepath.Join(work, "..", "sample")},
	} {
		if err := os.MkdirAll(d.to, 0o755); err != nil {
			return err
		}
		entries, err := os.ReadDir(d.from)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.IsDir() {
				continue
			}
			if err := os.Symlink(filepath.Join(d.from, e.Name()), filepath.Join(d.to, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
