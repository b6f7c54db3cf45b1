package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/authority"
	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A hunt looks for secrets in what osssync writes. It knows every credential
// that the sandbox has issued or seen, and every token of the metadata service.
type hunt struct {
	t      *testing.T
	box    *box.Box
	config string
	dir    string // of the configuration, the home and the temporary directory
	output []output
}

// An output is what one run of osssync wrote.
type output struct {
	name string
	text []byte
}

func newHunt(t *testing.T, tables map[string]map[string]any) (*hunt, string) {
	t.Helper()
	b := box.Start(t, box.Options{})
	t.Cleanup(func() { b.OSS.Faults().Clear(); b.ECS.Faults().Clear() })
	config, source := configure(t, b, box.Job{"settle": "1ms"}, tables)
	write(t, filepath.Join(source, "file"), "content")
	return &hunt{t: t, box: b, config: config, dir: filepath.Dir(config)}, source
}

// run runs a command with all that can be logged, in one format and the other
// by turns.
func (h *hunt) run(args ...string) {
	h.t.Helper()
	format := []string{"text", "json"}[len(h.output)%2]
	full := append([]string{"-c", h.config, "--log-level", "debug", "--log-format", format}, args...)
	cmd := exec.Command(bin, full...)
	cmd.Env = append(os.Environ(), "HOME="+h.dir, "TMPDIR="+h.dir)
	out, err := cmd.CombinedOutput()
	if code := exitCode(err); code < 0 || code == 2 {
		h.t.Errorf("osssync %v: %v: %s", args, err, out)
	}
	h.output = append(h.output, output{fmt.Sprint(format, " ", args), out})
}

// grants returns every credential that can have been seen.
func (h *hunt) grants() []authority.Grant {
	found := map[string]authority.Grant{}
	if g, ok := h.box.ECS.Current(); ok {
		found[g.AccessKeyID] = g
	}
	for _, r := range h.box.OSS.Requests().Entries() {
		if g, ok := h.box.Authority.Lookup(r.AccessKeyID); ok && g.Temporary() {
			found[g.AccessKeyID] = g
		}
	}
	var all []authority.Grant
	for _, g := range found {
		all = append(all, g)
	}
	return all
}

// needles returns what must not be found, by what it is.
func (h *hunt) needles() map[string]string {
	h.t.Helper()
	all := map[string]string{"a signature": "OSS4-HMAC-SHA256"}
	add := func(what, secret string) {
		// A part is as bad as the whole; what is cut short must be found too.
		all[what] = secret[8:24]
		all[what+" in hex"] = hex.EncodeToString([]byte(secret[8:24]))
		all[what+" escaped"] = url.QueryEscape(secret)[:30]
		all[what+" in base64"] = base64.StdEncoding.EncodeToString([]byte(secret[:24]))
	}
	grants := h.grants()
	if len(grants) == 0 {
		h.t.Fatal("no credential was used")
	}
	for _, g := range grants {
		add(fmt.Sprintf("secret %d of %s", g.Generation, g.Role), g.AccessKeySecret)
		add(fmt.Sprintf("token %d of %s", g.Generation, g.Role), g.SecurityToken)
	}
	for i, r := range h.box.ECS.Requests().Entries() {
		if token := r.Header.Get("X-aliyun-ecs-metadata-token"); len(token) > 30 {
			add(fmt.Sprint("metadata token ", i), token)
		}
	}
	return all
}

// search looks through all output and all files that osssync has left. The one
// place that may hold a token is the private file of the cache.
func (h *hunt) search() {
	h.t.Helper()
	needles := h.needles()
	look := func(where string, text []byte) bool {
		clean := true
		for what, needle := range needles {
			if bytes.Contains(text, []byte(needle)) {
				clean = false
				if !isCache(where) {
					h.t.Errorf("%s in %s", what, where)
				}
			}
		}
		return clean
	}
	for _, o := range h.output {
		look(o.name, o.text)
	}
	files, cached := 0, false
	for _, dir := range []string{h.dir, filepath.Join(h.box.Dir, "state")} {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			if !look(path, text) {
				cached = true
				fi, err := e.Info()
				if err != nil || fi.Mode().Perm() != 0o600 {
					h.t.Errorf("%s holds a token and has mode %v, %v", path, fi.Mode(), err)
				}
			}
			return nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	if files < 3 || len(h.output) == 0 {
		h.t.Errorf("only %d files and %d outputs were searched", files, len(h.output))
	}
	// The hunt is worth nothing if it cannot find the token where it is.
	if !cached {
		h.t.Error("no token was found even in the cache")
	}
}

func isCache(path string) bool {
	return filepath.Base(filepath.Dir(path)) == "credentials"
}

// TestNoSecretsInOneShots runs every one-shot, in peace and in each kind of
// trouble, against servers that repeat the client's secrets in what they say.
func TestNoSecretsInOneShots(t *testing.T) {
	t.Parallel()
	h, source := newHunt(t, nil)
	bucket := "oss://" + h.box.Bucket
	file := filepath.Join(source, "file")
	all := func() {
		for _, args := range [][]string{
			{"sync", "--json"}, {"put", file, bucket + "/put"}, {"ls", "--json"}, {"cat", bucket + "/put"}, {"stat", "--json", bucket + "/put"},
			{"creds"}, {"creds", "--json"}, {"doctor"}, {"doctor", "--json"}, {"sync", "--dry-run"},
			{"policy"}, {"config", "show"}, {"filter", file}, {"version", "--json"},
		} {
			h.run(args...)
		}
	}
	all()
	g, _ := h.box.ECS.Current()
	for _, fault := range []oss.Fault{
		{Token: oss.TokenExpired}, {Status: 403, Code: "AccessDenied", Message: "of " + g.AccessKeySecret + " and " + g.SecurityToken},
		{Status: 403, Code: "SignatureDoesNotMatch", Header: map[string]string{"x-oss-request-id": g.AccessKeySecret, "x-oss-ec": g.SecurityToken}},
		{Status: 302, Redirect: "http://127.0.0.1:1/" + url.QueryEscape(g.SecurityToken)}, {Status: 400, Body: g.SecurityToken + g.AccessKeySecret},
	} {
		h.box.OSS.Faults().Add(fault)
		for _, args := range [][]string{{"ls"}, {"put", file, bucket + "/put"}, {"stat", bucket + "/put"}, {"doctor", "--json"}} {
			h.run(args...)
		}
		h.box.OSS.Faults().Clear()
	}
	h.search()
}

// TestNoSecretsInCredentialTrouble lets the metadata service answer with
// credentials that cannot be used, which must not be repeated in complaints.
func TestNoSecretsInCredentialTrouble(t *testing.T) {
	t.Parallel()
	h, _ := newHunt(t, nil)
	h.run("sync")
	g, _ := h.box.ECS.Current()
	for _, fault := range []ecs.Fault{
		{Op: ecs.OpCredentials, Drop: []string{"Expiration"}}, {Op: ecs.OpCredentials, Drop: []string{"AccessKeyId"}},
		{Op: ecs.OpCredentials, Fields: map[string]any{"Expiration": g.SecurityToken}},
		{Op: ecs.OpCredentials, Fields: map[string]any{"AccessKeySecret": []string{g.AccessKeySecret}}},
		{Op: ecs.OpCredentials, Short: true}, {Op: ecs.OpCredentials, Expired: true},
		{Op: ecs.OpRole, Status: 200, Body: g.AccessKeySecret + "/../" + g.SecurityToken},
		{Op: ecs.OpToken, Status: 200, Body: g.SecurityToken + "\n" + g.AccessKeySecret},
		{Op: ecs.OpToken, Status: 302, Header: map[string]string{"Location": "http://127.0.0.1:1/" + url.QueryEscape(g.SecurityToken)}},
		{Op: ecs.OpCredentials, Status: 500, Body: "<html>" + g.SecurityToken},
	} {
		h.box.ECS.Faults().Add(fault)
		h.run("doctor", "--json") // asks anew, whatever is cached
		h.run("doctor")
		h.box.ECS.Faults().Clear()
	}
	h.search()
}

// scrape reads what the agent serves at agent.listen, if it tells where.
func (h *hunt) scrape(d *daemon) {
	h.t.Helper()
	at := regexp.MustCompile(`"url":"(http://127\.0\.0\.1:[0-9]+)/"`).FindStringSubmatch(d.log.String())
	if at == nil {
		h.t.Fatal("the agent serves no metrics")
	}
	for _, page := range []string{"/", "/metrics", "/healthz"} {
		resp, err := http.Get(at[1] + page)
		if err != nil {
			h.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || page == "/metrics" && resp.StatusCode != http.StatusOK {
			h.t.Errorf("%s: status %d, %v", page, resp.StatusCode, err)
		}
		h.output = append(h.output, output{page, text})
	}
}

// TestNoSecretsInAgent runs the agent at its most talkative, through failures
// and rotations, with a second role as well, and ends it by a signal that makes
// it print all its stacks while requests are on their way.
func TestNoSecretsInAgent(t *testing.T) {
	t.Parallel()
	for _, chained := range []bool{false, true} {
		t.Run(fmt.Sprintf("chained-%t", chained), func(t *testing.T) {
			t.Parallel()
			tables := map[string]map[string]any{"agent": {"log_level": "debug", "listen": "127.0.0.1:0"}}
			h, source := newHunt(t, tables)
			if chained {
				text, err := os.ReadFile(h.config)
				if err != nil {
					t.Fatal(err)
				}
				arn := h.box.STS.ARN(box.TargetRole)
				changed := strings.Replace(string(text), "[credentials]\n", "[credentials]\nassume_role_arn = \""+arn+"\"\n", 1)
				if err := os.WriteFile(h.config, []byte(changed), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			h.box.OSS.Faults().Add(oss.Fault{Status: 503, Code: "ServiceUnavailable", Count: 3})
			d := start(t, h.config)
			waitMirror(t, h.box, source)
			h.box.ECS.Rotate()
			h.box.OSS.Faults().Add(oss.Fault{Token: oss.TokenExpired, Count: 1})
			write(t, filepath.Join(source, "second"), "2")
			waitMirror(t, h.box, source)
			h.scrape(d)
			h.box.OSS.Faults().Add(oss.Fault{Op: oss.PutObject, Hang: true})
			for i := range 20 {
				write(t, filepath.Join(source, fmt.Sprint(i)), "x")
			}
			hung := h.box.Asked()
			waitFor(t, "a put on its way", func() bool { return h.box.Asked() > hung })
			if code := d.stop(syscall.SIGQUIT); code != 2 {
				t.Errorf("exit code %d after SIGQUIT", code)
			}
			if !strings.Contains(d.log.String(), "goroutine ") {
				t.Error("no stacks were printed")
			}
			h.output = append(h.output, output{"log of the agent", []byte(d.log.String())})
			h.search()
		})
	}
}
