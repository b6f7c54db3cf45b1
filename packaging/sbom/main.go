// Command sbom prints what a Go program is made of, as an SPDX 2.3 document: the
// modules that were linked into it, by what `go version -m` reads from the
// program itself. The same program gives the same bytes.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("sbom", flag.ContinueOnError)
	version := f.String("version", "", "of the program (required)")
	date := f.String("date", "", "of the program's source, RFC 3339 (required)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 1 || *version == "" {
		return fmt.Errorf("usage: sbom -version VERSION -date DATE PROGRAM")
	}
	at, err := time.Parse(time.RFC3339, *date)
	if err != nil {
		return err
	}
	path := f.Arg(0)
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(program)
	doc := describe(info, filepath.Base(path), *version, hex.EncodeToString(sum[:]), at)
	e := json.NewEncoder(stdout)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

// A document is an SPDX document, as far as it is used here.
type document struct {
	SPDXVersion       string         `json:"spdxVersion"`
	DataLicense       string         `json:"dataLicense"`
	SPDXID            string         `json:"SPDXID"`
	Name              string         `json:"name"`
	DocumentNamespace string         `json:"documentNamespace"`
	CreationInfo      creation       `json:"creationInfo"`
	Packages          []spdxPackage  `json:"packages"`
	Relationships     []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	SPDXID           string        `json:"SPDXID"`
	Name             string        `json:"name"`
	VersionInfo      string        `json:"versionInfo"`
	PackageFileName  string        `json:"packageFileName,omitempty"`
	Purpose          string        `json:"primaryPackagePurpose"`
	DownloadLocation string        `json:"downloadLocation"`
	FilesAnalyzed    bool          `json:"filesAnalyzed"`
	Checksums        []checksum    `json:"checksums,omitempty"`
	LicenseConcluded string        `json:"licenseConcluded"`
	LicenseDeclared  string        `json:"licenseDeclared"`
	CopyrightText    string        `json:"copyrightText"`
	Comment          string        `json:"comment,omitempty"`
	ExternalRefs     []externalRef `json:"externalRefs"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type externalRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	Element string `json:"spdxElementId"`
	Type    string `json:"relationshipType"`
	Related string `json:"relatedSpdxElement"`
}

const none = "NOASSERTION"

// describe makes the document of a program with this SHA-256.
func describe(info *debug.BuildInfo, file, version, sum string, at time.Time) document {
	main := component(info.Main.Path, version)
	main.Purpose, main.PackageFileName = "APPLICATION", file
	main.LicenseConcluded, main.LicenseDeclared = "Apache-2.0", "Apache-2.0"
	main.Checksums = []checksum{{"SHA256", sum}}
	d := document{
		SPDXVersion: "SPDX-2.3", DataLicense: "CC0-1.0", SPDXID: "SPDXRef-DOCUMENT",
		Name:              file + " " + version,
		DocumentNamespace: "https://github.com/osssync/osssync/spdx/" + version + "/" + sum,
		CreationInfo:      creation{at.UTC().Format(time.RFC3339), []string{"Tool: osssync-sbom"}},
		Packages:          []spdxPackage{main},
		Relationships:     []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", main.SPDXID}},
	}
	add := func(p spdxPackage) {
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{main.SPDXID, "STATIC_LINK", p.SPDXID})
	}
	add(component("stdlib", strings.TrimPrefix(info.GoVersion, "go")))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		p := component(m.Path, m.Version)
		if m.Sum != "" {
			p.Comment = "go.sum: " + m.Sum
		}
		add(p)
	}
	return d
}

// component returns a Go module as a package.
func component(path, version string) spdxPackage {
	return spdxPackage{
		SPDXID: "SPDXRef-" + identifier(path+"-"+version), Name: path, VersionInfo: version,
		Purpose: "LIBRARY", DownloadLocation: none,
		LicenseConcluded: none, LicenseDeclared: none, CopyrightText: none,
		ExternalRefs: []externalRef{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")}},
	}
}

// identifier returns s with only what an SPDX identifier may have.
func identifier(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, s)
}
