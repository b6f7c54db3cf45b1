package config

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPolicy(t *testing.T) {
	job := func(change func(*Job)) Job {
		j := DefaultJob()
		j.Name, j.Bucket, j.Prefix, j.Renames = "a", "bkt", "logs/", false // append-only
		change(&j)
		return j
	}
	const (
		put    = "oss:AbortMultipartUpload oss:ListParts oss:PutObject"
		putGet = "oss:AbortMultipartUpload oss:GetObject oss:ListParts oss:PutObject"
		logs   = "acs:oss:*:*:bkt/logs/*"
		lease  = "oss:GetObject > acs:oss:*:*:bkt/logs/.osssync/lease"
		kms    = "kms:Decrypt kms:GenerateDataKey"
	)
	tests := []struct {
		name  string
		jobs  []Job
		needs []Need
		want  []string // actions > resources [if conditions]
	}{
		{"nothing", nil, nil, nil},
		{"append-only", []Job{job(func(*Job) {})}, nil, []string{put + " > " + logs}},
		{"whole bucket", []Job{job(func(j *Job) { j.Prefix = "" })}, nil, []string{put + " > acs:oss:*:*:bkt/*"}},
		{"bucket of [oss]", []Job{job(func(j *Job) { j.Bucket = "" })}, nil, []string{put + " > acs:oss:*:*:common/logs/*"}},
		{"placeholders", []Job{job(func(j *Job) { j.Prefix = "logs/{instance_id}/{date:2006/01}-x/" })}, nil,
			[]string{put + " > acs:oss:*:*:bkt/logs/*/*-x/*"}},
		{"renames", []Job{job(func(j *Job) { j.Renames = true })}, nil, []string{putGet + " > " + logs}},
		{"lost answers", []Job{job(func(*Job) {})}, []Need{NeedHead}, []string{putGet + " > " + logs}},
		{"mirror", []Job{job(func(j *Job) { j.Deletes = "mirror" })}, nil,
			[]string{"oss:AbortMultipartUpload oss:DeleteObject oss:ListParts oss:PutObject > " + logs, lease}},
		{"mirror of many hosts", []Job{job(func(j *Job) { j.Deletes, j.Prefix = "mirror", "logs/{hostname}/{date:2006}/" })}, nil,
			[]string{"oss:AbortMultipartUpload oss:DeleteObject oss:ListParts oss:PutObject > acs:oss:*:*:bkt/logs/*/*/*",
				"oss:GetObject > acs:oss:*:*:bkt/logs/*/.osssync/lease"}},
		{"mirror of this instance alone", []Job{job(func(j *Job) { j.Deletes, j.Prefix = "mirror", "logs/{instance_id}/" })}, nil,
			[]string{"oss:AbortMultipartUpload oss:DeleteObject oss:ListParts oss:PutObject > acs:oss:*:*:bkt/logs/*/*"}},
		{"mirror and renames", []Job{job(func(j *Job) { j.Deletes, j.Renames = "mirror", true })}, nil,
			[]string{"oss:AbortMultipartUpload oss:DeleteObject oss:GetObject oss:ListParts oss:PutObject > " + logs}},
		{"trash", []Job{job(func(j *Job) { j.Deletes = "trash" })}, nil, []string{
			putGet + " > acs:oss:*:*:bkt/.trash/logs/*",
			"oss:AbortMultipartUpload oss:DeleteObject oss:GetObject oss:ListParts oss:PutObject > " + logs,
		}},
		{"ACL", []Job{job(func(j *Job) { j.ACL = "private" })}, nil, []string{put + " oss:PutObjectAcl > " + logs}},
		{"tags", []Job{job(func(j *Job) { j.Tags = map[string]string{"a": "b"} })}, nil, []string{put + " oss:PutObjectTagging > " + logs}},
		{"tags and copies", []Job{job(func(j *Job) { j.Tags, j.Renames = map[string]string{"a": "b"}, true })}, nil, []string{
			"oss:AbortMultipartUpload oss:GetObject oss:GetObjectTagging oss:ListParts oss:PutObject oss:PutObjectTagging > " + logs}},
		{"tags, ACL and trash", []Job{job(func(j *Job) { j.Tags, j.ACL, j.Deletes = map[string]string{"a": "b"}, "private", "trash" })}, nil, []string{
			putGet + " oss:PutObjectAcl > acs:oss:*:*:bkt/.trash/logs/*",
			"oss:AbortMultipartUpload oss:DeleteObject oss:GetObject oss:ListParts oss:PutObject oss:PutObjectAcl oss:PutObjectTagging > " + logs}},
		{"AES256", []Job{job(func(j *Job) { j.Encryption = "AES256" })}, nil, []string{put + " > " + logs}},
		{"KMS", []Job{job(func(j *Job) { j.Encryption = "KMS" })}, nil, []string{kms + " > acs:kms:*:*:*", put + " > " + logs}},
		{"KMS key", []Job{job(func(j *Job) { j.Encryption = "KMS:9468da86" })}, nil, []string{kms + " > acs:kms:*:*:key/9468da86", put + " > " + logs}},
		{"two alike", []Job{job(func(*Job) {}), job(func(j *Job) { j.Prefix = "data/" })}, nil,
			[]string{put + " > acs:oss:*:*:bkt/data/* " + logs}},
		{"two unlike", []Job{job(func(*Job) {}), job(func(j *Job) { j.Prefix, j.Renames = "data/", true })}, nil,
			[]string{putGet + " > acs:oss:*:*:bkt/data/*", put + " > " + logs}},
		{"two into one", []Job{job(func(*Job) {}), job(func(j *Job) { j.Deletes = "mirror" })}, nil,
			[]string{"oss:AbortMultipartUpload oss:DeleteObject oss:ListParts oss:PutObject > " + logs, lease}},
		{"ls", []Job{job(func(j *Job) { j.Prefix = "logs/app/{job}/" })}, []Need{NeedList}, []string{
			put + " > acs:oss:*:*:bkt/logs/app/*/*",
			"oss:ListObjects > acs:oss:*:*:bkt if oss:Prefix=logs/app/*",
			"oss:ListObjects > acs:oss:*:*:bkt if oss:Delimiter=/ oss:Prefix=,logs/",
			"oss:ListObjects > acs:oss:*:*:common",
		}},
		{"ls of a whole bucket", []Job{job(func(j *Job) { j.Bucket, j.Prefix = "common", "{job}/" })}, []Need{NeedList}, []string{
			put + " > acs:oss:*:*:common/*/*",
			"oss:ListObjects > acs:oss:*:*:common",
		}},
		{"verify", []Job{job(func(j *Job) { j.Bucket, j.Prefix = "common", "{job}/x/" }), job(func(j *Job) { j.Bucket = "common" })}, []Need{NeedVerify}, []string{
			put + " > acs:oss:*:*:common/*/x/* acs:oss:*:*:common/logs/*",
			"oss:ListObjects > acs:oss:*:*:common if oss:Prefix=*/x/*,logs/*",
		}},
		{"orphan parts", []Job{job(func(j *Job) { j.Bucket = "" })}, []Need{NeedOrphans}, []string{
			put + " > acs:oss:*:*:common/logs/*", "oss:ListMultipartUploads > acs:oss:*:*:common",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Default()
			c.OSS.Bucket, c.Jobs = "common", tt.jobs
			d := Policy(&c, tt.needs...)
			if d.Version != "1" {
				t.Errorf("version %q, want 1", d.Version)
			}
			if diff := cmp.Diff(tt.want, statements(t, d)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// statements writes each statement on a line.
func statements(t *testing.T, d Document) []string {
	t.Helper()
	var lines []string
	for _, s := range d.Statement {
		line := strings.Join(s.Action, " ") + " > " + strings.Join(s.Resource, " ")
		if s.Effect != "Allow" {
			t.Errorf("%s: effect %q", line, s.Effect)
		}
		if s.Condition != nil {
			line += " if"
			for _, key := range []string{"oss:Delimiter", "oss:Prefix"} {
				if values, ok := s.Condition["StringLike"][key]; ok {
					line += " " + key + "=" + strings.Join(values, ",")
				}
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func TestPolicyJSON(t *testing.T) {
	c := Default()
	j := DefaultJob()
	j.Bucket, j.Prefix, j.Renames = "bkt", "logs/", false
	c.Jobs = []Job{j}
	const want = `{
  "Version": "1",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "oss:AbortMultipartUpload",
        "oss:ListParts",
        "oss:PutObject"
      ],
      "Resource": [
        "acs:oss:*:*:bkt/logs/*"
      ]
    },
    {
      "Effect": "Allow",
      "Action": [
        "oss:ListObjects"
      ],
      "Resource": [
        "acs:oss:*:*:bkt"
      ],
      "Condition": {
        "StringLike": {
          "oss:Prefix": [
            "logs/*"
          ]
        }
      }
    }
  ]
}
`
	if diff := cmp.Diff(want, string(Policy(&c, NeedVerify).JSON())); diff != "" {
		t.Error(diff)
	}
	if got := string(Policy(&Config{}).JSON()); !strings.Contains(got, `"Statement": []`) {
		t.Errorf("a policy of nothing is %s, want an empty list", got)
	}
}

func TestAssumePolicy(t *testing.T) {
	c := Default()
	if d, ok := AssumePolicy(&c); ok {
		t.Errorf("without a second role: %+v", d)
	}
	c.Credentials.AssumeRoleARN = "acs:ram::123456789012:role/target"
	d, ok := AssumePolicy(&c)
	if diff := cmp.Diff([]string{"sts:AssumeRole > acs:ram::123456789012:role/target"}, statements(t, d)); !ok || diff != "" {
		t.Error(ok, diff)
	}
}

func TestTrustPolicy(t *testing.T) {
	var got, want any
	if err := json.Unmarshal(TrustPolicy().JSON(), &got); err != nil {
		t.Fatal(err)
	}
	const text = `{"Version":"1","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole"],"Principal":{"Service":["ecs.aliyuncs.com"]}}]}`
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
