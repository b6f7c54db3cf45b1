package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

type boxKey struct{}

// TestScript runs the scripts of testdata. Each has a sandbox of its own, and
// these commands besides testscript's:
//
//	expand FILE…            replace $VARIABLES in files, $BASE by the tables that connect to the sandbox
//	requests oss|metadata N the requests since the last such line were N; N can be "some"
//	objects KEY…            the bucket holds these keys and no others
//	same KEY FILE           the object equals the file
//	down|up SERVICE         oss or metadata refuses connections, or takes them again
//	role NAME|none          attach another role, or detach it
//	metadata-mode MODE      optional, required or disabled
//	oss-fault OP STATUS CODE every request of the kind is answered so; OP can be "any"
//	big FILE SIZE           make a file of SIZE bytes
//	drop KEY…               somebody else deletes these objects
//	await REGEXP COMMAND…   run a command until it succeeds and its output matches
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"expand":   expand,
			"requests": requests,
			"objects":  objects,
			"same":     same,
			"down": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(theBox(ts).Down(box.Service(args[0])))
			},
			"up":            func(ts *testscript.TestScript, _ bool, args []string) { ts.Check(theBox(ts).Up(box.Service(args[0]))) },
			"role":          role,
			"metadata-mode": func(ts *testscript.TestScript, _ bool, args []string) { theBox(ts).ECS.SetMode(ecs.Mode(args[0])) },
			"oss-fault":     ossFault,
			"big":           big,
			"drop":          drop,
			"as-nobody":     asNobody,
			"exits":         exits,
			"await":         await,
		},
	})
}

func setup(env *testscript.Env) error {
	b, err := box.New(filepath.Join(env.WorkDir, ".sandbox"), box.Options{})
	if err != nil {
		return err
	}
	env.Defer(func() { b.Close() })
	env.Values[boxKey{}] = b
	env.Setenv("PATH", filepath.Dir(bin)+string(os.PathListSeparator)+env.Getenv("PATH"))
	env.Setenv("OSSSYNC", bin)
	env.Setenv("GORACE", "atexit_sleep_ms=50") // instead of a second after each of many commands
	env.Setenv("HOME", filepath.Join(env.WorkDir, ".home"))
	env.Setenv("OSS", b.OSSEndpoint)
	env.Setenv("METADATA", b.MetadataEndpoint)
	env.Setenv("BUCKET", b.Bucket)
	env.Setenv("BASE", b.Config())
	return nil
}

func theBox(ts *testscript.TestScript) *box.Box { return ts.Value(boxKey{}).(*box.Box) }

func expand(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		text := os.Expand(ts.ReadFile(path), ts.Getenv)
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
}

func requests(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: requests oss|metadata N")
	}
	b := theBox(ts)
	var got []string
	switch args[0] {
	case "oss":
		for _, r := range b.OSS.Requests().Entries() {
			got = append(got, fmt.Sprintf("%s %s %d", r.Op, r.Key, r.Status))
		}
		b.OSS.Requests().Reset()
	case "metadata":
		for _, r := range b.ECS.Requests().Entries() {
			got = append(got, fmt.Sprintf("%s %s %d", r.Method, r.Path, r.Status))
		}
		b.ECS.Requests().Reset()
	}
	ok := args[1] == "some" && len(got) > 0 || args[1] == strconv.Itoa(len(got))
	if ok == neg {
		ts.Fatalf("%d requests to %s:\n%s", len(got), args[0], strings.Join(got, "\n"))
	}
}

func objects(ts *testscript.TestScript, neg bool, args []string) {
	have, err := theBox(ts).Objects()
	ts.Check(err)
	want := map[string]bool{}
	for _, key := range args {
		want[key] = true
	}
	ok := len(have) == len(want)
	var keys []string
	for key := range have {
		keys = append(keys, key)
		ok = ok && want[key]
	}
	if ok == neg {
		ts.Fatalf("the bucket holds %q", keys)
	}
}

func same(ts *testscript.TestScript, neg bool, args []string) {
	have, err := theBox(ts).Objects()
	ts.Check(err)
	o, ok := have[args[0]]
	crc, size := fileSum(ts.MkAbs(args[1]))
	if equal := ok && o.CRC64 == crc && o.Size == size; equal == neg {
		ts.Fatalf("object %s: %+v (there: %t), file %s: %d bytes, crc64 %d", args[0], o, ok, args[1], size, crc)
	}
}

func role(ts *testscript.TestScript, _ bool, args []string) {
	name := args[0]
	if name == "none" {
		name = ""
	}
	theBox(ts).ECS.SetRole(name)
}

func ossFault(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 1 && args[0] == "none" {
		theBox(ts).OSS.Faults().Clear()
		return
	}
	status, err := strconv.Atoi(args[1])
	ts.Check(err)
	f := oss.Fault{Status: status, Code: args[2]}
	if args[0] != "any" {
		f.Op = oss.Op(args[0])
	}
	theBox(ts).OSS.Faults().Add(f)
}

func big(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(writeRandom(ts.MkAbs(args[0]), size, 1))
}

func drop(ts *testscript.TestScript, _ bool, args []string) {
	for _, key := range args {
		ts.Check(theBox(ts).Remove(key))
	}
}

// exits runs a command and wants this exit code, within a quarter of a minute.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	start := time.Now()
	err = ts.Exec(args[1], args[2:]...)
	if got := exitCode(err); got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
	if took := time.Since(start); took > time.Minute {
		ts.Fatalf("%s: took %s", strings.Join(args[1:], " "), took)
	}
}

// await runs a command until it succeeds and its standard output matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: await REGEXP COMMAND…")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s: no %q within %v", strings.Join(args[1:], " "), args[0], patience)
		}
	}
}

// asNobody runs a command as a user without privileges.
func asNobody(ts *testscript.TestScript, neg bool, args []string) {
	if os.Geteuid() == 0 {
		args = append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, args...)
	}
	err := ts.Exec(args[0], args[1:]...)
	if (err != nil) != neg {
		ts.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
}
