package config

import "time"

// A section is a table of the file, or a list of them.
type section struct {
	name string
	why  string // for the example and the manual
	keys []key
}

// A key is all there is to know about one key of the file.
type key struct {
	name     string
	field    func(*Config, *Job) any        // points to where the value is kept; its type says what may be written
	def      any                            // default, as the TOML parser gives it
	why      string                         // one line for the example, the schema and the manual
	sample   any                            // what the example sets instead of the default
	required bool                           // no default will do
	oneOf    []string                       // the only values
	check    func(value any) error          // of the value kept; an empty string, list or table is not checked
	entry    func(name, value string) error // of each element of a list (name is "") or table
}

const jobSection = "job"

// sections are all keys, in the order in which people read of them.
var sections = []section{
	{"oss", "Where objects go.", ossKeys},
	{"credentials", "How the RAM role's credential is had. There is no access key in this file, ever.", credentialsKeys},
	{"agent", "The agent as a whole.", agentKeys},
	{jobSection, "One directory and where its files go. Repeat for each directory.", jobKeys},
}

var ossKeys = []key{
	{name: "bucket", field: func(c *Config, _ *Job) any { return &c.OSS.Bucket }, def: "", sample: "my-bucket",
		why: "for jobs that name none, and for ls", check: ofString(CheckBucket)},
	{name: "region", field: func(c *Config, _ *Job) any { return &c.OSS.Region }, def: "",
		why: `"" = this instance's, from the metadata service`, check: ofString(checkRegion)},
	{name: "endpoint", field: func(c *Config, _ *Job) any { return &c.OSS.Endpoint }, def: "",
		why: `"" = https://oss-REGION-internal.aliyuncs.com, which costs no traffic fees`, check: ofString(checkEndpoint)},
	{name: "allow_http", field: func(c *Config, _ *Job) any { return &c.OSS.AllowHTTP }, def: false,
		why: "plain http sends the token in the clear; loopback is always allowed"},
	{name: "path_style", field: func(c *Config, _ *Job) any { return &c.OSS.PathStyle }, def: false,
		why: "for test servers; forced on for IP endpoints"},
}

var credentialsKeys = []key{
	{name: "role", field: func(c *Config, _ *Job) any { return &c.Credentials.Role }, def: "",
		why: `"" = the attached role, found again when it changes; a name refuses any other`, check: ofString(checkRole)},
	{name: "metadata_endpoint", field: func(c *Config, _ *Job) any { return &c.Credentials.MetadataEndpoint }, def: "http://100.100.100.200", required: true,
		why: "only this address or loopback is accepted, for whoever answers there is believed", check: ofString(checkMetadataEndpoint)},
	{name: "cache", field: func(c *Config, _ *Job) any { return &c.Credentials.Cache }, def: true,
		why: "keep the STS token in a private file until it expires, so that restarts and ls need not ask again"},
	{name: "assume_role_arn", field: func(c *Config, _ *Job) any { return &c.Credentials.AssumeRoleARN }, def: "",
		why: "a second role, assumed with the instance's, such as one of another account", check: ofString(checkRoleARN)},
	{name: "session_name", field: func(c *Config, _ *Job) any { return &c.Credentials.SessionName }, def: "osssync-{instance_id}", required: true,
		why: "what the second role's audit log calls this machine", check: ofString(checkSessionName)},
	{name: "external_id", field: func(c *Config, _ *Job) any { return &c.Credentials.ExternalID }, def: "",
		why: "what the second role's trust policy may ask for", check: ofString(checkExternalID)},
	{name: "session_policy", field: func(c *Config, _ *Job) any { return &c.Credentials.SessionPolicy }, def: "",
		why: "a policy in JSON that narrows the second role further", check: ofString(checkSessionPolicy)},
	{name: "session_duration", field: func(c *Config, _ *Job) any { return &c.Credentials.SessionDuration }, def: "1h",
		why: "life of the second role's token, at most what that role allows", check: ofDuration(15*time.Minute, 12*time.Hour)},
	{name: "sts_endpoint", field: func(c *Config, _ *Job) any { return &c.Credentials.STSEndpoint }, def: "",
		why: `"" = https://sts-vpc.REGION.aliyuncs.com`, check: ofString(checkSTSEndpoint)},
}

var agentKeys = []key{
	{name: "state_dir", field: func(c *Config, _ *Job) any { return &c.Agent.StateDir }, def: "",
		why: `the index and the token cache; "" = /var/lib/osssync or %ProgramData%\osssync`, check: ofString(checkAbsolute)},
	{name: "max_uploads", field: func(c *Config, _ *Job) any { return &c.Agent.MaxUploads }, def: int64(64),
		why: "upper bound; the agent finds the best number below it", check: ofInt(1, 1024)},
	{name: "memory", field: func(c *Config, _ *Job) any { return &c.Agent.Memory }, def: "256MiB", required: true,
		why: "upload buffers in flight, whatever the number of uploads", check: ofSize(16 * MiB)},
	{name: "bandwidth", field: func(c *Config, _ *Job) any { return &c.Agent.Bandwidth }, def: "off",
		why: `per second: "off", "10MiB", or a timetable such as "Mon-Fri 08:00,2MiB 19:00,off"`},
	{name: "rescan", field: func(c *Config, _ *Job) any { return &c.Agent.Rescan }, def: "1h",
		why: "a full scan finds what events missed; of an unchanged tree it sends nothing", check: ofDuration(time.Second, 30*day)},
	{name: "stop_grace", field: func(c *Config, _ *Job) any { return &c.Agent.StopGrace }, def: "20s",
		why: "how long uploads under way may go on after a stop; the next start resumes what is left", check: ofDuration(0, time.Hour)},
	{name: "listen", field: func(c *Config, _ *Job) any { return &c.Agent.Listen }, def: "",
		why: `such as "127.0.0.1:9464": /metrics, /healthz and the status page; "" = none`, check: ofString(checkListen)},
	{name: "log_level", field: func(c *Config, _ *Job) any { return &c.Agent.LogLevel }, def: "info",
		why: "how much is said", oneOf: []string{"debug", "info", "warn", "error"}},
	{name: "log_format", field: func(c *Config, _ *Job) any { return &c.Agent.LogFormat }, def: "auto",
		why: "auto = text on a terminal, json elsewhere", oneOf: []string{"auto", "text", "json"}},
}

var jobKeys = []key{
	{name: "name", field: func(_ *Config, j *Job) any { return &j.Name }, def: "", sample: "app-logs", required: true,
		why: "what commands, logs and metrics call it", check: ofString(checkJobName)},
	{name: "source", field: func(_ *Config, j *Job) any { return &j.Source }, def: "", sample: exampleSource, required: true,
		why: "absolute path of the directory", check: ofString(checkAbsolute)},
	{name: "bucket", field: func(_ *Config, j *Job) any { return &j.Bucket }, def: "",
		why: `"" = that of [oss]`, check: ofString(CheckBucket)},
	{name: "prefix", field: func(_ *Config, j *Job) any { return &j.Prefix }, def: "", sample: "logs/{instance_id}/",
		why: "goes before each path; {instance_id} {hostname} {region} {zone} {account} {job} {date:2006/01/02} {hash2}", check: ofString(checkPrefix)},
	{name: "filter", field: func(_ *Config, j *Job) any { return &j.Filter }, def: []any{},
		why: `such as ["- *.tmp", "- .git/", "+ **"]: gitignore-style patterns, first match wins, default is to take`, entry: checkRule},
	{name: "min_size", field: func(_ *Config, j *Job) any { return &j.MinSize }, def: "",
		why: `smaller files stay here; "" = none`},
	{name: "max_size", field: func(_ *Config, j *Job) any { return &j.MaxSize }, def: "",
		why: `larger files stay here; "" = none`},
	{name: "settle", field: func(_ *Config, j *Job) any { return &j.Settle }, def: "1s",
		why: "quiet time before a file is looked at; files provably closed by their writer do not wait it out", check: ofDuration(0, day)},
	{name: "max_wait", field: func(_ *Config, j *Job) any { return &j.MaxWait }, def: "1m",
		why: "a file kept open and written, such as a log, is sent as a proven snapshot this long after its first change; 0 = only when closed", check: ofDuration(0, 30*day)},
	{name: "deletes", field: func(_ *Config, j *Job) any { return &j.Deletes }, def: "keep",
		why: "what a deletion here does there: nothing, the same, or a move below trash_prefix", oneOf: []string{"keep", "mirror", "trash"}},
	{name: "trash_prefix", field: func(_ *Config, j *Job) any { return &j.TrashPrefix }, def: ".trash/", required: true,
		why: `goes before the key of what deletes = "trash" moves`, check: ofString(checkTrashPrefix)},
	{name: "max_deletes", field: func(_ *Config, j *Job) any { return &j.MaxDeletes }, def: "1000",
		why: `or "10%": more within an hour are held back, all of them, until osssync approve`},
	{name: "renames", field: func(_ *Config, j *Job) any { return &j.Renames }, def: true,
		why: "server-side copy of a renamed file instead of a new upload; needs oss:GetObject"},
	{name: "after_upload", field: func(_ *Config, j *Job) any { return &j.AfterUpload }, def: "keep", required: true,
		why: `what becomes of the file: keep, delete, or "move:/path"`, check: ofString(checkAfterUpload)},
	{name: "symlinks", field: func(_ *Config, j *Job) any { return &j.Symlinks }, def: "skip",
		why: "follow = those that stay inside the source", oneOf: []string{"skip", "follow"}},
	{name: "watch", field: func(_ *Config, j *Job) any { return &j.Watch }, def: "auto",
		why: "poll = scans only, for file systems that report no events, such as NFS", oneOf: []string{"auto", "poll"}},
	{name: "storage_class", field: func(_ *Config, j *Job) any { return &j.StorageClass }, def: "Standard",
		why: `of the objects; "" = the bucket's`, oneOf: []string{"", "Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}},
	{name: "encryption", field: func(_ *Config, j *Job) any { return &j.Encryption }, def: "",
		why: `on the server: AES256, KMS or KMS:KEY-ID; "" = as the bucket is set`, check: ofString(checkEncryption)},
	{name: "acl", field: func(_ *Config, j *Job) any { return &j.ACL }, def: "",
		why: `of the objects; "" = the bucket's`, oneOf: []string{"", "default", "private", "public-read", "public-read-write"}},
	{name: "cache_control", field: func(_ *Config, j *Job) any { return &j.CacheControl }, def: "",
		why: "header for browsers and CDN, such as max-age=3600", check: ofString(checkHeader)},
	{name: "content_types", field: func(_ *Config, j *Job) any { return &j.ContentTypes }, def: map[string]any{},
		why: `by extension, before the built-in table: { ".log" = "text/plain; charset=utf-8" }`, entry: checkContentType},
	{name: "metadata", field: func(_ *Config, j *Job) any { return &j.Metadata }, def: map[string]any{},
		why: `x-oss-meta-* of each object: { team = "web" }`, entry: checkMetadata, check: checkMetadataSize},
	{name: "tags", field: func(_ *Config, j *Job) any { return &j.Tags }, def: map[string]any{},
		why: `object tags, which lifecycle rules can use: { keep = "90d" }; at most 10`, entry: checkTag, check: checkTagCount},
	{name: "preserve", field: func(_ *Config, j *Job) any { return &j.Preserve }, def: true,
		why: "mtime and mode in x-oss-meta-osssync-*"},
}

// mandatory reports whether a file must set the key: no default will do.
func (k key) mandatory() bool { return k.required && k.def == "" }

// find returns the key of that name, or nil.
func (s section) find(name string) *key {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i]
		}
	}
	return nil
}

func (s section) names() []string {
	var all []string
	for _, k := range s.keys {
		all = append(all, k.name)
	}
	return all
}

func findSection(name string) *section {
	for i := range sections {
		if sections[i].name == name {
			return &sections[i]
		}
	}
	return nil
}
