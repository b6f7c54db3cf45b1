package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"
	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/test/sandbox/box"
)

// grantEnv holds the credential of a client that signs, "ID SECRET TOKEN".
const grantEnv = "OSSSYNC_BENCH_GRANT"

// grant returns the environment of such a client.
func (w *world) grant() string {
	g := w.Authority.Issue(box.DefaultRole)
	return grantEnv + "=" + g.AccessKeyID + " " + g.AccessKeySecret + " " + g.SecurityToken
}

// putBySDK puts every file as tools do that are made with the service's SDK and
// remember nothing: each is asked for before it is put.
func (c clientFlags) putBySDK(ctx context.Context, paths []string) error {
	grant := strings.Fields(os.Getenv(grantEnv))
	base, err := url.Parse(c.base)
	if err != nil || len(grant) != 3 {
		return errors.Join(err, fmt.Errorf("%s: three words wanted", grantEnv))
	}
	name := strings.TrimPrefix(base.Path, "/")
	base.Path = ""
	client, err := oss.New(base.String(), grant[0], grant[1], oss.SecurityToken(grant[2]),
		oss.AuthVersion(oss.AuthV4), oss.Region(c.region), oss.ForcePathStyle(true))
	if err != nil {
		return err
	}
	bucket, err := client.Bucket(name)
	if err != nil {
		return err
	}
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range c.workers {
		g.Go(func() error {
			for i := next.Add(1) - 1; i < int64(len(paths)); i = next.Add(1) - 1 {
				key := "sdk-" + filepath.Base(paths[i])
				there, err := bucket.IsObjectExist(key, oss.WithContext(ctx))
				if err != nil || there {
					return errors.Join(err, fmt.Errorf("%s: is there: %t", key, there))
				}
				if err := bucket.PutObjectFromFile(key, paths[i], oss.WithContext(ctx)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
