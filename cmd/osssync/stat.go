package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/bucket"
)

// A statLine is what stat --json prints.
type statLine struct {
	Key          string            `json:"key"`
	Size         int64             `json:"size"`
	LastModified time.Time         `json:"last_modified"`
	ETag         string            `json:"etag"`
	CRC64        string            `json:"crc64"` // decimal; a string, for JSON's numbers are too short
	Metadata     map[string]string `json:"metadata"`
	ContentType  string            `json:"content_type"`
	CacheControl string            `json:"cache_control"`
	StorageClass string            `json:"storage_class"`
	Encryption   string            `json:"encryption"`
	Type         string            `json:"type"`
	Tags         int               `json:"tags"` // how many
}

func (a *app) statCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stat oss://BUCKET/KEY [--json]",
		Short: a.tr("Show one object's headers"),
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.stat(cmd.Context(), args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, a.tr("print JSON"))
	return cmd
}

func (a *app) stat(ctx context.Context, arg string, asJSON bool) error {
	url, err := parseObjectURL(arg)
	if err != nil {
		return err
	}
	s, err := a.session()
	if err != nil {
		return err
	}
	b, err := s.bucket(ctx, url.bucket)
	if err != nil {
		return err
	}
	o, err := b.Describe(ctx, url.key)
	if err != nil {
		return err
	}
	if o.Metadata == nil {
		o.Metadata = map[string]string{}
	}
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(statLine{
			url.key, o.Size, o.Modified.UTC(), o.ETag, strconv.FormatUint(o.CRC64, 10), o.Metadata,
			o.ContentType, o.CacheControl, o.StorageClass, o.Encryption, o.Type, o.Tags,
		})
	}
	return a.printStat(url, o)
}

func (a *app) printStat(url ossURL, o bucket.Description) error {
	_, err := fmt.Fprintf(a.stdout, "object     %s\nsize       %d\nmodified   %s\netag       %s\ncrc64      %d\n",
		printable(url.String()), o.Size, o.Modified.UTC().Format(time.RFC3339), o.ETag, o.CRC64)
	for _, line := range []struct{ name, value string }{
		{"type", o.Type}, {"class", o.StorageClass}, {"content", o.ContentType}, {"cache", o.CacheControl}, {"encrypted", o.Encryption},
	} {
		if err == nil && line.value != "" {
			_, err = fmt.Fprintf(a.stdout, "%-10s %s\n", line.name, printable(line.value))
		}
	}
	if err == nil && o.Tags > 0 {
		_, err = fmt.Fprintf(a.stdout, "tags       %d\n", o.Tags)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Metadata)) {
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "metadata   %s: %s\n", name, printable(o.Metadata[name]))
		}
	}
	return err
}
