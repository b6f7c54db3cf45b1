//go:build linux

package packages

import (
	"strings"
	"testing"
)

// TestRPM installs the rpm by rpm's own tools, on a machine that was made by a
// template: its configuration is there first.
func TestRPM(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := boot(t, copyTree(t, tooled), s.netns)
	m.write("/etc/osssync/osssync.toml", s.config("{instance_id}/"))
	m.write("/srv/outbox/first", "there before the installation")
	// Debian's rpm knows nothing of what dpkg has installed, hence --nodeps.
	m.run("rpm", "-i", "--nodeps", m.copy(pkg(t, shared.old, "*.x86_64.rpm")))
	m.waitProp("ActiveState", "active")
	if out := m.run("systemctl", "is-enabled", "osssync"); out != "enabled" {
		t.Errorf("installed beside a configuration the service is %s", out)
	}
	s.WaitForKeys(t, patience, s.ECS.Options().InstanceID+"/first")
	if out, err := m.try("rpm", "-V", "--nodeps", "osssync"); err != nil {
		t.Errorf("rpm -V: %s", out)
	}
	m.run("osssync", "wait")

	m.second(s)
	puts, pid, second := s.puts(), m.prop("MainPID"), m.propOf(secondUnit, "MainPID")
	m.run("rpm", "-U", "--nodeps", m.copy(pkg(t, shared.new, "*.x86_64.rpm")))
	m.waitProp("ActiveState", "active")
	if got := m.prop("MainPID"); got == pid {
		t.Error("the upgrade did not restart the service")
	}
	if got := m.propOf(secondUnit, "MainPID"); got == second || got == "0" {
		t.Errorf("the upgrade did not restart the second agent: process %s became %s", second, got)
	}
	if out := m.run("osssync", "version"); !strings.Contains(out, newVersion) {
		t.Errorf("version: %s", out)
	}
	if out := m.run("cat", "/etc/osssync/osssync.toml"); out != strings.TrimSpace(s.config("{instance_id}/")) {
		t.Errorf("the upgrade changed the configuration: %s", out)
	}
	m.sends(s, "after-upgrade")
	if n := s.puts() - puts; n != 1 {
		t.Errorf("%d files sent after an upgrade, not the new one alone", n)
	}

	m.run("rpm", "-e", "--nodeps", "osssync")
	active, _ := m.try("systemctl", "is-active", "osssync")
	if active == "active" || m.exists("/usr/bin/osssync") || m.exists("/etc/systemd/system/multi-user.target.wants/osssync.service") {
		t.Errorf("after the removal the service is %s, or something of it is left", active)
	}
	if out, err := m.try("pgrep", "-x", "osssync"); err == nil || m.exists("/etc/systemd/system/multi-user.target.wants/"+secondUnit) {
		t.Errorf("after the removal the second agent is there: %s", out)
	}
	if !m.exists("/var/lib/osssync/index.db") || !m.exists("/etc/osssync/osssync.toml") {
		t.Error("the removal took the state or the configuration")
	}
}
