package e2e

import (
	"errors"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
)

var crcTable = crc64.MakeTable(crc64.ECMA)

// fileSum returns the CRC-64/ECMA and the size of a file; a size of -1 where it
// cannot be read.
func fileSum(path string) (crc uint64, size int64) {
	f, err := os.Open(path)
	if err != nil {
		return 0, -1
	}
	defer f.Close()
	h := crc64.New(crcTable)
	n, err := io.Copy(h, f)
	if err != nil {
		return 0, -1
	}
	return h.Sum64(), n
}

// writeRandom makes a file of size bytes that a seed decides.
func writeRandom(path string, size int64, seed byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{seed}), size); err != nil {
		return err
	}
	return f.Close()
}

// exitCode returns the code that a command ended with.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	return -1
}
