//go:build linux

package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOpenRC is the life of an agent from the package for Alpine under OpenRC,
// on a Debian that boots with that: of Alpine there is no tree to be had. The
// package is unpacked, and its scripts are run, in the order that apk does it.
func TestOpenRC(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := bootAs(t, copyTree(t, openrc), s.netns, func(m *machine) bool {
		level, err := m.try("rc-status", "--runlevel")
		return err == nil && level == "default"
	})
	// What Alpine has of busybox.
	m.program("/usr/local/sbin/addgroup", `[ "$*" = "-S osssync" ] && exec groupadd --system osssync`)
	m.program("/usr/local/sbin/adduser", `[ "$*" = "-S -D -H -h /var/lib/osssync -s /sbin/nologin -G osssync -g osssync agent osssync" ] &&
exec useradd --system --no-create-home --home-dir /var/lib/osssync --shell /sbin/nologin --gid osssync osssync`)
	id := s.ECS.Options().InstanceID

	m.apk(shared.old, ".pre-install", ".post-install")
	if out, err := m.try("rc-service", "osssync", "start"); err == nil || !strings.Contains(out, "/etc/osssync/osssync.toml") {
		t.Errorf("without a configuration it starts, or does not say why not: %v: %s", err, out)
	}
	if m.exists("/etc/runlevels/default/osssync") {
		t.Error("an installation without a configuration lets the service start at boot")
	}
	m.write("/etc/osssync/osssync.toml", s.config("{instance_id}/"))
	m.write("/srv/outbox/first", "there before the start")
	m.run("rc-update", "add", "osssync", "default")
	m.run("rc-service", "osssync", "start")
	s.WaitForKeys(t, patience, id+"/first")
	if got := m.run("stat", "-c", "%U %a", "/var/lib/osssync"); got != "osssync 700" {
		t.Errorf("owner and mode of the state: %s", got)
	}

	m.write("/etc/osssync/osssync.toml", "[[job]]\nnaem = 1\n")
	if out, err := m.try("rc-service", "osssync", "reload"); err == nil || !strings.Contains(out, "naem") {
		t.Errorf("a configuration with mistakes was taken, or its mistakes are not told: %s", out)
	}
	m.write("/etc/osssync/osssync.toml", s.config("moved/{instance_id}/"))
	m.run("rc-service", "osssync", "reload")
	s.WaitForKeys(t, patience, "moved/"+id+"/first")
	m.write("/etc/osssync/osssync.toml", s.config("{instance_id}/"))
	m.run("rc-service", "osssync", "reload")

	m.run("pkill", "-KILL", "-x", "osssync")
	m.sends(s, "after-kill")
	m.run("logrotate", "--force", "/etc/logrotate.d/osssync")
	m.run("rc-service", "osssync", "reload")
	waitFor(t, "the log to go on after its rotation", func() bool {
		text, _ := os.ReadFile(filepath.Join(m.root, "var/log/osssync/osssync.log"))
		return strings.HasPrefix(string(text), "{") && m.exists("/var/log/osssync/osssync.log.1.gz")
	})

	m.run("osssync", "wait")
	puts := s.puts()
	m.reboot("reboot")
	m.sends(s, "after-reboot")
	m.run("osssync", "wait")
	m.apk(shared.new, "", ".post-upgrade")
	waitFor(t, "the new version to run", func() bool {
		out, err := m.try("osssync", "status")
		return err == nil && strings.Contains(out, "osssync "+newVersion)
	})
	m.sends(s, "after-upgrade")
	if n := s.puts() - puts; n != 2 {
		t.Errorf("%d files sent after a reboot and an upgrade, not the two new ones alone", n)
	}

	m.run("sh", "/root/.pre-deinstall", newVersion)
	if out, err := m.try("pgrep", "-x", "osssync"); err == nil {
		t.Errorf("it runs on after the removal: %s", out)
	}
	if m.exists("/etc/runlevels/default/osssync") || !m.exists("/var/lib/osssync/index.db") {
		t.Error("the removal left the service to start at boot, or took the state")
	}
}

// apk unpacks a package of a directory, after the one of its scripts, "" for
// none, and before the other.
func (m *machine) apk(dir, before, after string) {
	m.t.Helper()
	path := pkg(m.t, dir, "*_x86_64.apk")
	for name, text := range readAPK(m.t, path).scripts {
		m.write("/root/"+name, text)
	}
	script := func(name string) {
		m.run("env", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "/root/"+name, "1")
	}
	if before != "" {
		script(before)
	}
	must(m.t, "tar", "-xzf", path, "-C", m.root, "--warning=no-unknown-keyword", "--exclude=.*", "--no-same-owner")
	script(after)
}

// program writes a script of the machine.
func (m *machine) program(path, text string) {
	m.t.Helper()
	m.write(path, "#!/bin/sh\n"+text+"\n")
	m.run("chmod", "0755", path)
}
