package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/osssync/osssync/test/sandbox/box"
)

// serve runs a box until ctx is done.
func serve(ctx context.Context, o options, stdout io.Writer) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	b, err := box.New(dir, o.box)
	if err != nil {
		return err
	}
	if err := announce(b, o, stdout); err != nil {
		return errors.Join(err, b.Close())
	}
	<-ctx.Done()
	if o.ready != "" {
		os.Remove(o.ready) // nothing is ready any more
	}
	return b.Close()
}

// announce writes the files that were asked for, the one for "ready" last, and
// prints the addresses.
func announce(b *box.Box, o options, stdout io.Writer) error {
	if o.config != "" {
		var jobs []box.Job
		if o.source != "" {
			source, err := filepath.Abs(o.source)
			if err != nil {
				return err
			}
			jobs = append(jobs, box.Job{"name": "sandbox", "source": source})
		}
		if err := writeFile(o.config, []byte(b.Config(jobs...))); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	info, err := json.Marshal(b.Info())
	if err != nil {
		return err
	}
	if o.ready != "" {
		if err := writeFile(o.ready, append(info, '\n')); err != nil {
			return fmt.Errorf("write ready file: %w", err)
		}
	}
	if o.json {
		_, err = fmt.Fprintf(stdout, "%s\n", info)
		return err
	}
	return b.Info().Print(stdout)
}

// writeFile writes a file that is either not there or whole.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
