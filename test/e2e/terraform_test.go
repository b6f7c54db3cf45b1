package e2e

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"go.yaml.in/yaml/v3"
)

// A terraformModule is the one in packaging/fleet, read by the parser that
// Terraform has, without a provider.
type terraformModule struct {
	t         *testing.T
	dir       string
	blocks    []*hclsyntax.Block
	variables map[string]*hclsyntax.Block
}

func readTerraform(t *testing.T) *terraformModule {
	t.Helper()
	m := &terraformModule{t: t, dir: filepath.Join(packaging, "fleet", "terraform"), variables: map[string]*hclsyntax.Block{}}
	files, err := filepath.Glob(filepath.Join(m.dir, "*.tf"))
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	parser := hclparse.NewParser()
	for _, name := range files {
		f, diags := parser.ParseHCLFile(name)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, b := range f.Body.(*hclsyntax.Body).Blocks {
			m.blocks = append(m.blocks, b)
			if b.Type == "variable" {
				m.variables[b.Labels[0]] = b
			}
		}
	}
	return m
}

// block returns the block of a type and labels.
func (m *terraformModule) block(kind string, labels ...string) *hclsyntax.Block {
	m.t.Helper()
	for _, b := range m.blocks {
		if b.Type == kind && slices.Equal(b.Labels, labels) {
			return b
		}
	}
	m.t.Fatalf("no %s %q", kind, labels)
	return nil
}

// eval returns the value of an expression with these variables.
func (m *terraformModule) eval(e hclsyntax.Expression, vars map[string]cty.Value) cty.Value {
	m.t.Helper()
	v, diags := e.Value(&hcl.EvalContext{Variables: vars, Functions: m.functions()})
	if diags.HasErrors() {
		m.t.Fatal(diags)
	}
	return v
}

// functions are those of Terraform that the module calls.
func (m *terraformModule) functions() map[string]function.Function {
	text := func(name string, do func(args []cty.Value) string, params ...function.Parameter) function.Function {
		return function.New(&function.Spec{
			Description: name, Params: params, Type: function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return cty.StringVal(do(args)), nil },
		})
	}
	str := function.Parameter{Name: "s", Type: cty.String}
	return map[string]function.Function{
		"base64encode": text("base64encode", func(a []cty.Value) string {
			return base64.StdEncoding.EncodeToString([]byte(a[0].AsString()))
		}, str),
		"file": text("file", func(a []cty.Value) string { return m.file(a[0].AsString()) }, str),
		"templatefile": text("templatefile", func(a []cty.Value) string {
			name := a[0].AsString()
			e, diags := hclsyntax.ParseTemplate([]byte(m.file(name)), name, hcl.InitialPos)
			if diags.HasErrors() {
				m.t.Fatal(diags)
			}
			return m.eval(e, a[1].AsValueMap()).AsString()
		}, str, function.Parameter{Name: "vars", Type: cty.DynamicPseudoType}),
		"strcontains": function.New(&function.Spec{
			Params: []function.Parameter{str, str}, Type: function.StaticReturnType(cty.Bool),
			Impl: func(a []cty.Value, _ cty.Type) (cty.Value, error) {
				return cty.BoolVal(strings.Contains(a[0].AsString(), a[1].AsString())), nil
			},
		}),
		"join": stdlib.JoinFunc, "jsonencode": stdlib.JSONEncodeFunc, "jsondecode": stdlib.JSONDecodeFunc,
		"regex": stdlib.RegexFunc, "can": tryfunc.CanFunc,
	}
}

func (m *terraformModule) file(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b)
}

// TestTerraform wants instances that answer in hardened mode alone, with the role
// and the policy given, and user data that installs what the other templates do.
func TestTerraform(t *testing.T) {
	t.Parallel()
	m := readTerraform(t)
	sum := strings.Repeat("0a", 32)
	vars := map[string]cty.Value{
		"config":         cty.StringVal(string(readPackaging(t, "fleet/osssync.toml"))),
		"policy":         cty.StringVal(string(readPackaging(t, "fleet/policy.json"))),
		"package_url":    cty.StringVal("https://example.com/osssync.deb"),
		"package_sha256": cty.StringVal(sum),
		"groups":         cty.ListVal([]cty.Value{cty.StringVal("adm"), cty.StringVal("app")}),
	}
	all := map[string]cty.Value{
		"var":  cty.ObjectVal(vars),
		"path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(m.dir)}),
	}
	instance := m.block("resource", "alicloud_instance", "osssync").Body.Attributes
	if got := m.eval(instance["http_tokens"].Expr, all).AsString() + m.eval(instance["http_endpoint"].Expr, all).AsString(); got != "requiredenabled" {
		t.Errorf("the metadata service of an instance: %s", got)
	}
	role := m.block("resource", "alicloud_ram_role", "osssync").Body.Attributes
	if got := m.eval(role["assume_role_policy_document"].Expr, all).AsString(); got != string(readPackaging(t, "fleet/trust.json")) {
		t.Errorf("the role is trusted by %s", got)
	}
	data, err := base64.StdEncoding.DecodeString(m.eval(instance["user_data"].Expr, all).AsString())
	if err != nil {
		t.Fatal(err)
	}
	var user cloudConfig
	if err := yaml.Unmarshal(data, &user); err != nil || !strings.HasPrefix(string(data), "#cloud-config\n") {
		t.Fatalf("%v:\n%s", err, data)
	}
	written := map[string]string{}
	for _, f := range user.WriteFiles {
		text := f.Content
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			text = string(b)
		}
		written[f.Path] = text
	}
	for path, want := range map[string]string{
		"/etc/osssync/osssync.toml":                         vars["config"].AsString(),
		"/usr/local/sbin/osssync-install":                   string(readPackaging(t, "fleet/install.sh")),
		"/etc/systemd/system/osssync.service.d/groups.conf": "[Service]\nSupplementaryGroups=adm app\n",
	} {
		if written[path] != want {
			t.Errorf("%s is\n%s\nwant\n%s", path, written[path], want)
		}
	}
	if want := []string{"/usr/local/sbin/osssync-install", "https://example.com/osssync.deb", sum}; len(user.Runcmd) != 1 || !slices.Equal(user.Runcmd[0], want) {
		t.Errorf("it runs %q, want %q", user.Runcmd, want)
	}
	m.checkVariables(vars)
}

// checkVariables wants each variable to be declared and used, and the checks of
// their values to take what is right and to refuse what is not.
func (m *terraformModule) checkVariables(good map[string]cty.Value) {
	m.t.Helper()
	used := map[string]bool{}
	for _, b := range m.blocks {
		if b.Type == "variable" {
			continue
		}
		hclsyntax.VisitAll(b.Body, func(n hclsyntax.Node) hcl.Diagnostics {
			if e, ok := n.(*hclsyntax.ScopeTraversalExpr); ok && e.Traversal.RootName() == "var" {
				used[e.Traversal[1].(hcl.TraverseAttr).Name] = true
			}
			return nil
		})
	}
	for name := range used {
		if m.variables[name] == nil {
			m.t.Errorf("variable %s is not declared", name)
		}
	}
	for name, b := range m.variables {
		if !used[name] {
			m.t.Errorf("variable %s is not used", name)
		}
		for _, check := range b.Body.Blocks {
			takes := func(v cty.Value) bool {
				vars := map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{name: v})}
				return m.eval(check.Body.Attributes["condition"].Expr, vars).True()
			}
			if !takes(good[name]) || takes(cty.StringVal("http://x/y.deb")) {
				m.t.Errorf("the check of variable %s takes the wrong values", name)
			}
		}
	}
}
