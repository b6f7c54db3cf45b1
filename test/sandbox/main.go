// Command sandbox serves an OSS endpoint, an ECS metadata service and STS on
// loopback, so that osssync, or any other client of OSS, can be tried without
// Alibaba Cloud. See README.md for what is faithful and what is not.
//
// It prints the address of each service, as lines "NAME URL" or with -json as
// one object, and runs until it is interrupted. Objects stay in the directory
// for the next time.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what the arguments say until ctx is done, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, err := parse(args, stderr)
	switch {
	case errors.Is(err, errHelp):
		return 0
	case err != nil:
		return 2 // the flag package told why
	}
	if err := serve(ctx, opt, stdout); err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 1
	}
	return 0
}
