package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"
)

const catLong = `Write an object to standard output. Its CRC-64 is checked at the end: if the
exit code is not 0, what was written is not to be trusted.`

func (a *app) catCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cat oss://BUCKET/KEY",
		Short: a.tr("Write an object to standard output, CRC-64 checked"),
		Long:  a.tr(catLong),
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.cat(cmd.Context(), args[0]) },
	}
}

func (a *app) cat(ctx context.Context, arg string) error {
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
	body, _, err := b.Get(ctx, url.key)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(a.stdout, body)
	return err
}
