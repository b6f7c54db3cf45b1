//go:build linux

package packages

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestService is the life of an installed agent, on each systemd.
func TestService(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			m := boot(t, copyTree(t, suite), s.netns)
			m.installFirst(s)
			m.runsAndReloads(s)
			m.second(s)
			m.dropIns(s)
			m.watchdogKills(s)
			m.killed(s)
			m.rebooted(s)
			m.upgraded(s)
			m.removed(s)
		})
	}
}

// step says in the log what comes, and how long it took.
func (m *machine) step(what string) func() {
	begun := time.Now()
	return func() { m.t.Logf("%s: %v", what, time.Since(begun).Round(time.Millisecond)) }
}

// installFirst installs the package where nothing is configured.
func (m *machine) installFirst(s *site) {
	m.t.Helper()
	defer m.step("install")()
	m.run("dpkg", "-i", m.copy(pkg(m.t, shared.old, "*_amd64.deb")))
	m.looksAtUnit()
	if state, _ := m.try("systemctl", "is-active", "osssync"); state != "inactive" {
		m.t.Errorf("after the installation without a configuration the service is %s", state)
	}
	if state, _ := m.try("systemctl", "is-enabled", "osssync"); state != "disabled" {
		m.t.Errorf("after the installation without a configuration the service is %s", state)
	}
	m.run("dpkg", "-i", m.copy(pkg(m.t, shared.old, "*_amd64.deb"))) // again, as an upgrade does
	if state, _ := m.try("systemctl", "is-enabled", "osssync"); state != "disabled" {
		m.t.Errorf("a service that nobody has enabled is %s after an upgrade", state)
	}
	if out := m.run("getent", "passwd", "osssync"); !strings.Contains(out, "nologin") {
		m.t.Errorf("the user: %s", out)
	}
	if m.exists("/etc/osssync/osssync.toml") || !m.exists("/etc/osssync/conf.d") {
		m.t.Error("the package brings a configuration, or no directory for one")
	}
	// Started all the same, it says what is missing and is not tried again.
	if out, err := m.try("systemctl", "start", "osssync"); err == nil {
		m.t.Errorf("it starts without a configuration: %s", out)
	}
	if got := m.prop("ExecMainStatus") + " " + m.prop("ActiveState") + " " + m.prop("NRestarts"); got != "78 failed 0" {
		m.t.Errorf("exit status, state and restarts without a configuration: %s", got)
	}
	m.write("/etc/osssync/osssync.toml", s.config("{instance_id}/"))
	m.write("/srv/outbox/first", "there before the start")
}

// looksAtUnit asks this systemd what it thinks of the unit.
func (m *machine) looksAtUnit() {
	m.t.Helper()
	if out, err := m.try("systemd-analyze", "--man=no", "verify", "osssync.service"); err != nil {
		m.t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
	out := lastLine(m.run("systemd-analyze", "--no-pager", "security", "osssync.service"))
	_, after, _ := strings.Cut(out, "osssync.service: ")
	number, _, _ := strings.Cut(after, " ")
	if exposure, err := strconv.ParseFloat(number, 64); err != nil || exposure > 1.5 {
		m.t.Errorf("systemd-analyze security: %s", out)
	}
	version, _ := strconv.Atoi(strings.Fields(m.run("systemctl", "--version"))[1])
	want := "notify-reload"
	if version < 253 {
		want = "notify"
	}
	if got := m.prop("Type"); got != want {
		m.t.Errorf("systemd %d takes the service for %s, not %s", version, got, want)
	}
	if got := m.prop("RestartSteps") + " " + m.prop("RestartMaxDelayUSec"); version >= 254 && got != "8 5min" {
		m.t.Errorf("systemd %d has the delay of restarts grow by %s", version, got)
	}
	m.t.Logf("systemd %d: Type=%s; %s", version, want, strings.TrimSpace(out))
}

// runsAndReloads starts the service.
func (m *machine) runsAndReloads(s *site) {
	m.t.Helper()
	defer m.step("start and reload")()
	m.run("systemctl", "enable", "--now", "osssync")
	id := s.ECS.Options().InstanceID
	s.WaitForKeys(m.t, patience, id+"/first")
	if got := m.prop("ActiveState") + " " + m.prop("SubState"); got != "active running" {
		m.t.Errorf("the service is %s", got)
	}
	m.write("/srv/outbox/second", "there after the start")
	s.WaitForKeys(m.t, patience, id+"/second")
	m.waitStatus("1 watching; nothing pending")

	m.write("/etc/osssync/osssync.toml", s.config("moved/{instance_id}/"))
	m.run("systemctl", "reload", "osssync")
	s.WaitForKeys(m.t, patience, "moved/"+id+"/first", "moved/"+id+"/second")
	m.write("/etc/osssync/osssync.toml", "[[job]]\nnaem = 1\n")
	if out, err := m.try("systemctl", "reload", "osssync"); err == nil {
		m.t.Errorf("a configuration with mistakes was taken: %s", out)
	}
	m.write("/etc/osssync/osssync.toml", s.config("{instance_id}/"))
	// A plain SIGHUP does the same and is told to systemd.
	m.run("systemctl", "kill", "-s", "HUP", "--kill-who=main", "osssync")
	m.waitJournal(`"msg":"configuration reloaded"`, 2)
	m.waitProp("ActiveState", "active")
	if got := m.prop("NRestarts"); got != "0" {
		m.t.Errorf("%s restarts by reloads", got)
	}
	for priority, level := range map[string]string{"6": "INFO", "4": "WARN", "3": "ERROR"} {
		out, _ := m.try("journalctl", "-t", "osssync", "-p", priority+".."+priority, "-o", "cat", "--no-pager", "-q")
		for line := range strings.Lines(out) {
			// What is no JSON is what `osssync reload` has printed.
			if strings.HasPrefix(line, "{") && !strings.Contains(line, `"level":"`+level+`"`) {
				m.t.Errorf("a line of priority %s: %s", priority, line)
			}
		}
		if !strings.Contains(out, `"level":"INFO"`) && level == "INFO" || !strings.Contains(out, "no such file") && level == "ERROR" {
			m.t.Errorf("the journal has not what the agent said at level %s: %s", level, out)
		}
	}
}

// dropIns tries the examples for drop-ins that the package brings.
func (m *machine) dropIns(s *site) {
	m.t.Helper()
	defer m.step("drop-ins")()
	m.write("/srv/outbox/secret", "root's own")
	m.run("chmod", "0600", "/srv/outbox/secret")
	m.waitStatus(", 1 failed")
	for _, name := range []string{"read-other-users.conf", "limit-addresses.conf", "write-source.conf"} {
		m.run("install", "-D", "-m", "0644", "/usr/share/doc/osssync/examples/"+name, "/etc/systemd/system/osssync.service.d/"+name)
	}
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "osssync")
	s.WaitForKeys(m.t, patience, s.ECS.Options().InstanceID+"/secret")
	status := m.run("cat", "/proc/"+m.prop("MainPID")+"/status")
	for _, want := range []string{"CapEff:\t0000000000000004", "CapBnd:\t0000000000000004", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			m.t.Errorf("the process lacks %q", want)
		}
	}
	m.run("rm", "-r", "/etc/systemd/system/osssync.service.d", "/srv/outbox/secret")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "osssync")
	if status := m.run("cat", "/proc/"+m.prop("MainPID")+"/status"); !strings.Contains(status, "CapEff:\t0000000000000000") {
		m.t.Error("the process has capabilities without a drop-in")
	}
}

// watchdogKills stops the process, so that its pipeline is stuck.
func (m *machine) watchdogKills(s *site) {
	m.t.Helper()
	defer m.step("watchdog")()
	m.write("/etc/systemd/system/osssync.service.d/test.conf", "[Service]\nWatchdogSec=4s\nRestartSec=100ms\n")
	m.run("systemctl", "daemon-reload")
	m.run("systemctl", "restart", "osssync")
	begun, pid := time.Now(), m.prop("MainPID")
	before, _ := strconv.Atoi(m.prop("NRestarts"))
	// Left alone it lives on, for longer than the watchdog waits.
	waitFor(m.t, "two times the watchdog's patience", func() bool { return time.Since(begun) > 9*time.Second })
	if got := m.prop("MainPID"); got != pid {
		m.t.Fatalf("the watchdog killed an agent that was well: process %s became %s", pid, got)
	}
	m.run("systemctl", "kill", "-s", "STOP", "--kill-who=main", "osssync")
	m.waitProp("NRestarts", strconv.Itoa(before+1))
	m.waitProp("ActiveState", "active")
	if out := m.run("journalctl", "-u", "osssync", "-o", "cat", "--no-pager"); !strings.Contains(out, "atchdog timeout") {
		m.t.Error("the journal does not say that it was the watchdog")
	}
	m.sends(s, "after-watchdog")
}

// killed ends the process by force.
func (m *machine) killed(s *site) {
	m.t.Helper()
	defer m.step("SIGKILL")()
	before, _ := strconv.Atoi(m.prop("NRestarts"))
	m.run("systemctl", "kill", "-s", "KILL", "--kill-who=main", "osssync")
	m.waitProp("NRestarts", strconv.Itoa(before+1))
	m.waitProp("ActiveState", "active")
	m.sends(s, "after-kill")
}

// rebooted boots the machine anew.
func (m *machine) rebooted(s *site) {
	m.t.Helper()
	defer m.step("reboot")()
	m.write("/srv/outbox/before-reboot", "left by the last life")
	before := s.WaitForKeys(m.t, patience, s.ECS.Options().InstanceID+"/before-reboot")
	m.run("osssync", "wait")
	puts := s.puts()
	m.reboot("systemctl", "--no-block", "reboot")
	m.waitProp("ActiveState", "active")
	m.sends(s, "after-reboot")
	if n := s.puts() - puts; n != 1 {
		m.t.Errorf("%d files sent after a reboot, not the new one alone; there were %d", n, len(before))
	}
}

// upgraded installs a newer version.
func (m *machine) upgraded(s *site) {
	m.t.Helper()
	defer m.step("upgrade")()
	puts, pid, second := s.puts(), m.prop("MainPID"), m.propOf(secondUnit, "MainPID")
	m.run("dpkg", "-i", m.copy(pkg(m.t, shared.new, "*_amd64.deb")))
	if out := m.run("osssync", "version"); !strings.Contains(out, newVersion) {
		m.t.Errorf("version: %s", out)
	}
	m.waitProp("ActiveState", "active")
	if got := m.prop("MainPID"); got == pid {
		m.t.Error("the upgrade did not restart the service")
	}
	if got := m.propOf(secondUnit, "MainPID"); got == second || got == "0" {
		m.t.Errorf("the upgrade did not restart the second agent: process %s became %s", second, got)
	}
	if out := m.run("cat", "/etc/osssync/osssync.toml"); out != strings.TrimSpace(s.config("{instance_id}/")) {
		m.t.Errorf("the upgrade changed the configuration: %s", out)
	}
	m.sends(s, "after-upgrade")
	if n := s.puts() - puts; n != 1 {
		m.t.Errorf("%d files sent after an upgrade, not the new one alone", n)
	}
	// What the administrator has stopped stays so.
	m.run("systemctl", "disable", "--now", "osssync")
	m.run("dpkg", "-i", m.copy(pkg(m.t, shared.new, "*_amd64.deb")))
	active, _ := m.try("systemctl", "is-active", "osssync")
	enabled, _ := m.try("systemctl", "is-enabled", "osssync")
	if active != "inactive" || enabled != "disabled" {
		m.t.Errorf("a stopped and disabled service is %s and %s after an upgrade", active, enabled)
	}
	m.run("systemctl", "enable", "--now", "osssync")
}

// removed removes the package and then its state.
func (m *machine) removed(s *site) {
	m.t.Helper()
	defer m.step("remove and purge")()
	m.run("dpkg", "-r", "osssync")
	if active, _ := m.try("systemctl", "is-active", "osssync"); active == "active" {
		m.t.Error("the service runs on after the package was removed")
	}
	if out, err := m.try("pgrep", "-x", "osssync"); err == nil {
		m.t.Errorf("an agent runs on after the package was removed: %s", out)
	}
	if m.exists("/usr/bin/osssync") || !m.exists("/var/lib/osssync/index.db") || !m.exists("/etc/osssync/osssync.toml") {
		m.t.Error("removal left the program, or took the state or the configuration")
	}
	// Installed again it goes on where it was: nothing is sent.
	puts := s.puts()
	m.run("dpkg", "-i", m.copy(pkg(m.t, shared.new, "*_amd64.deb")))
	m.run("systemctl", "enable", "--now", "osssync")
	m.sends(s, "after-return")
	if n := s.puts() - puts; n != 1 {
		m.t.Errorf("%d files sent by a package that came back, not the new one alone", n)
	}
	m.run("dpkg", "-P", "osssync")
	for _, path := range []string{
		"/var/lib/osssync", "/var/cache/osssync", "/var/lib/osssync-second", "/var/cache/osssync-second", "/etc/osssync",
		"/etc/systemd/system/multi-user.target.wants/osssync.service", "/etc/systemd/system/multi-user.target.wants/" + secondUnit,
	} {
		if m.exists(path) {
			m.t.Errorf("%s is there after the purge", path)
		}
	}
	if !m.exists("/srv/outbox/first") {
		m.t.Error("the purge took a source")
	}
}

// sends writes a file and waits for it to arrive.
func (m *machine) sends(s *site, name string) {
	m.t.Helper()
	m.write("/srv/outbox/"+name, fmt.Sprintf("content of %s", name))
	s.WaitForKeys(m.t, patience, s.ECS.Options().InstanceID+"/"+name)
}

// waitStatus waits until systemctl status shows some words.
func (m *machine) waitStatus(want string) {
	m.t.Helper()
	waitFor(m.t, "status "+want, func() bool { return strings.Contains(m.prop("StatusText"), want) })
}

// waitJournal waits until the service has written some words so often.
func (m *machine) waitJournal(want string, times int) {
	m.t.Helper()
	waitFor(m.t, "journal "+want, func() bool {
		out, _ := m.try("journalctl", "-u", "osssync", "-o", "cat", "--no-pager")
		return strings.Count(out, want) >= times
	})
}

func lastLine(s string) string { return s[strings.LastIndexByte(s, '\n')+1:] }
