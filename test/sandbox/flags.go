package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/ecs"
)

// errHelp is returned by parse when the arguments asked for help.
var errHelp = errors.New("help")

// options are what the command line says.
type options struct {
	dir    string
	box    box.Options
	json   bool   // print one JSON object, not lines
	ready  string // file to write when all is up, "" for none
	config string // configuration of osssync to write, "" for none
	source string // of the job in that configuration, "" for no job
}

// parse reads the arguments. What is wrong with them it has printed.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var key, mode string
	f := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.dir, "dir", "", "keep the objects in `DIR` (required)")
	f.StringVar(&o.box.Addr, "addr", "127.0.0.1:0", "serve OSS on `HOST:PORT`")
	f.StringVar(&o.box.MetadataAddr, "metadata-addr", "127.0.0.1:0", "serve ECS metadata on `HOST:PORT`")
	f.StringVar(&o.box.STSAddr, "sts-addr", "127.0.0.1:0", "serve STS on `HOST:PORT`")
	f.StringVar(&o.box.ControlAddr, "control", "", "take orders, such as faults, on `HOST:PORT`")
	f.StringVar(&o.box.Bucket, "bucket", box.DefaultBucket, "create the bucket `NAME`")
	f.StringVar(&o.box.Region, "region", box.DefaultRegion, "be in `REGION`")
	f.StringVar(&o.box.Role, "role", box.DefaultRole, "attach the role `NAME` to the instance")
	f.StringVar(&mode, "mode", string(ecs.Hardened), "of the metadata service: required, optional or disabled")
	f.DurationVar(&o.box.Latency, "latency", 0, "make each request to OSS take `D` longer")
	f.DurationVar(&o.box.Lifetime, "lifetime", 0, "let the role's credentials live for `D` (default 6h)")
	f.StringVar(&key, "key", "", "accept a long-lived key, `ID:SECRET`, besides")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.ready, "ready", "", "write the addresses as JSON to `FILE` when all is up")
	f.StringVar(&o.config, "write-config", "", "write a configuration of osssync to `FILE`")
	f.StringVar(&o.source, "source", "", "let that configuration upload `DIR`")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return o, errHelp
	} else if err != nil {
		return o, err
	}
	if err := o.check(f.Args(), key, mode); err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return o, err
	}
	return o, nil
}

// check checks what the flag package does not, and fills in the key and the
// mode.
func (o *options) check(rest []string, key, mode string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.dir == "" {
		return errors.New("-dir is required")
	}
	if o.source != "" && o.config == "" {
		return errors.New("-source needs -write-config")
	}
	if o.box.Lifetime < 0 || o.box.Latency < 0 {
		return errors.New("-lifetime and -latency must not be negative")
	}
	switch o.box.Mode = ecs.Mode(mode); o.box.Mode {
	case ecs.Hardened, ecs.Optional, ecs.Disabled:
	default:
		return fmt.Errorf("no mode %q", mode)
	}
	if key != "" {
		var ok bool
		o.box.KeyID, o.box.KeySecret, ok = strings.Cut(key, ":")
		if !ok || o.box.KeyID == "" || o.box.KeySecret == "" {
			return errors.New("-key is not of the form ID:SECRET")
		}
	}
	for _, a := range []string{o.box.Addr, o.box.MetadataAddr, o.box.STSAddr, o.box.ControlAddr} {
		if a == "" {
			continue
		}
		if err := box.CheckAddr(a); err != nil {
			return err
		}
	}
	return nil
}
