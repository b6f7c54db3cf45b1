package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
)

// A scm is the service manager's side of a service.
type scm struct {
	t        *testing.T
	requests chan svc.ChangeRequest
	status   chan svc.Status
	code     chan uint32
}

func begin(t *testing.T, p Program) *scm {
	m := &scm{t, make(chan svc.ChangeRequest), make(chan svc.Status), make(chan uint32, 1)}
	h := &handler{ctx: t.Context(), program: p}
	go func() {
		_, code := h.Execute(nil, m.requests, m.status)
		close(m.status)
		m.code <- code
	}()
	for _, want := range []svc.State{svc.StartPending, svc.Running} {
		if s := <-m.status; s.State != want {
			t.Fatalf("state %d, want %d", s.State, want)
		}
	}
	return m
}

func (m *scm) ask(c svc.Cmd) svc.Status {
	m.requests <- svc.ChangeRequest{Cmd: c}
	return <-m.status
}

func TestHandler(t *testing.T) {
	for _, how := range []svc.Cmd{svc.Stop, svc.Shutdown, svc.PreShutdown} {
		reloaded, let := make(chan bool), make(chan bool)
		m := begin(t, Program{
			Run: func(ctx context.Context, reload <-chan os.Signal) error {
				<-reload
				reloaded <- true
				<-ctx.Done()
				<-let
				return ctx.Err()
			},
			ExitCode: func(error) uint32 { return 9 },
		})
		if s := m.ask(svc.Interrogate); s.State != svc.Running || s.Accepts != accepts {
			t.Errorf("status %+v", s)
		}
		if s := m.ask(svc.ParamChange); s.State != svc.Running {
			t.Errorf("after a reload: %+v", s)
		}
		<-reloaded
		if s := m.ask(how); s.State != svc.StopPending || s.WaitHint < 1000 {
			t.Errorf("after %d: %+v", how, s)
		}
		if s := <-m.status; s.State != svc.StopPending || s.CheckPoint == 0 {
			t.Errorf("while it stops: %+v, want a check point", s)
		}
		close(let)
		for range m.status { // what it told meanwhile
		}
		if code := <-m.code; code != 0 {
			t.Errorf("code %d of a stop that was asked for", code)
		}
	}
}

func TestHandlerFails(t *testing.T) {
	m := begin(t, Program{
		Run:      func(context.Context, <-chan os.Signal) error { return errors.New("no") },
		ExitCode: func(error) uint32 { return 78 },
	})
	for range m.status {
	}
	if code := <-m.code; code != 78 {
		t.Errorf("code %d, want that of the error", code)
	}
}

func TestServeWithoutManager(t *testing.T) {
	err := Serve(t.Context(), Program{})
	if !errors.Is(err, ErrNotService) {
		t.Errorf("Serve = %v, want ErrNotService", err)
	}
}

func TestEventText(t *testing.T) {
	e, err := OpenEventLog(slog.LevelInfo)
	if err != nil {
		t.Fatal(err)
	}
	defer e.log.Close()
	h := e.WithAttrs([]slog.Attr{slog.String("job", "a b")}).WithGroup("g").(*EventLog)
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "lease not renewed", 0)
	r.AddAttrs(slog.String("err", "x\x00y"), slog.String("msg", "kept"))
	got, err := h.text(t.Context(), r)
	if want := "lease not renewed\r\njob=\"a b\" g.err=\"x\\x00y\" g.msg=kept"; got != want || err != nil {
		t.Errorf("text %q, %v, want %q", got, err, want)
	}
	if e.Enabled(t.Context(), slog.LevelDebug) || !e.Enabled(t.Context(), slog.LevelInfo) {
		t.Error("Enabled does not follow the level")
	}
	if err := h.Handle(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// Windows derives identifiers of services from their names, as for one that is
// well known.
func TestSID(t *testing.T) {
	const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	if got := sidOf("TrustedInstaller"); got != installer {
		t.Errorf("SID %s, want %s", got, installer)
	}
	if _, err := windows.StringToSid(SID()); err != nil {
		t.Errorf("SID %s: %v", SID(), err)
	}
}

func TestSecureDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // made, then there
		if err := SecureDir(dir); err != nil {
			t.Fatal(err)
		}
		sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.DACL_SECURITY_INFORMATION)
		if err != nil {
			t.Fatal(err)
		}
		for _, all := range []string{";BU)", ";AU)", ";IU)", "CO;"} {
			if strings.Contains(sd.String(), all) {
				t.Errorf("%s", sd)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o600); err != nil {
		t.Error(err)
	}
}
