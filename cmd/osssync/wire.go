package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/internal/bucket"
	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
)

// burst is the most that the limit on bandwidth lets through at once, bytes.
const burst = 64 << 10

// A session is what every command that talks to OSS shares: the configuration
// and the role's credential.
type session struct {
	config  *config.Config
	log     *slog.Logger
	started time.Time
	creds   *creds.Provider
	pace    *rate.Limiter // of all bodies
	sent    func(n int)   // hears of bytes of bodies as they go out; may be nil

	mu      sync.Mutex
	buckets map[string]*bucket.Bucket
}

// session reads the configuration, without a file the defaults, and prepares the
// credential provider. It asks nothing of the network yet.
func (a *app) session() (*session, error) {
	c, err := a.load(true)
	if err != nil {
		return nil, err
	}
	return newSession(c, a.quietLogger(c)), nil
}

// agentSession is session for the commands that keep an index: its directory
// is made first, so that the token is kept in it too.
func agentSession(c *config.Config, log *slog.Logger) (*session, error) {
	if err := makeStateDir(c.StateDir()); err != nil {
		return nil, &commandError{exitFailed, fmt.Errorf("make state directory: %w", err), agent.StateDirHint}
	}
	return newSession(c, log), nil
}

func newSession(c *config.Config, log *slog.Logger) *session {
	s := &session{config: c, log: log, started: time.Now(), pace: rate.NewLimiter(rate.Inf, burst), buckets: map[string]*bucket.Bucket{}}
	role := c.Credentials.Role
	if role == "" {
		role = os.Getenv("ALIBABA_CLOUD_ECS_METADATA")
	}
	chain := c.Credentials
	s.creds = creds.New(creds.Options{
		Endpoint: c.Credentials.MetadataEndpoint,
		Role:     role,
		CacheDir: cacheDir(c),
		Disabled: strings.EqualFold(os.Getenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED"), "true"),
		AssumeRole: creds.AssumeRole{
			ARN:         chain.AssumeRoleARN,
			SessionName: chain.SessionName,
			ExternalID:  chain.ExternalID,
			Policy:      chain.SessionPolicy,
			Duration:    time.Duration(chain.SessionDuration),
			Endpoint:    chain.STSEndpoint,
		},
		Logger: log,
	})
	return s
}

// cacheDir returns where the STS token is kept: with the agent's state where
// that is ours, else in the user's own cache directory, for a one-shot of
// another user must neither read the agent's token nor write into its state.
func cacheDir(c *config.Config) string {
	if !c.Credentials.Cache {
		return ""
	}
	if ownedByUs(c.StateDir()) {
		return filepath.Join(c.StateDir(), "credentials")
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "" // no home: do without a cache
	}
	return filepath.Join(base, "osssync", "credentials")
}

// bucket returns the client of one bucket, "" for the calls that concern none.
// Region and endpoint are the configuration's, else this instance's.
func (s *session) bucket(ctx context.Context, name string) (*bucket.Bucket, error) {
	s.mu.Lock()
	b := s.buckets[name]
	s.mu.Unlock()
	if b != nil {
		return b, nil
	}
	// Without the lock: whoever counts requests must not wait for the metadata
	// service.
	region := s.config.OSS.Region
	if region == "" {
		id, err := s.creds.Identity(ctx)
		if err != nil {
			return nil, err
		}
		region = id.Region
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.buckets[name]; b != nil { // of another job, meanwhile
		return b, nil
	}
	b, err := bucket.New(bucket.Options{
		Name:        name,
		Region:      region,
		Endpoint:    s.config.OSS.Endpoint,
		PathStyle:   s.config.OSS.PathStyle,
		AllowHTTP:   s.config.OSS.AllowHTTP,
		Credentials: s.creds,
		MaxConns:    s.config.Agent.MaxUploads,
		Limiter:     s.pace,
		Sent:        s.sent,
		UserAgent:   "osssync/" + version,
		Logger:      s.log,
	})
	if err != nil {
		return nil, err
	}
	s.buckets[name] = b
	return b, nil
}

// uploadBucket is bucket for the agent.
func (s *session) uploadBucket(ctx context.Context, name string) (upload.Bucket, error) {
	return s.bucket(ctx, name)
}

// guards returns what jobs need to notice another agent below their prefix.
func (s *session) guards() *agent.Guards {
	return &agent.Guards{
		Instance: func(ctx context.Context) (string, error) {
			id, err := s.creds.Identity(ctx)
			return id.InstanceID, err
		},
		Store: func(ctx context.Context, name string) (agent.LeaseStore, error) { return s.bucket(ctx, name) },
		Now:   func() time.Time { return time.Now().Add(s.creds.Offset()) },
	}
}

// about returns what the agent's status says of this process and its
// credential.
func (s *session) about() agent.Status {
	st := agent.Status{Version: version, PID: os.Getpid(), Started: s.started.UTC()}
	snap, err := s.creds.Credentials()
	if err != nil {
		st.Credentials.Error = err.Error()
		return st
	}
	expires := snap.Expires.UTC()
	st.Credentials = agent.CredentialStatus{Role: snap.Role, Expires: &expires, Source: snap.Source}
	return st
}

// requests returns how many requests were sent to OSS.
func (s *session) requests() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n int64
	for _, b := range s.buckets {
		n += b.Requests()
	}
	return n
}

// vars returns what stands for the placeholders of the job's prefix. The
// metadata service is asked only if one needs it.
func (s *session) vars(ctx context.Context, job *config.Job) (config.Vars, error) {
	v := config.Vars{Job: job.Name}
	if config.Uses(job.Prefix, "hostname") {
		host, err := os.Hostname()
		if err != nil {
			return v, err
		}
		v.Hostname = host
	}
	for _, name := range []string{"instance_id", "region", "zone", "account"} {
		if !config.Uses(job.Prefix, name) {
			continue
		}
		id, err := s.creds.Identity(ctx)
		if err != nil {
			return v, err
		}
		v.InstanceID, v.Region, v.Zone, v.Account = id.InstanceID, id.Region, id.Zone, id.AccountID
		break
	}
	return v, nil
}
