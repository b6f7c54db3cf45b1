package config

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A Need is something to do with a bucket besides what the jobs do.
type Need int

const (
	NeedList    Need = iota // ls: see the jobs' prefixes and the way down to them
	NeedVerify              // verify: list below the jobs' prefixes
	NeedHead                // ask for the headers of a job's own objects, as after an answer that was lost
	NeedOrphans             // doctor: list unfinished multipart uploads
)

// A Document is a policy of Resource Access Management, ready for
// encoding/json.
type Document struct {
	Version   string
	Statement []Statement
}

// A Statement allows actions.
type Statement struct {
	Effect    string
	Action    []string
	Resource  []string                       `json:",omitempty"`
	Principal map[string][]string            `json:",omitempty"` // in trust policies only
	Condition map[string]map[string][]string `json:",omitempty"`
}

// JSON returns the document as people paste it into the console.
func (d Document) JSON() []byte {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		panic(err) // strings and maps of them always marshal
	}
	return append(b, '\n')
}

// Policy returns the least policy for the role that speaks to OSS: the
// instance's, or the second one where assume_role_arn names one. A placeholder
// in a prefix allows every value.
func Policy(c *Config, needs ...Need) Document {
	g := grants{}
	for _, j := range c.Jobs {
		g.job(j, cmp.Or(j.Bucket, c.OSS.Bucket), slices.Contains(needs, NeedHead))
	}
	d := Document{Version: "1", Statement: g.statements()}
	for _, bucket := range c.buckets() {
		d.Statement = append(d.Statement, c.listing(bucket, needs)...)
	}
	return d
}

// AssumePolicy returns the policy that lets the instance's role assume the
// second one, and false where there is none.
func AssumePolicy(c *Config) (Document, bool) {
	arn := c.Credentials.AssumeRoleARN
	return Document{Version: "1", Statement: []Statement{allow([]string{"sts:AssumeRole"}, arn)}}, arn != ""
}

// TrustPolicy returns the trust policy of the instance's role.
func TrustPolicy() Document {
	return Document{Version: "1", Statement: []Statement{{
		Effect: "Allow", Action: []string{"sts:AssumeRole"},
		Principal: map[string][]string{"Service": {"ecs.aliyuncs.com"}},
	}}}
}

func allow(actions []string, resources ...string) Statement {
	return Statement{Effect: "Allow", Action: actions, Resource: resources}
}

// grants are the actions that each resource needs.
type grants map[string]map[string]bool

func (g grants) add(resource string, actions ...string) {
	if g[resource] == nil {
		g[resource] = map[string]bool{}
	}
	for _, a := range actions {
		g[resource][a] = true
	}
}

// writeActions are what an upload in one request or in parts needs.
var writeActions = []string{"oss:PutObject", "oss:AbortMultipartUpload", "oss:ListParts"}

func objects(bucket, prefix string) string { return "acs:oss:*:*:" + bucket + "/" + prefix + "*" }

func (g grants) job(j Job, bucket string, head bool) {
	prefix := pattern(j.Prefix)
	own := objects(bucket, prefix)
	g.add(own, writeActions...)
	if j.Deletes != "keep" {
		g.add(own, "oss:DeleteObject")
	}
	if j.Renames || j.Deletes == "trash" || head {
		g.add(own, "oss:GetObject")
	}
	if j.Deletes == "mirror" && !j.Renames && !head && Shareable(j.Prefix) {
		// Who else writes here, before anything is deleted.
		g.add("acs:oss:*:*:"+bucket+"/"+pattern(LeaseKey(j.Prefix)), "oss:GetObject")
	}
	if len(j.Tags) > 0 {
		g.add(own, "oss:PutObjectTagging")
		if j.Renames {
			g.add(own, "oss:GetObjectTagging")
		}
	}
	if j.ACL != "" {
		g.add(own, "oss:PutObjectAcl")
	}
	if j.Deletes == "trash" {
		g.trash(j, objects(bucket, j.TrashPrefix+prefix))
	}
	if id, ok := strings.CutPrefix(j.Encryption, "KMS:"); ok {
		g.add("acs:kms:*:*:key/"+id, "kms:GenerateDataKey", "kms:Decrypt")
	} else if j.Encryption == "KMS" {
		g.add("acs:kms:*:*:*", "kms:GenerateDataKey", "kms:Decrypt")
	}
}

// trash allows what keeps a copy of a deleted object. It bears no tags, and its
// headers are read to prove it before the object goes.
func (g grants) trash(j Job, resource string) {
	g.add(resource, writeActions...)
	g.add(resource, "oss:GetObject")
	if j.ACL != "" {
		g.add(resource, "oss:PutObjectAcl")
	}
}

// statements returns one statement for each set of actions.
func (g grants) statements() []Statement {
	all := []Statement{}
	for _, resource := range slices.Sorted(maps.Keys(g)) {
		actions := slices.Sorted(maps.Keys(g[resource]))
		i := slices.IndexFunc(all, func(s Statement) bool { return slices.Equal(s.Action, actions) })
		if i < 0 {
			all = append(all, allow(actions, resource))
		} else {
			all[i].Resource = append(all[i].Resource, resource)
		}
	}
	return all
}

// listing returns what is needed on a bucket itself.
func (c *Config) listing(bucket string, needs []Need) []Statement {
	var all []Statement
	resource := "acs:oss:*:*:" + bucket
	prefixes, parents := c.prefixes(bucket, slices.Contains(needs, NeedList))
	if slices.Contains(needs, NeedList) || slices.Contains(needs, NeedVerify) {
		s := allow([]string{"oss:ListObjects"}, resource)
		if !slices.Contains(prefixes, "*") {
			s.Condition = map[string]map[string][]string{"StringLike": {"oss:Prefix": prefixes}}
		}
		all = append(all, s)
	}
	if slices.Contains(needs, NeedList) && !slices.Contains(prefixes, "*") {
		s := allow([]string{"oss:ListObjects"}, resource)
		s.Condition = map[string]map[string][]string{"StringLike": {"oss:Delimiter": {"/"}, "oss:Prefix": parents}}
		all = append(all, s)
	}
	if slices.Contains(needs, NeedOrphans) {
		all = append(all, allow([]string{"oss:ListMultipartUploads"}, resource))
	}
	return all
}

// buckets returns every bucket that the configuration names, sorted.
func (c *Config) buckets() []string {
	set := map[string]bool{}
	if c.OSS.Bucket != "" {
		set[c.OSS.Bucket] = true
	}
	for _, j := range c.Jobs {
		if j.Bucket != "" {
			set[j.Bucket] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// prefixes returns the patterns of what may be listed in a bucket, and the
// directories on the way to them. In a bucket without jobs that is all. For
// people, who do not type an instance's id, a pattern ends at the first
// placeholder.
func (c *Config) prefixes(bucket string, people bool) (patterns, parents []string) {
	found, above := map[string]bool{}, map[string]bool{}
	for _, j := range c.Jobs {
		if cmp.Or(j.Bucket, c.OSS.Bucket) != bucket {
			continue
		}
		lead, _, _ := strings.Cut(j.Prefix, "{")
		if people {
			found[lead+"*"] = true
		} else {
			found[pattern(j.Prefix)+"*"] = true
		}
		for i := range lead {
			if i == 0 || lead[i-1] == '/' {
				above[lead[:i]] = true
			}
		}
	}
	if len(found) == 0 {
		found["*"] = true
	}
	return slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(above))
}

// pattern returns the pattern that a prefix matches whatever its placeholders
// stand for.
func pattern(prefix string) string {
	p, _ := replace(prefix, func(string) (string, error) { return "*", nil })
	return p
}
