package box

import (
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Compare returns how the objects under a prefix differ from the regular files
// under a directory, one line for each difference; none means that they have
// the same names, sizes and contents. An object's content is known by its
// CRC-64.
func (b *Box) Compare(dir, prefix string) ([]string, error) {
	objects, err := b.Objects()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(objects, func(key string, _ Object) bool { return len(key) < len(prefix) || key[:len(prefix)] != prefix })
	var diffs []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		key := prefix + filepath.ToSlash(rel)
		o, ok := objects[key]
		delete(objects, key)
		if !ok {
			diffs = append(diffs, "no object "+key)
			return nil
		}
		size, crc, err := checksum(path)
		if err == nil && (size != o.Size || crc != o.CRC64) {
			diffs = append(diffs, fmt.Sprintf("object %s has %d bytes with CRC-64 %d, the file %d with %d", key, o.Size, o.CRC64, size, crc))
		}
		return err
	})
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		diffs = append(diffs, "no file for object "+key)
	}
	return diffs, err
}

// checksum returns the size and the CRC-64 of a file.
func checksum(path string) (int64, uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	n, err := io.Copy(h, f)
	return n, h.Sum64(), err
}

// some returns the first few keys, for a message.
func some(objects map[string]Object) []string {
	keys := slices.Sorted(maps.Keys(objects))
	if len(keys) > 20 {
		keys = append(keys[:20], "…")
	}
	return keys
}
