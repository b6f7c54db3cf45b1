package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/bucket"
)

const lsLong = `List objects, one level by default: what lies below is shown as a prefix that
ends in "/". Without an argument the configured bucket is listed, or, where
none is configured or there is no configuration file, the buckets. The order is
the bucket's: that of the UTF-8 bytes of the keys.`

// An lsCommand lists objects or buckets.
type lsCommand struct {
	app       *app
	long      bool
	recursive bool
	human     bool
	json      bool
	limit     int
}

func (a *app) lsCommand() *cobra.Command {
	c := &lsCommand{app: a}
	cmd := &cobra.Command{
		Use:   "ls [oss://BUCKET[/PREFIX]] [-l] [-r] [-H] [-n N] [--json]",
		Short: a.tr("List objects"),
		Long:  a.tr(lsLong),
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&c.long, "long", "l", false, a.tr("show size, time, class and ETag"))
	f.BoolVarP(&c.recursive, "recursive", "r", false, a.tr("list all levels"))
	f.BoolVarP(&c.human, "human", "H", false, a.tr("show sizes as people read them, such as 1.5 MiB"))
	f.IntVarP(&c.limit, "limit", "n", 0, a.tr("stop after this many lines; 0 means all"))
	f.BoolVar(&c.json, "json", false, a.tr("print one JSON object per line"))
	return cmd
}

func (c *lsCommand) run(ctx context.Context, args []string) error {
	if c.limit < 0 {
		return usageErrorf("--limit %d: not a number of lines", c.limit)
	}
	var url ossURL
	if len(args) == 1 {
		var err error
		if url, err = parseURL(args[0]); err != nil {
			return err
		}
	}
	s, err := c.app.session()
	if err != nil {
		return err
	}
	if url.bucket == "" {
		url.bucket = s.config.OSS.Bucket
	}
	out := bufio.NewWriter(c.app.stdout)
	if url.bucket == "" {
		err = c.listBuckets(ctx, s, out)
	} else {
		err = c.listObjects(ctx, s, url, out)
	}
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return err
}

func (c *lsCommand) listObjects(ctx context.Context, s *session, url ossURL, out io.Writer) error {
	b, err := s.bucket(ctx, url.bucket)
	if err != nil {
		return err
	}
	opt := bucket.ListOptions{Prefix: url.key, Limit: c.limit}
	if !c.recursive {
		opt.Delimiter = "/"
	}
	for item, err := range b.List(ctx, opt) {
		if err != nil {
			return err
		}
		if err := c.print(out, item); err != nil {
			return err
		}
	}
	return nil
}

// An objectLine is a line of ls --json about an object.
type objectLine struct {
	Key          string    `json:"key"`
	Size         int64     `json:"size"`
	LastModified time.Time `json:"last_modified"`
	ETag         string    `json:"etag"`
	StorageClass string    `json:"storage_class"`
	Type         string    `json:"type"`
}

func (c *lsCommand) print(w io.Writer, o bucket.Item) error {
	var err error
	switch {
	case c.json && o.Prefix != "":
		err = json.NewEncoder(w).Encode(map[string]string{"prefix": o.Prefix})
	case c.json:
		err = json.NewEncoder(w).Encode(objectLine{o.Key, o.Size, o.Modified.UTC(), o.ETag, o.StorageClass, o.Type})
	case c.long && o.Prefix != "":
		_, err = fmt.Fprintf(w, "%12s  %-20s  %-11s  %-35s  %s\n", "-", "-", "-", "-", c.name(o.Prefix))
	case c.long:
		_, err = fmt.Fprintf(w, "%12s  %-20s  %-11s  %-35s  %s\n",
			c.size(o.Size), o.Modified.UTC().Format(time.RFC3339), o.StorageClass, o.ETag, c.name(o.Key))
	case o.Prefix != "":
		_, err = fmt.Fprintln(w, c.name(o.Prefix))
	default:
		_, err = fmt.Fprintln(w, c.name(o.Key))
	}
	return err
}

// name returns a key as it is, or, on a terminal, with control characters
// made visible.
func (c *lsCommand) name(key string) string {
	if isTerminal(c.app.stdout) {
		return printable(key)
	}
	return key
}

func (c *lsCommand) size(n int64) string {
	if c.human {
		return humanize.IBytes(uint64(n))
	}
	return fmt.Sprint(n)
}

// A bucketLine is a line of ls --json about a bucket.
type bucketLine struct {
	Bucket       string    `json:"bucket"`
	Region       string    `json:"region"`
	Created      time.Time `json:"created"`
	StorageClass string    `json:"storage_class"`
}

func (c *lsCommand) listBuckets(ctx context.Context, s *session, out io.Writer) error {
	b, err := s.bucket(ctx, "")
	if err != nil {
		return err
	}
	n := 0
	for item, err := range b.Buckets(ctx) {
		if err != nil {
			return err
		}
		if n++; c.limit > 0 && n > c.limit {
			return nil
		}
		switch {
		case c.json:
			err = json.NewEncoder(out).Encode(bucketLine{item.Name, item.Region, item.Created.UTC(), item.StorageClass})
		case c.long:
			_, err = fmt.Fprintf(out, "%-20s  %-16s  %-11s  oss://%s\n",
				item.Created.UTC().Format(time.RFC3339), item.Region, item.StorageClass, item.Name)
		default:
			_, err = fmt.Fprintf(out, "oss://%s\n", item.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
