package config

import "path/filepath"

// LooseStateDir returns the state directory that the file at path and those of
// conf.d beside it name, whatever else is wrong with them, else the default. It
// is for asking the agent that runs since before a mistake was made.
func LooseStateDir(path string) string {
	dir := DefaultStateDir()
	files, _ := dropIns(path) // what cannot be listed names nothing
	for _, name := range append([]string{path}, files...) {
		f, err := readFile(name)
		if err != nil {
			continue
		}
		table, _ := f.tree["agent"].(map[string]any)
		if d, _ := table["state_dir"].(string); filepath.IsAbs(d) {
			dir = filepath.Clean(d)
		}
	}
	return dir
}
