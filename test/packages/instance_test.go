//go:build linux

package packages

import (
	"fmt"
	"strings"
)

const secondUnit = "osssync@second.service"

// second runs a further agent beside the first, each by its own configuration.
func (m *machine) second(s *site) {
	m.t.Helper()
	defer m.step("a second agent")()
	const unit, config = secondUnit, "/etc/osssync/second.toml"
	job := strings.ReplaceAll(s.config("second/{instance_id}/"), "/srv/outbox", "/srv/second")
	m.write("/srv/second/file", "of the second agent")
	m.write(config, job)
	// It must not take the first one's state, and says what to write.
	if out, err := m.try("systemctl", "start", unit); err == nil {
		m.t.Errorf("it starts with the state of the first agent: %s", out)
	}
	if got := m.propOf(unit, "ExecMainStatus") + " " + m.propOf(unit, "ActiveState"); got != "78 failed" {
		m.t.Errorf("exit status and state without a state directory of its own: %s", got)
	}
	if out := m.run("journalctl", "-u", unit, "-o", "cat", "--no-pager"); !strings.Contains(out, `state_dir = "/var/lib/osssync-second"`) {
		m.t.Errorf("the journal does not say what to do: %s", out)
	}
	m.write(config, fmt.Sprintf("%s\n[agent]\nstate_dir = \"/var/lib/osssync-second\"\n", job))
	m.run("systemctl", "enable", "--now", unit)
	s.WaitForKeys(m.t, patience, "second/"+s.ECS.Options().InstanceID+"/file")
	m.run("systemctl", "reload", unit)
	pids := map[string]string{}
	for _, path := range []string{"/etc/osssync/osssync.toml", config} {
		pids[path] = m.run("sh", "-c", "osssync -c "+path+" status --json | grep -o '\"pid\":[0-9]*'")
	}
	if first, second := pids["/etc/osssync/osssync.toml"], pids[config]; first == second || second != `"pid":`+m.propOf(unit, "MainPID") {
		m.t.Errorf("asked by its configuration the second agent is %s, the first %s", second, first)
	}
	for path, mode := range map[string]string{"/var/lib/osssync-second": "700", "/run/osssync-second": "755", "/run/osssync-second/osssync.sock": "660"} {
		if got := m.run("stat", "-c", "%U %a", path); got != "osssync "+mode {
			m.t.Errorf("owner and mode of %s: %s", path, got)
		}
	}
}

// propOf returns a property of a unit.
func (m *machine) propOf(unit, name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "-p", name, "--value", unit)
}
