package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/osssync/osssync/test/sandbox/box"
)

// packaging is where the templates for fleets, containers and dashboards are.
var packaging = filepath.Join("..", "..", "packaging")

func readPackaging(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(packaging, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fromYAML(t *testing.T, name string, v any) {
	t.Helper()
	if err := yaml.Unmarshal(readPackaging(t, name), v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestFleetPolicy wants the policies that lie beside the fleet's configuration to
// be what the command prints for it.
func TestFleetPolicy(t *testing.T) {
	t.Parallel()
	config := filepath.Join(packaging, "fleet", "osssync.toml")
	for file, args := range map[string][]string{"fleet/policy.json": nil, "fleet/trust.json": {"--trust"}} {
		want, err := exec.Command(bin, append([]string{"-c", config, "policy"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := readPackaging(t, file); !bytes.Equal(got, want) {
			t.Errorf("%s is\n%s\nosssync policy prints\n%s", file, got, want)
		}
	}
}

// cloudConfig is what the tests look at of cloud-init's user data.
type cloudConfig struct {
	WriteFiles []struct {
		Path, Permissions, Content string
	} `yaml:"write_files"`
	Runcmd [][]string
}

// TestTemplatesAreConfigurations has the binary check the configuration in each
// template: no key that it does not know, no value that it refuses. Where all
// instances have one configuration, each has a prefix of its own.
func TestTemplatesAreConfigurations(t *testing.T) {
	t.Parallel()
	var user cloudConfig
	fromYAML(t, "fleet/cloud-init.yaml", &user)
	files := map[string]string{}
	for _, f := range user.WriteFiles {
		files[f.Path] = f.Content
	}
	var role struct {
		Config string `yaml:"osssync_config"`
	}
	fromYAML(t, "fleet/ansible/roles/osssync/defaults/main.yml", &role)
	fleet := string(readPackaging(t, "fleet/osssync.toml"))
	configs := map[string]string{
		"fleet":      fleet,
		"cloud-init": files["/etc/osssync/osssync.toml"],
		"ansible":    role.Config,
		"daemonset":  daemonSetConfig(t),
	}
	for name, text := range configs {
		path := filepath.Join(t.TempDir(), "osssync.toml")
		write(t, path, text)
		if out, err := exec.Command(bin, "-c", path, "config", "check").CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		for line := range strings.Lines(text) {
			if key, value, _ := strings.Cut(line, "="); strings.TrimSpace(key) == "prefix" && !strings.Contains(value, "{instance_id}") {
				t.Errorf("%s: instances share the prefix %s", name, value)
			}
		}
		if name != "daemonset" && text != fleet {
			t.Errorf("%s has another configuration than fleet/osssync.toml:\n%s", name, text)
		}
	}
	if got := files["/usr/local/sbin/osssync-install"]; got != string(readPackaging(t, "fleet/install.sh")) {
		t.Errorf("cloud-init installs by another script than install.sh:\n%s", got)
	}
	if len(user.Runcmd) != 1 || len(user.Runcmd[0]) != 3 || user.Runcmd[0][0] != "/usr/local/sbin/osssync-install" {
		t.Errorf("cloud-init runs %q", user.Runcmd)
	}
}

// daemonSetConfig returns the configuration in the ConfigMap, and checks what of
// the DaemonSet the agent depends on.
func daemonSetConfig(t *testing.T) string {
	t.Helper()
	var config string
	kinds := []string{}
	dec := yaml.NewDecoder(bytes.NewReader(readPackaging(t, "container/daemonset.yaml")))
	for {
		var doc struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct {
						HostNetwork bool `yaml:"hostNetwork"`
						Volumes     []struct {
							Name     string
							HostPath struct{ Path string } `yaml:"hostPath"`
						}
						Containers []struct {
							VolumeMounts []struct {
								Name      string
								MountPath string `yaml:"mountPath"`
							} `yaml:"volumeMounts"`
						}
					}
				}
			}
		}
		err := dec.Decode(&doc)
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, doc.Kind)
		if doc.Kind == "ConfigMap" {
			config = doc.Data["osssync.toml"]
		}
		if doc.Kind != "DaemonSet" {
			continue
		}
		pod := doc.Spec.Template.Spec
		mounted := map[string]string{}
		for _, m := range pod.Containers[0].VolumeMounts {
			mounted[m.Name] = m.MountPath
		}
		state := ""
		for _, v := range pod.Volumes {
			if mounted[v.Name] == "/var/lib/osssync" {
				state = v.HostPath.Path
			}
		}
		if !pod.HostNetwork || state == "" {
			t.Errorf("hostNetwork %t, state on %q", pod.HostNetwork, state)
		}
	}
	if !slices.Equal(kinds, []string{"Namespace", "ConfigMap", "DaemonSet"}) {
		t.Errorf("daemonset.yaml holds %q", kinds)
	}
	return config
}

// TestInstallScript installs nothing that is not what it should be.
func TestInstallScript(t *testing.T) {
	t.Parallel()
	script := filepath.Join(packaging, "fleet", "install.sh")
	for _, url := range []string{"http://example.com/osssync.deb", "https://example.com/osssync.exe", "ftp://x/y.rpm", ""} {
		out, err := exec.Command("sh", script, url, strings.Repeat("0", 64)).CombinedOutput()
		if exitCode(err) != 2 || !strings.Contains(string(out), "is not an https address") {
			t.Errorf("%q: %v: %s", url, err, out)
		}
	}

	// Commands that only say what they were asked.
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	for name, body := range map[string]string{
		"curl":      `while [ "$1" != --output ]; do shift; done; printf package >"$2"`,
		"apt-get":   `echo "apt-get $1 $(cat "$3")" >>"$LOG"`,
		"dnf":       `echo "dnf $1 $(cat "$3")" >>"$LOG"`,
		"osssync":   `echo "osssync $*" >>"$LOG"`,
		"systemctl": `echo "systemctl $*" >>"$LOG"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(ext, sum string) (string, error) {
		os.Remove(log)
		cmd := exec.Command("sh", script, "https://example.com/osssync."+ext, sum)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "LOG="+log)
		err := cmd.Run()
		did, _ := os.ReadFile(log)
		return string(did), err
	}
	if did, err := run("deb", strings.Repeat("0", 64)); err == nil || did != "" {
		t.Errorf("a package with another sum: %v, did %q", err, did)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("package")))
	for ext, tool := range map[string]string{"deb": "apt-get", "rpm": "dnf"} {
		want := tool + " install package\nosssync config check\nsystemctl enable --now osssync.service\n"
		if did, err := run(ext, sum); err != nil || did != want {
			t.Errorf("%s: %v, did %q, want %q", ext, err, did, want)
		}
	}
}

var metricName = regexp.MustCompile(`osssync_[a-z_]+[a-z]`)

// TestDashboardMetrics wants every metric of the dashboard and of the alerts to
// be one that an agent exports, and every one of an agent's to be shown.
func TestDashboardMetrics(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, map[string]map[string]any{"agent": {"listen": "127.0.0.1:0"}})
	write(t, filepath.Join(source, "a"), "a")
	d := start(t, config)
	waitMirror(t, b, source)
	_, page := ask(t, d.url()+"metrics")
	exported := exports(page)
	if len(exported) < 15 {
		t.Fatalf("the agent exports %s", page)
	}
	grafana := readPackaging(t, "dashboards/grafana.json")
	if !json.Valid(grafana) {
		t.Error("grafana.json is not JSON")
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr, For string }
		}
	}
	fromYAML(t, "dashboards/alerts.yaml", &rules)
	if len(rules.Groups) != 1 || len(rules.Groups[0].Rules) < 5 {
		t.Errorf("alerts.yaml holds %+v", rules)
	}
	shown := map[string]bool{}
	use := func(where, text string) {
		for _, name := range metricName.FindAllString(text, -1) {
			shown[name] = true
			if !exported[name] && name != "osssync_job" { // a variable of the dashboard
				t.Errorf("%s uses %s, which no agent exports", where, name)
			}
		}
	}
	use("grafana.json", string(grafana))
	for _, r := range rules.Groups[0].Rules {
		use(r.Alert, r.Expr)
		if r.For == "" {
			t.Errorf("%s fires at once", r.Alert)
		}
	}
	for name := range exported {
		if !shown[name] {
			t.Errorf("%s is shown nowhere", name)
		}
	}
}

// exports returns the names of our metrics on a page of them.
func exports(page string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(page) {
		if name, ok := strings.CutPrefix(line, "# TYPE osssync_"); ok {
			name, _, _ = strings.Cut(name, " ")
			names["osssync_"+name] = true
		}
	}
	return names
}
