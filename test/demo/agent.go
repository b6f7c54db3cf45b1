package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
)

// A demo is one run: its directories, its sandbox and its agent.
type demo struct {
	dir    string // working directory
	src    string // tree to copy
	source string // directory that the agent watches
	bin    string // osssync
	config string

	box   *box.Box
	agent *exec.Cmd
	exit  chan error
	log   string
	peak  int64 // resident memory of the agents at their largest, bytes
}

func (d *demo) build(ctx context.Context) error {
	d.bin = filepath.Join(d.dir, "osssync")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", d.bin, "./cmd/osssync")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// startAgent starts `osssync run`, with its log going to a file.
func (d *demo) startAgent(ctx context.Context) error {
	d.log = filepath.Join(d.dir, "agent.log")
	log, err := os.Create(d.log)
	if err != nil {
		return err
	}
	defer log.Close()
	d.agent = exec.CommandContext(ctx, d.bin, "-c", d.config, "--log-format", "json", "run")
	d.agent.Stderr = log
	if err := d.agent.Start(); err != nil {
		return err
	}
	d.exit = make(chan error, 1)
	go func(cmd *exec.Cmd, exit chan<- error) { exit <- cmd.Wait() }(d.agent, d.exit)
	return nil
}

// stopAgent asks the agent to end and notes how much memory it took.
func (d *demo) stopAgent() error {
	if d.agent == nil {
		return nil
	}
	d.notePeak()
	defer func() { d.agent = nil }()
	if err := d.agent.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-d.exit:
		return err
	case <-time.After(30 * time.Second):
		d.agent.Process.Kill()
		<-d.exit
		return errors.New("the agent did not end within 30 s")
	}
}

// notePeak keeps the largest resident size that the kernel has seen.
func (d *demo) notePeak() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.agent.Process.Pid))
	if err != nil {
		return
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			d.peak = max(d.peak, kb*1024)
		}
	}
}

// osssync runs a one-shot command and returns what it printed.
func (d *demo) osssync(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.bin, append([]string{"-c", d.config}, args...)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("osssync %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// until waits for ok, as long as the agent lives, at most for limit.
func (d *demo) until(ctx context.Context, what string, limit time.Duration, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("it took too long"))
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
			d.notePeak()
		case err := <-d.exit:
			d.exit <- err
			return fmt.Errorf("waiting for %s: the agent ended: %v", what, err)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		}
	}
	return nil
}

// logged reports whether the agent has logged this message.
func (d *demo) logged(msg string) bool {
	f, err := os.Open(d.log)
	if err != nil {
		return false
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"msg":"`+msg+`"`) {
			return true
		}
	}
	return false
}

func (d *demo) logTail() string {
	b, err := os.ReadFile(d.log)
	if err != nil {
		return ""
	}
	return string(b[max(0, len(b)-4000):])
}
