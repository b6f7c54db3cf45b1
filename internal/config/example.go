package config

import "strings"

// Example returns a configuration with every key, its default and why one would
// change it. What it sets is a job to start from. A default stands behind a "#"
// without a space; comments have one.
func Example() string { return example(exampleSource) }

func example(source string) string {
	var b strings.Builder
	b.WriteString("# Configuration of osssync. Each key shows its default; remove the # to change it.\n" +
		"# Files of conf.d/ beside this one are read after it, in the order of their names.\n" +
		"# Check what you wrote with: osssync config check\n")
	for _, s := range sections {
		b.WriteString("\n# " + s.why + "\n" + header(s.name) + "\n")
		for _, k := range s.keys {
			b.WriteString("# " + k.note() + "\n")
			switch {
			case k.sample == exampleSource:
				b.WriteString(k.name + " = " + quote(source) + "\n")
			case k.sample != nil:
				b.WriteString(k.name + " = " + literal(k.sample) + "\n")
			default:
				b.WriteString("#" + k.name + " = " + literal(k.def) + "\n")
			}
		}
	}
	return b.String()
}

// note is what the example says of a key.
func (k key) note() string {
	if k.oneOf == nil {
		return k.why
	}
	return listed(k.oneOf) + ": " + k.why
}
