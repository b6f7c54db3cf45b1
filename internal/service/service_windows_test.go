package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

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

// What Windows is told of the service: a delayed start, three restarts, also
// after an exit code, and the time that a stop may take.
func TestSettings(t *testing.T) {
	in := Installation{Exe: `C:\Program Files\osssync\osssync.exe`, Args: []string{"service", "run", "-c", `D:\my conf.toml`}, StopGrace: 20 * time.Second}
	if got, want := in.line(), `"C:\Program Files\osssync\osssync.exe" service run -c "D:\my conf.toml"`; got != want {
		t.Errorf("command line %s, want %s", got, want)
	}
	if got := (Installation{Exe: `C:\osssync.exe`}).line(); got != `"C:\osssync.exe"` {
		t.Errorf("command line %s is not quoted", got)
	}
	all, err := in.settings()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint32]unsafe.Pointer{}
	for _, one := range all {
		seen[one.level] = one.info
	}
	number := func(level uint32) uint32 { return *(*uint32)(seen[level]) }
	for what, tt := range map[string]struct{ level, want uint32 }{
		"delayed start":         {windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, 1},
		"service SID":           {windows.SERVICE_CONFIG_SERVICE_SID_INFO, windows.SERVICE_SID_TYPE_UNRESTRICTED},
		"pre-shutdown timeout":  {windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, 30_000},
		"recovery after errors": {windows.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, 1},
	} {
		if seen[tt.level] == nil || number(tt.level) != tt.want {
			t.Errorf("%s is not %d", what, tt.want)
		}
	}
	failure := (*windows.SERVICE_FAILURE_ACTIONS)(seen[windows.SERVICE_CONFIG_FAILURE_ACTIONS])
	if failure == nil || failure.ResetPeriod != 86400 {
		t.Fatalf("recovery: %+v", failure)
	}
	const restart = windows.SC_ACTION_RESTART
	want := []windows.SC_ACTION{{Type: restart, Delay: 10_000}, {Type: restart, Delay: 60_000}, {Type: restart, Delay: 600_000}}
	if got := unsafe.Slice(failure.Actions, failure.ActionsCount); !slices.Equal(got, want) {
		t.Errorf("recovery actions %v, want %v", got, want)
	}
	description := (*windows.SERVICE_DESCRIPTION)(seen[windows.SERVICE_CONFIG_DESCRIPTION])
	if description == nil || windows.UTF16PtrToString(description.Description) == "" {
		t.Error("no description")
	}
}

// What others made is not taken for the service's.
func TestIsOurs(t *testing.T) {
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		t.Fatal(err)
	}
	for sid, want := range map[string]bool{
		"S-1-5-18":             true, // the system
		"S-1-5-32-544":         true, // the administrators
		SID():                  true,
		user.User.Sid.String(): true,
		sidOf("Spooler"):       false,
		"S-1-5-32-545":         false, // the users
		"S-1-5-7":              false,
		"S-1-5-21-1-2-3-1001":  false,
		"S-1-1-0":              false, // everyone
		"S-1-5-11":             false, // who has logged on
	} {
		owner, err := windows.StringToSid(sid)
		if err != nil {
			t.Fatal(err)
		}
		if isOurs(owner) != want {
			t.Errorf("isOurs(%s) = %v", sid, !want)
		}
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
