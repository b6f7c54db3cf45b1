package service

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	readyEvery  = 100 * time.Millisecond // between looks at whether the service is ready
	statusEvery = 10 * time.Second       // between status lines
)

// A Health is what a Notifier asks the service about. Status and Pulse may be
// called at the same time.
type Health struct {
	// Ready says whether the start is over. It must not wait.
	Ready func(ctx context.Context) bool

	// Status returns one short line for people.
	Status func(ctx context.Context) string

	// Pulse returns nil when the service has just shown that it is alive. It
	// fails when that takes until ctx is done.
	Pulse func(ctx context.Context) error

	// Grace returns how long the service may take to stop.
	Grace func() time.Duration

	Logger *slog.Logger // nil means none
}

// A Notifier tells systemd how the service is doing. Its methods may be called
// concurrently, and do nothing where no socket was given.
type Notifier struct {
	socket   string        // NOTIFY_SOCKET; "" means that nobody listens
	watchdog time.Duration // 0 means none
}

// NewNotifier returns a Notifier for what the environment says; getenv is
// os.Getenv but for tests. It starts nothing.
func NewNotifier(getenv func(string) string) *Notifier {
	return &Notifier{socket: getenv("NOTIFY_SOCKET"), watchdog: watchdogOf(getenv)}
}

// watchdogOf returns within which time systemd wants a sign of life, 0 where
// it wants none of this process.
func watchdogOf(getenv func(string) string) time.Duration {
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	us, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || us <= 0 || us > int64(1<<62)/1000 {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// Run says that the service is ready once it is, then what it is doing
// whenever that changed, and that it is alive for as long as its pulse is felt.
// When ctx is done it says that the service stops, and returns.
func (n *Notifier) Run(ctx context.Context, h Health) {
	if n.socket == "" {
		return
	}
	if h.Logger == nil {
		h.Logger = slog.New(slog.DiscardHandler)
	}
	defer n.stop(h)
	if !n.start(ctx, h) {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { n.report(ctx, h) })
	if n.watchdog > 0 {
		wg.Go(func() { n.feed(ctx, h) })
	}
}

// report tells what the service is doing until ctx is done.
func (n *Notifier) report(ctx context.Context, h Health) {
	t := time.NewTicker(statusEvery)
	defer t.Stop()
	for last := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if s := oneLine(h.Status(ctx)); s != last {
			n.tell(h, "STATUS="+s)
			last = s
		}
	}
}

// feed feeds the watchdog until ctx is done.
func (n *Notifier) feed(ctx context.Context, h Health) {
	t := time.NewTicker(n.watchdog / 2)
	defer t.Stop()
	for {
		n.feel(ctx, h)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// start waits until the service is ready, and says so.
func (n *Notifier) start(ctx context.Context, h Health) bool {
	t := time.NewTicker(readyEvery)
	defer t.Stop()
	for !h.Ready(ctx) {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	n.tell(h, "READY=1", "STATUS="+oneLine(h.Status(ctx)))
	return true
}

// feel feeds the watchdog if the service answers in time. Where it does not,
// systemd ends the process, with the stacks of its goroutines in the journal.
func (n *Notifier) feel(ctx context.Context, h Health) {
	wait := n.watchdog / 2
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := h.Pulse(limited); err == nil {
		n.tell(h, "WATCHDOG=1")
	} else if ctx.Err() == nil {
		h.Logger.ErrorContext(ctx, "no sign of life, the watchdog is not fed", "wait", wait, "err", err)
	}
}

func (n *Notifier) tell(h Health, lines ...string) {
	if err := n.send(lines...); err != nil {
		h.Logger.Warn("systemd not notified", "err", err)
	}
}

// Reload says that do, which reads the configuration again, runs. It returns
// what do does.
func (n *Notifier) Reload(do func() error) error {
	begun := n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(monotonic().Microseconds(), 10))
	err := do()
	return errors.Join(err, begun, n.send("READY=1"))
}

// stop says that the service stops, and how long that may take.
func (n *Notifier) stop(h Health) {
	n.tell(h, "STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(h.Grace().Microseconds(), 10))
}

// send sends one message.
func (n *Notifier) send(lines ...string) error {
	if n.socket == "" {
		return nil
	}
	// A name that begins with "@" is not a file's; net knows that.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	_, err = c.Write([]byte(strings.Join(lines, "\n")))
	return errors.Join(err, c.Close())
}

// oneLine returns s without what would end a line of the protocol.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
