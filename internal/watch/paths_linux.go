package watch

import "strings"

// blockSize is how much memory is taken for paths at once: little enough that one
// directory, which may outlive all those it came with, does not hold much.
const blockSize = 1 << 10

// paths keeps strings of one size of memory, next to each other and with nothing
// between them, where each on its own would take up to a quarter more, and leave
// gaps where strings lay that are no more.
type paths struct{ block *strings.Builder }

// join returns dir + "/" + name.
func (p *paths) join(dir, name string) string {
	need := len(dir) + 1 + len(name)
	if p.block == nil || p.block.Cap()-p.block.Len() < need {
		p.block = new(strings.Builder)
		p.block.Grow(max(need, blockSize))
	}
	at := p.block.Len()
	p.block.WriteString(dir)
	p.block.WriteByte('/')
	p.block.WriteString(name)
	return p.block.String()[at:]
}
