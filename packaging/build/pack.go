package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// nfpmNeeded says how to get what makes the packages. Later versions than this
// cannot be installed everywhere.
const nfpmNeeded = "nfpm is needed: go install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"

// pack makes a package of one format for a target.
func (b *builder) pack(ctx context.Context, t target, format string) error {
	nfpm, err := exec.LookPath("nfpm")
	if err != nil {
		return fmt.Errorf("%s: %w", nfpmNeeded, err)
	}
	text, err := os.ReadFile("packaging/linux/nfpm.yaml")
	if err != nil {
		return err
	}
	text, err = b.expand(text, t, format)
	if err != nil {
		return err
	}
	config := filepath.Join(b.stage, format+"_"+t.arch+".yaml")
	if err := os.WriteFile(config, text, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, nfpm, "package", "--config", config, "--packager", format, "--target", b.out+"/")
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", b.src.date.Unix()))
	var said bytes.Buffer
	if err := output(cmd, &said); err != nil {
		return fmt.Errorf("%w%s", err, said.String())
	}
	for line := range strings.Lines(said.String()) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "created package: "); ok {
			b.say("%s", filepath.Base(name))
		}
	}
	return nil
}

// expand fills in nfpm.yaml. A name that it does not know is a mistake.
func (b *builder) expand(text []byte, t target, format string) ([]byte, error) {
	version, schema := b.src.version, "semver"
	if format == "apk" { // for which nfpm makes versions that apk does not take
		var err error
		if version, err = apkVersion(version); err != nil {
			return nil, err
		}
		schema = "none"
	}
	known := map[string]string{
		"ARCH": t.arch, "VERSION": version, "SCHEMA": schema, "DATE": b.src.stamp(), "BIN": b.binary(t), "STAGE": b.stage,
		"DOC": "", "CHANGELOG": "",
		"DESCRIPTION": strings.ReplaceAll(description(format), "\n", `\n`),
	}
	if format == "rpm" { // which alone has marks for these; the others have files
		known["DOC"], known["CHANGELOG"] = "doc", filepath.Join(b.stage, "changelog.yaml")
	}
	_, body, _ := strings.Cut(string(text), "\nname:") // what is above is about ${...} itself
	var unknown []string
	expanded := os.Expand("name:"+body, func(name string) string {
		v, ok := known[name]
		if !ok {
			unknown = append(unknown, name)
		}
		return v
	})
	if len(unknown) > 0 {
		return nil, fmt.Errorf("expand nfpm.yaml: unknown %v", unknown)
	}
	return []byte(expanded), nil
}

// apkVersion returns a version as apk writes it: 1.3.0-rc.1 is 1.3.0_rc1 there,
// which comes before 1.3.0, and 1.2.3+git1 is 1.2.3_git1, which comes after
// 1.2.3. It knows no other words.
func apkVersion(version string) (string, error) {
	m := regexp.MustCompile(`^([\d.]+)(?:-(alpha|beta|pre|rc)\.?(\d*))?(?:\+(git|p)(\d*))?$`).FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("version %s: apk has no such versions, only -alpha, -beta, -pre and -rc with a number", version)
	}
	v := m[1]
	if m[2] != "" {
		v += "_" + m[2] + m[3]
	}
	if m[4] != "" {
		v += "_" + m[4] + m[5]
	}
	return v, nil
}

const (
	synopsis = "keeps directories of an ECS instance in OSS"
	about    = `osssync watches directories of an Alibaba Cloud ECS instance and uploads
what changes to OSS, many files at once. It holds no key: it uses the STS
token of the instance's RAM role, from the metadata service in hardened
mode only. What counts as uploaded was verified by its CRC-64.`
)

// description returns what a package of a format says of itself: Debian wants
// both, a line and a text; rpm has another place for the line, and apk has room
// for no more than that.
func description(format string) string {
	switch format {
	case "deb":
		return synopsis + "\n" + about
	case "rpm":
		return about
	}
	return synopsis
}

// contents writes the SPDX document of a target's program.
func (b *builder) contents(ctx context.Context, t target) error {
	name := "osssync_" + b.src.version + "_" + t.String() + ".spdx.json"
	var doc bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "run", "./packaging/sbom", "-version", b.src.version, "-date", b.src.stamp(), b.binary(t))
	if err := output(cmd, &doc); err != nil {
		return err
	}
	b.say("%s", name)
	return os.WriteFile(filepath.Join(b.out, name), doc.Bytes(), 0o644)
}
