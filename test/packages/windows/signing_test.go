//go:build linux

package windows

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unicode/utf16"
)

// TestReproducible makes what is released for Windows twice, and signed.
func TestReproducible(t *testing.T) {
	t.Parallel()
	if why := missing("wixl", "msibuild", "msiextract", "osslsigncode", "openssl"); why != "" {
		skip(t, why)
	}
	one, two := release(t, "022"), release(t, "077")
	names, err := filepath.Glob(one + "/*")
	if err != nil || len(names) < 3 {
		t.Fatalf("released: %v, %v", names, err)
	}
	for _, name := range names {
		if !bytes.Equal(contents(t, name), contents(t, filepath.Join(two, filepath.Base(name)))) {
			t.Errorf("%s has other bytes the second time", filepath.Base(name))
		}
	}
	ca := certificates(t)
	signed := release(t, "022", "OSSSYNC_SIGN_CERT="+ca+"/chain.pem", "OSSSYNC_SIGN_KEY="+ca+"/key.pem")
	msi := filepath.Join(signed, "osssync_1.0.0_windows_amd64.msi")
	zipped := filepath.Join(t.TempDir(), "osssync.exe")
	write(t, zipped, string(unzip(t, filepath.Join(signed, "osssync_1.0.0_windows_amd64.zip"), "osssync_1.0.0_windows_amd64/osssync.exe")))
	out := t.TempDir()
	sh(t, "msiextract", "-C", out, msi)
	installed := filepath.Join(out, "osssync", "osssync.exe")
	if !bytes.Equal(contents(t, installed), contents(t, zipped)) {
		t.Error("the program of the zip is not that of the MSI")
	}
	for _, name := range []string{msi, installed} {
		verified(t, ca, name)
	}
	for _, want := range [][]byte{[]byte("longPathAware"), wide("FileVersion\x00\x001.0.0\x00")} {
		if !bytes.Contains(contents(t, installed), want) {
			t.Errorf("the program has no %q", want)
		}
	}
}

// release makes what is released for Windows, as `make packages` does.
func release(t *testing.T, umask string, env ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.Command("sh", "-c", "umask "+umask+"; exec go run ./packaging/build -only windows_amd64 -formats '' -version 1.0.0 -out "+dir)
	cmd.Dir, cmd.Env = "../../..", append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return dir
}

// verified checks a signature, and that it does not fit with another byte.
func verified(t *testing.T, ca, name string) {
	t.Helper()
	sh(t, "osslsigncode", "verify", "-CAfile", ca+"/ca.pem", "-in", name)
	data := contents(t, name)
	data[len(data)/2] ^= 1
	bad := filepath.Join(t.TempDir(), filepath.Base(name))
	write(t, bad, string(data))
	if out, err := exec.Command("osslsigncode", "verify", "-CAfile", ca+"/ca.pem", "-in", bad).CombinedOutput(); err == nil {
		t.Errorf("%s with another byte verifies:\n%s", name, out)
	}
}

func contents(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unzip returns a file of an archive.
func unzip(t *testing.T, archive, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wide returns text as it is in a version resource.
func wide(s string) (b []byte) {
	for _, c := range utf16.Encode([]rune(s)) {
		b = append(b, byte(c), byte(c>>8))
	}
	return b
}

// certificates makes a certificate for signing programs, and its authority.
func certificates(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "ext"), "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=codeSigning\n")
	ca, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.pem")
	sh(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test authority", "-keyout", filepath.Join(dir, "ca.key"), "-out", ca)
	sh(t, "openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test signer", "-keyout", key, "-out", filepath.Join(dir, "csr"))
	sh(t, "openssl", "x509", "-req", "-days", "30", "-in", filepath.Join(dir, "csr"), "-CA", ca, "-CAkey", filepath.Join(dir, "ca.key"),
		"-CAcreateserial", "-extfile", filepath.Join(dir, "ext"), "-out", filepath.Join(dir, "chain.pem"))
	return dir
}

func sh(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}
