// Command osssync keeps local directories of an Alibaba Cloud ECS instance in
// OSS, with no key but the instance's RAM role.
//
// Each command has a file of its own: its options, its flags and what it does.
// Concrete types meet here and nowhere else; wire.go joins them.
package main

import (
	"context"
	"io"
	"os"
)

func main() {
	keepOutOfCores()
	paceCollector()
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without its side effects: it returns the exit code. What a
// command is asked for goes to stdout, which is closed if it can be, everything
// else to stderr.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := notifyContext(ctx)
	defer stop()
	out := &output{w: stdout}
	a := &app{stdin: stdin, stdout: out, stderr: stderr, lang: language(args)}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = a.noTopic
	}
	err = out.finish(err)
	a.complain(ctx, err)
	return exitCode(err)
}
