// Package config turns configuration files into a checked Config.
//
// [Load] reads one TOML file and the files of conf.d beside it. It is strict:
// an unknown key, a value of the wrong type and a value that makes no sense are
// mistakes, and all mistakes of all files are reported at once, each with its
// file, line and column. A file with a syntax error counts as one mistake and
// says nothing of what else it holds.
//
// # One table
//
// The table in keys.go lists every key once: its name, default, check and a
// line of why. The parser, [Default], [Example], [Schema], [Config.Settings]
// and the tables in the manual are made from it, so that they cannot disagree.
//
// # No secrets
//
// A key that is named like an access key, or a value that looks like one, is
// refused wherever it stands, and what it holds is never repeated in an error.
package config

// Config is the whole configuration. A Config that [Load] returned is checked:
// every value is one that contract and documentation allow. It is not changed
// after that and may be read by many goroutines.
type Config struct {
	OSS         OSS
	Credentials Credentials
	Agent       Agent
	Jobs        []Job

	origins map[string]Origin // by "oss.bucket", "job[0].filter[1]", "job[0]"
}

// OSS says where objects go.
type OSS struct {
	Bucket    string // for jobs that name none
	Region    string // such as "cn-hangzhou"; "" means this instance's
	Endpoint  string // with its scheme; "" means the region's internal one
	AllowHTTP bool   // plain http beyond loopback
	PathStyle bool   // bucket in the path rather than in the host name
}

// Credentials says how the credential of the instance's role is had. There is
// no place for an access key in it.
type Credentials struct {
	Role             string   // "" means the attached one
	MetadataEndpoint string   // the ECS metadata service, or one on loopback
	Cache            bool     // keep the STS token on disk
	AssumeRoleARN    string   // second role; "" means none
	SessionName      string   // of the second role, before [Expand]
	ExternalID       string   // for the second role
	SessionPolicy    string   // JSON that narrows the second role
	SessionDuration  Duration // of the second role's credential
	STSEndpoint      string   // with its scheme; "" means the region's
}

// Agent says how the agent behaves as a whole.
type Agent struct {
	StateDir   string // "" means [DefaultStateDir]; see [Config.StateDir]
	MaxUploads int    // upper bound of files in flight
	Memory     Size   // upload buffers in flight
	Bandwidth  Bandwidth
	Rescan     Duration // between full scans
	StopGrace  Duration // for uploads under way at a stop
	Listen     string   // host:port of metrics and status; "" means none
	LogLevel   string   // "debug", "info", "warn" or "error"
	LogFormat  string   // "auto", "text" or "json"
}

// Job is one directory and where its files go.
type Job struct {
	Name         string
	Source       string // absolute and clean
	Bucket       string // Load fills in OSS.Bucket where the job names none
	Prefix       string // before [Expand] and [ExpandPath]
	Filter       []string
	MinSize      Size              // 0 means none
	MaxSize      Size              // 0 means none
	Settle       Duration          // quiet time before a file is looked at
	MaxWait      Duration          // 0 means that a file is taken only when closed
	Deletes      string            // "keep", "mirror" or "trash"
	TrashPrefix  string            // where Deletes is "trash"
	MaxDeletes   Limit             // more in one window pauses the job
	Renames      bool              // server-side copy for a renamed file
	AfterUpload  string            // "keep", "delete" or "move:" and an absolute path
	Symlinks     string            // "skip" or "follow"
	Watch        string            // "auto" or "poll"
	StorageClass string            // "" means the bucket's
	Encryption   string            // "", "AES256", "KMS" or "KMS:" and a key id
	ACL          string            // "" means the bucket's
	CacheControl string            // header; "" means none
	ContentTypes map[string]string // by lower-case extension with its dot
	Metadata     map[string]string // names without x-oss-meta-, lower case
	Tags         map[string]string
	Preserve     bool // mtime and mode in x-oss-meta-osssync-*
}

// Default returns the configuration of an empty file.
func Default() Config {
	var c Config
	for _, s := range sections {
		if s.name == jobSection {
			continue
		}
		for _, k := range s.keys {
			k.assign(k.field(&c, nil), k.def)
		}
	}
	return c
}

// DefaultJob returns a job of which nothing is set, not even what Load asks
// for: a name and a source.
func DefaultJob() Job {
	var j Job
	for _, s := range sections {
		if s.name != jobSection {
			continue
		}
		for _, k := range s.keys {
			k.assign(k.field(nil, &j), k.def)
		}
	}
	return j
}

// StateDir returns the directory of the index and the token cache.
func (c *Config) StateDir() string {
	if c.Agent.StateDir != "" {
		return c.Agent.StateDir
	}
	return DefaultStateDir()
}

// Job returns the job of that name, or nil.
func (c *Config) Job(name string) *Job {
	for i := range c.Jobs {
		if c.Jobs[i].Name == name {
			return &c.Jobs[i]
		}
	}
	return nil
}
