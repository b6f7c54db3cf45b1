package agent

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// installationName is the file of the state directory that is never the same
// in two of them, unless one was copied.
const installationName = "installation.json"

// An installation is what a state directory remembers besides the index. Safe
// for concurrent use.
type installation struct {
	dir string

	mu   sync.Mutex
	read bool
	data installationFile
}

// installationFile is the file's content.
type installationFile struct {
	ID string `json:"id"`

	// Leases are the instances that this installation wrote leases as, by
	// bucket and key. A role that may not read them has nothing else to go by.
	Leases map[string]string `json:"leases"`
}

// id returns the installation's id, which is made at the first call.
func (i *installation) id() (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.load(); err != nil {
		return "", err
	}
	if i.data.ID == "" {
		i.data.ID = rand.Text()
		if err := i.store(); err != nil {
			i.data.ID = ""
			return "", err
		}
	}
	return i.data.ID, nil
}

// wrote returns the instance that wrote a lease from here, "" for none.
func (i *installation) wrote(lease string) (instance string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	err = i.load()
	return i.data.Leases[lease], err
}

// remember notes that a lease was written from here.
func (i *installation) remember(lease, instance string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.load(); err != nil || i.data.Leases[lease] == instance {
		return err
	}
	if i.data.Leases == nil {
		i.data.Leases = map[string]string{}
	}
	i.data.Leases[lease] = instance
	return i.store()
}

// load reads the file once. One that is damaged counts as none: the id is then
// another, as after a loss of the state directory.
func (i *installation) load() error {
	if i.read {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(i.dir, installationName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("installation id: %w", err)
	}
	if json.Unmarshal(b, &i.data) != nil {
		i.data = installationFile{}
	}
	i.read = true
	return nil
}

// store writes the file, whole or not at all.
func (i *installation) store() error {
	b, err := json.Marshal(i.data)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(i.dir, installationName+"-*")
	if err != nil {
		return fmt.Errorf("installation id: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(i.dir, installationName))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("installation id: %w", err), os.Remove(f.Name()))
	}
	return nil
}
