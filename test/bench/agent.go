package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// An agent is an `osssync run` that is measured.
type agent struct {
	b      *bench
	w      *world
	cmd    *exec.Cmd
	scans  chan time.Duration // how long each scan took; closed when the agent has ended
	ended  error              // once scans is closed
	memory *memory
	peak   int64    // resident memory that it used at most, bytes; after stop
	strays []string // what else it said
}

// start runs an agent.
func (b *bench) start(ctx context.Context, w *world) (*agent, error) {
	a := &agent{b: b, w: w, scans: make(chan time.Duration, 1024)}
	a.cmd = exec.CommandContext(ctx, b.bin, "-c", w.config, "--log-format", "json", "run")
	log, err := a.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := a.cmd.Start(); err != nil {
		return nil, err
	}
	a.memory = watchMemory(a.cmd.Process.Pid)
	go func() {
		defer close(a.scans)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			a.line(lines.Text())
		}
		a.ended = errors.Join(lines.Err(), a.cmd.Wait())
	}()
	return a, nil
}

func (a *agent) line(text string) {
	var l struct {
		Msg, Level string
		Took       float64 // seconds
	}
	err := json.Unmarshal([]byte(text), &l)
	switch {
	case err == nil && l.Msg == "scanned":
		a.scans <- time.Duration(l.Took * float64(time.Second))
	case err != nil || l.Level != "INFO":
		a.strays = append(a.strays, text)
	}
}

// scanned waits for the end of the next scan, and says how long it took.
func (a *agent) scanned() (time.Duration, error) {
	select {
	case took, ok := <-a.scans:
		if !ok {
			return 0, fmt.Errorf("osssync run ended: %w\n%s", a.ended, strings.Join(a.strays, "\n"))
		}
		return took, nil
	case <-time.After(5 * time.Minute):
		return 0, errors.New("osssync run: no scan ended within five minutes")
	}
}

// rescan asks the agent for a scan.
func (a *agent) rescan(ctx context.Context) error {
	if out, err := exec.CommandContext(ctx, a.b.bin, "-c", a.w.config, "rescan").CombinedOutput(); err != nil {
		return fmt.Errorf("osssync rescan: %w: %s", err, out)
	}
	return nil
}

// stop ends the agent.
func (a *agent) stop() error {
	a.peak = a.memory.end()
	if err := a.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	for range a.scans { // until it has ended
	}
	for _, line := range a.strays {
		fmt.Println("  osssync run:", line)
	}
	return a.ended
}
