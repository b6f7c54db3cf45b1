//go:build linux

package packages

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFleet makes an instance as packaging/fleet says: cloud-init installs and
// configures it at its first boot, Ansible changes and upgrades it later.
func TestFleet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := copyTree(t, tooled)
	f := serveFleet(t, s, root)
	must(t, "install", "-d", "-m", "0750", "-g", "4", filepath.Join(root, "var/log/app")) // 4 is adm
	f.put("var/log/app/first.log", "what the group adm may read")
	must(t, "chgrp", "4", filepath.Join(root, "var/log/app/first.log"))
	must(t, "chmod", "0640", filepath.Join(root, "var/log/app/first.log"))

	seed := "var/lib/cloud/seed/nocloud/"
	f.put(seed+"meta-data", "instance-id: i-first\n")
	f.put(seed+"user-data", f.template("fleet/cloud-init.yaml", shared.old))
	// As images are made ready: no network to set up, nor locales or keys.
	f.put("etc/cloud/cloud.cfg.d/99-image.cfg", "network: {config: disabled}\nlocale: false\nssh_genkeytypes: []\n")
	m := boot(t, root, s.netns)
	waitFor(t, "cloud-init", func() bool {
		out, _ := m.try("cloud-init", "status")
		return strings.Contains(out, "done") || strings.Contains(out, "error")
	})
	if out, err := m.try("cloud-init", "status", "--long"); err != nil {
		log, _ := m.try("tail", "-n", "40", "/var/log/cloud-init-output.log")
		t.Fatalf("cloud-init: %s\n%s", out, log)
	}
	if out, err := m.try("cloud-init", "schema", "--system"); err != nil {
		t.Errorf("cloud-init schema: %s", out)
	}
	id := s.ECS.Options().InstanceID
	s.WaitForKeys(t, patience, "logs/"+id+"/first.log")
	if out := m.run("systemctl", "is-enabled", "osssync"); out != "enabled" {
		t.Errorf("after cloud-init the service is %s", out)
	}
	m.run("osssync", "wait")
	f.ansible(m)
}

// A fleet is what its members are made of.
type fleet struct {
	t    *testing.T
	s    *site
	root string
	url  string // below it are the packages
}

// serveFleet serves the packages over https to a machine that trusts it.
func serveFleet(t *testing.T, s *site, root string) *fleet {
	t.Helper()
	mux := http.NewServeMux()
	for version, dir := range map[string]string{oldVersion: shared.old, newVersion: shared.new} {
		mux.HandleFunc("/osssync_"+version+"_amd64.deb", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, pkg(t, dir, "*_amd64.deb"))
		})
	}
	srv := httptest.NewTLSServer(mux) // listens in the namespace of the test's thread
	t.Cleanup(srv.Close)
	f := &fleet{t: t, s: s, root: root, url: strings.Replace(srv.URL, "127.0.0.1", "example.com", 1)}
	f.put("etc/hosts", "127.0.0.1 localhost example.com\n")
	bundle := filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")
	text, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	ours := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	f.put("etc/ssl/certs/ca-certificates.crt", string(text)+string(ours))
	return f
}

// put writes a file of the machine, which need not have booted.
func (f *fleet) put(path, text string) {
	f.t.Helper()
	full := filepath.Join(f.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// packaged returns the address and the sum of the package of a directory.
func (f *fleet) packaged(dir string) (url, sum string) {
	f.t.Helper()
	path := pkg(f.t, dir, "*_amd64.deb")
	text, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.url + "/" + filepath.Base(path), fmt.Sprintf("%x", sha256.Sum256(text))
}

// template returns a template with what its users fill in: bucket, and address
// and sum of a package.
func (f *fleet) template(name, dir string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "packaging", filepath.FromSlash(name)))
	if err != nil {
		f.t.Fatal(err)
	}
	url, sum := f.packaged(dir)
	filled := strings.NewReplacer(
		`bucket = "my-bucket"`, fmt.Sprintf("bucket = %q\n      endpoint = %q", f.s.Bucket, f.s.OSSEndpoint),
		"https://my-packages.oss-cn-hangzhou-internal.aliyuncs.com/osssync_1.0.0_amd64.deb", url,
		strings.Repeat("0", 64), sum,
	).Replace(string(text))
	if !strings.Contains(filled, url) || !strings.Contains(filled, sum) {
		f.t.Fatalf("%s names no package:\n%s", name, filled)
	}
	return filled
}

// ansible upgrades the machine and changes its configuration by the role, twice:
// the second time there is nothing to do.
func (f *fleet) ansible(m *machine) {
	f.t.Helper()
	must(f.t, "cp", "-r", filepath.Join("..", "..", "packaging", "fleet", "ansible"), filepath.Join(f.root, "root/ansible"))
	inventory := f.template("fleet/ansible/hosts.ini.example", shared.new)
	inventory = strings.Replace(inventory, "web-1.internal\nweb-2.internal\n", "localhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n", 1)
	f.put("root/ansible/hosts.ini", inventory)
	config := strings.Replace(f.s.config("ansible/{instance_id}/"), "/srv/outbox", "/var/log/app", 1)
	f.put("root/vars.yml", "osssync_config: |\n  "+strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n  ")+"\n")
	puts := f.s.puts()
	play := []string{"sh", "-c", "cd /root/ansible && LC_ALL=C.UTF-8 ansible-playbook -i hosts.ini -e @/root/vars.yml site.yml 2>&1"}
	first := m.run(play...)
	if out := m.run("osssync", "version"); !strings.Contains(out, newVersion) {
		f.t.Errorf("Ansible did not upgrade: %s\n%s", out, first)
	}
	f.s.WaitForKeys(f.t, patience, "ansible/"+f.s.ECS.Options().InstanceID+"/first.log")
	m.run("osssync", "wait")
	if n := f.s.puts() - puts; n != 1 {
		f.t.Errorf("%d files sent after another prefix was configured, not the one that there is", n)
	}
	if second := m.run(play...); !strings.Contains(second, "changed=0 ") {
		f.t.Errorf("run again, Ansible changes something:\n%s", second)
	}
	// A configuration with mistakes never gets to the agent.
	f.put("root/vars.yml", "osssync_config: |\n  [[job]]\n  naem = 1\n")
	if out, err := m.try(play...); err == nil || !strings.Contains(out, "naem") {
		f.t.Errorf("a configuration with mistakes is written: %v\n%s", err, out)
	}
	if out := m.run("cat", "/etc/osssync/osssync.toml"); !strings.Contains(out, "ansible/{instance_id}/") {
		f.t.Errorf("the configuration is %s", out)
	}
}
