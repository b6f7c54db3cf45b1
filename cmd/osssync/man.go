package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/osssync/osssync/internal/config"
)

const manLong = `Write the manual pages into a directory, which is made if need be: one page for
each command, and osssync.toml(5) about the configuration. The same osssync
always writes the same bytes. Read one with: man -l DIR/osssync.1`

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: a.tr("Write the manual pages"),
		Long:  a.tr(manLong),
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return a.man(args[0]) },
	}
}

func (a *app) man(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("man: %w", err)
	}
	root := a.root()
	pages := map[string][]byte{"osssync.toml.5": a.configPage()}
	if err := a.commandPages(root, pages); err != nil {
		return fmt.Errorf("man: %w", err)
	}
	for name, page := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil {
			return fmt.Errorf("man: %w", err)
		}
	}
	_, err := fmt.Fprintf(a.stdout, a.tr("%d pages in %s")+"\n", len(pages), printable(dir))
	return err
}

// commandPages makes the page of cmd and of every command below it.
func (a *app) commandPages(cmd *cobra.Command, pages map[string][]byte) error {
	// Cobra adds a help command where there are others; it needs no page.
	cmd.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	cmd.DisableAutoGenTag = true
	date := manDate()
	header := doc.GenManHeader{Section: "1", Source: "osssync " + version, Manual: "osssync", Date: &date}
	var page bytes.Buffer
	if err := doc.GenMan(cmd, &header, &page); err != nil {
		return err
	}
	roff := page.Bytes()
	if !cmd.HasParent() {
		var err error
		if roff, err = a.withSections(roff); err != nil {
			return err
		}
	}
	pages[strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"] = tidyPage(roff, date)
	for _, sub := range cmd.Commands() {
		if sub.Hidden {
			continue
		}
		if err := a.commandPages(sub, pages); err != nil {
			return err
		}
	}
	return nil
}

// seeAlso begins the last section of a page.
const seeAlso = "\n.SH SEE ALSO\n"

// withSections puts what holds for all commands before the last section of
// the page of osssync itself.
func (a *app) withSections(page []byte) ([]byte, error) {
	before, after, ok := bytes.Cut(page, []byte(seeAlso))
	if !ok {
		return nil, errors.New("page of osssync: no section SEE ALSO")
	}
	sections := md2man.Render([]byte(a.tr(manSections)))
	// The first heading would be that of a page of its own.
	_, sections, ok = bytes.Cut(sections, []byte("\n.TH "))
	if !ok {
		return nil, errors.New("page of osssync: its sections have no heading")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n\n.SH %s\n%s\\fBosssync.toml(5)\\fP, %s", before, bytes.TrimSpace(sections), seeAlso, after)
	return b.Bytes(), nil
}

// manDate returns the day of the build, the zero time where nobody knows it.
func manDate() time.Time {
	day, _, _ := strings.Cut(thisBuild().Date, "T")
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}
	}
	return t
}

// tidyPage sets what a flag or a key means below it, indented, and takes out
// the empty lines. It also takes the date away if it is the zero time, which
// stands for none: the date of the day would make every page differ from the
// last.
func tidyPage(page []byte, date time.Time) []byte {
	if date.IsZero() {
		page = bytes.Replace(page, []byte(`"Jan 0001"`), []byte(`""`), 1)
	}
	page = regexp.MustCompile(`(?:\.PP\n)?(\\fB[^\n]*)\n\t`).ReplaceAll(page, []byte(".TP\n$1\n"))
	return append(bytes.TrimSpace(regexp.MustCompile(`\n{2,}`).ReplaceAll(page, []byte("\n"))), '\n')
}

// configPage makes osssync.toml(5) of the configuration's own table of keys.
func (a *app) configPage() []byte {
	date := manDate()
	var b strings.Builder
	fmt.Fprintf(&b, "%% \"OSSSYNC.TOML\" \"5\" \"%s\" \"osssync %s\" \"osssync\"\n", date.Format("Jan 2006"), version)
	b.WriteString(a.tr(tomlIntro))
	for _, t := range config.Describe() {
		fmt.Fprintf(&b, "\n# %s\n%s\n\n", t.Header, markdown(t.Why))
		for _, k := range t.Keys {
			def := a.tr("required")
			if k.Default != "" {
				def = a.tr("default") + " " + markdown(k.Default)
			}
			fmt.Fprintf(&b, "**%s** (%s)\n\t%s\n\n", markdown(k.Name), def, markdown(k.Meaning))
		}
	}
	b.WriteString(a.tr(tomlEnd))
	return tidyPage(md2man.Render([]byte(b.String())), date)
}

// markdown returns text in which nothing is taken for markup.
func markdown(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "]", `\]`, "`", "\\`").Replace(s)
}
