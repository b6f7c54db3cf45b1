package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/osssync/osssync/internal/upload"
)

const putLong = `Upload one file, or standard input of any length for "-". A key that ends in
"/" gets the file's name. Done means that the server's CRC-64 equals the one of
the bytes read.`

// A putCommand uploads one file or standard input.
type putCommand struct {
	app         *app
	contentType string
	class       string
}

func (a *app) putCommand() *cobra.Command {
	c := &putCommand{app: a}
	cmd := &cobra.Command{
		Use:   "put FILE|- oss://BUCKET/KEY",
		Short: a.tr("Upload one file or standard input"),
		Long:  a.tr(putLong),
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd.Context(), args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.contentType, "content-type", "", a.tr("content type; by default from the key's extension"))
	f.StringVar(&c.class, "storage-class", "", a.tr("storage class; by default the bucket's"))
	return cmd
}

func (c *putCommand) run(ctx context.Context, file, dst string) error {
	url, err := parseNewURL(dst, file)
	if err != nil {
		return err
	}
	src, size, check, err := c.open(ctx, file)
	if err != nil {
		return err
	}
	defer src.Close()
	s, err := c.app.session()
	if err != nil {
		return err
	}
	b, err := s.bucket(ctx, url.bucket)
	if err != nil {
		return err
	}
	bar := c.app.progress(file, size)
	defer bar.close()
	stored, err := upload.Send(ctx, b, url.key, bar.reader(src), upload.SendOptions{
		Header: upload.Header{ContentType: c.contentType, StorageClass: c.class},
		Size:   size,
		Check:  check,
	})
	bar.close()
	if err != nil {
		return fmt.Errorf("put %s: %w", file, err)
	}
	_, err = fmt.Fprintf(c.app.stdout, "%s %d crc64=%d\n", url, stored.Size, stored.CRC64)
	return err
}

// open opens what is to be sent. The check it returns fails when the file is
// not what it was when it was opened; it is asked before the object is made.
func (c *putCommand) open(ctx context.Context, name string) (src io.ReadCloser, size int64, check func() error, err error) {
	if name == "-" {
		return interruptible(ctx, c.app.stdin), -1, nil, nil
	}
	f, before, err := openRegular(name)
	if err != nil {
		return nil, 0, nil, fileError(name, err)
	}
	check = func() error {
		after, err := f.Stat()
		if err != nil {
			return err
		}
		if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
			return upload.ErrChanged
		}
		return nil
	}
	return f, before.Size(), check, nil
}

// interruptible returns a reader of r that fails when ctx is done, even while
// r has nothing to say. The read that is under way then is left behind: nothing
// ends it but the end of the process, which is near.
func interruptible(ctx context.Context, r io.Reader) io.ReadCloser {
	pr, pw := io.Pipe()
	stop := context.AfterFunc(ctx, func() { pw.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer stop()
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err) // nil is the end of file
	}()
	return pr
}
