package watch

import (
	"hash/maphash"
	"strings"
)

// A tree holds the directories that a source has entered, compactly: 48 bytes,
// the name and two slots of 4 bytes in the tables each. It knows every one's
// children, so that what lies below a directory is found without a look at the
// rest. It is not safe for concurrent use.
type tree struct {
	nodes   []*[treePage]node
	free    nodeID // first of those that can be used again, linked by next
	count   int    // nodes in use
	watched int
	names   table // all nodes, by parent and name
	inodes  table // watched nodes, by device and inode
	devices []uint64
	digests map[nodeID]uint64 // of the last listings of those that are not watched
	seed    maphash.Seed
}

const (
	treePage   = 256
	maxDevices = 1000
)

// A nodeID is a node's number; 0 is none, 1 the root once it has been entered.
type nodeID uint32

type node struct {
	name   string
	ino    uint64
	parent nodeID
	first  nodeID // child
	next   nodeID // sibling
	prev   nodeID
	heat   uint32   // when something last changed in it, s since 1970
	dev    deviceID // of ino
	flags  nodeFlags
}

// A deviceID is a device's place in tree.devices.
type deviceID uint16

type nodeFlags uint8

const (
	nodeWatched nodeFlags = 1 << iota
	nodeUnread            // could not be read; told again when its attributes change
	nodeRemote            // on a file system that does not report, as all below it
	nodeUsed
	nodeProven // its path was seen to lead to it after it was watched
)

const rootID nodeID = 1

func newTree() *tree {
	t := &tree{seed: maphash.MakeSeed(), digests: make(map[nodeID]uint64)}
	t.names.hash = func(id nodeID) uint64 { n := t.at(id); return t.nameHash(n.parent, n.name) }
	t.inodes.hash = func(id nodeID) uint64 { n := t.at(id); return inodeHash(n.dev, n.ino) }
	t.nodes = append(t.nodes, new([treePage]node))
	t.free = 1
	t.link(t.nodes[0], 1)
	return t
}

// link chains the unused nodes of a page.
func (t *tree) link(page *[treePage]node, from int) {
	base := nodeID(len(t.nodes)-1) * treePage
	for i := from; i < treePage-1; i++ {
		page[i].next = base + nodeID(i) + 1
	}
}

func (t *tree) at(id nodeID) *node { return &t.nodes[id/treePage][id%treePage] }

func (t *tree) nameHash(parent nodeID, name string) uint64 {
	return mix(maphash.String(t.seed, name)^uint64(parent), digestMul1)
}

func inodeHash(dev deviceID, ino uint64) uint64 { return mix(ino^digestSeed, uint64(dev)^digestMul2) }

// device returns the number of a device. Those of which there are more than a
// tree ever has mounts share the last one.
func (t *tree) device(dev uint64) deviceID {
	for i, known := range t.devices {
		if known == dev {
			return deviceID(i)
		}
	}
	if len(t.devices) <= maxDevices {
		t.devices = append(t.devices, dev)
	}
	return deviceID(len(t.devices) - 1)
}

// is reports whether a node is that directory.
func (t *tree) is(id nodeID, dev, ino uint64) bool {
	n := t.at(id)
	return n.ino == ino && n.dev == t.device(dev)
}

// find returns the node of a path, or 0.
func (t *tree) find(path string) nodeID {
	if !t.hasRoot() {
		return 0
	}
	id := rootID
	for path != "" && id != 0 {
		name, rest, _ := strings.Cut(path, "/")
		id = t.child(id, name)
		path = rest
	}
	return id
}

func (t *tree) hasRoot() bool { return t.at(rootID).flags&nodeUsed != 0 }

func (t *tree) child(parent nodeID, name string) nodeID {
	return t.names.find(t.nameHash(parent, name), func(id nodeID) bool {
		n := t.at(id)
		return n.parent == parent && n.name == name
	})
}

// byInode returns the watched node of a directory, or 0.
func (t *tree) byInode(dev, ino uint64) nodeID {
	device := t.device(dev)
	return t.inodes.find(inodeHash(device, ino), func(id nodeID) bool {
		n := t.at(id)
		return n.ino == ino && n.dev == device
	})
}

// path returns the path of a node.
func (t *tree) path(id nodeID) string {
	size := 0
	for n := t.at(id); n.parent != 0; n = t.at(n.parent) {
		size += len(n.name) + 1
	}
	if size == 0 {
		return ""
	}
	b := make([]byte, size-1)
	end := len(b)
	for n := t.at(id); n.parent != 0; n = t.at(n.parent) {
		end -= len(n.name)
		copy(b[end:], n.name)
		if end > 0 {
			end--
			b[end] = '/'
		}
	}
	return string(b)
}

// add makes a node; the root's parent is 0. It must not be there yet. The name
// is kept, and with it whatever string it is a part of.
func (t *tree) add(parent nodeID, name string, dev, ino uint64) nodeID {
	id := t.free
	if t.at(id).next == 0 { // the last one: more pages
		page := new([treePage]node)
		t.nodes = append(t.nodes, page)
		t.link(page, 0)
		t.at(id).next = nodeID(len(t.nodes)-1) * treePage
	}
	n := t.at(id)
	t.free = n.next
	*n = node{name: name, dev: t.device(dev), ino: ino, parent: parent, flags: nodeUsed}
	t.count++
	if parent != 0 {
		up := t.at(parent)
		n.next = up.first
		if up.first != 0 {
			t.at(up.first).prev = id
		}
		up.first = id
		t.names.add(id)
	}
	return id
}

// setWatched records that a node is watched.
func (t *tree) setWatched(id nodeID, on bool) {
	n := t.at(id)
	if (n.flags&nodeWatched != 0) == on {
		return
	}
	n.flags ^= nodeWatched
	if on {
		t.watched++
		t.inodes.add(id)
		delete(t.digests, id)
		return
	}
	t.watched--
	t.inodes.remove(id)
}

// drop forgets a node and all below it, and calls f for each that was watched,
// with its path, the lowest first.
func (t *tree) drop(id nodeID, f func(path string)) {
	top := id
	for {
		if n := t.at(id); n.first != 0 {
			id = n.first
			continue
		}
		n := t.at(id)
		up := n.parent
		if n.flags&nodeWatched != 0 {
			f(t.path(id))
		}
		t.remove(id)
		if id == top {
			return
		}
		id = up
	}
}

// remove forgets a node that has no children.
func (t *tree) remove(id nodeID) {
	t.setWatched(id, false)
	delete(t.digests, id)
	n := t.at(id)
	if n.parent != 0 {
		t.names.remove(id)
		if n.prev != 0 {
			t.at(n.prev).next = n.next
		} else {
			t.at(n.parent).first = n.next
		}
		if n.next != 0 {
			t.at(n.next).prev = n.prev
		}
	}
	*n = node{next: t.free}
	t.free = id
	t.count--
}

// end is one more than the highest id in use.
func (t *tree) end() nodeID { return nodeID(len(t.nodes)) * treePage }

// A table is a hash table of nodes with open addressing; 0 is an empty slot.
type table struct {
	slots []nodeID
	count int
	hash  func(nodeID) uint64
}

func (t *table) find(hash uint64, same func(nodeID) bool) nodeID {
	if len(t.slots) == 0 {
		return 0
	}
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if same(t.slots[i]) {
			return t.slots[i]
		}
	}
	return 0
}

func (t *table) add(id nodeID) {
	if (t.count+1)*16 > len(t.slots)*13 {
		old := t.slots
		t.slots = make([]nodeID, max(64, 2*len(old)))
		for _, id := range old {
			if id != 0 {
				t.put(id)
			}
		}
	}
	t.put(id)
	t.count++
}

func (t *table) put(id nodeID) {
	mask := uint64(len(t.slots) - 1)
	i := t.hash(id) & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = id
}

// remove takes a node out and moves those behind it up, so that no search
// ends at the gap.
func (t *table) remove(id nodeID) {
	mask := uint64(len(t.slots) - 1)
	i := t.hash(id) & mask
	for t.slots[i] != id {
		i = (i + 1) & mask
	}
	t.count--
	for j := i; ; {
		t.slots[i] = 0
		for {
			j = (j + 1) & mask
			if t.slots[j] == 0 {
				return
			}
			home := t.hash(t.slots[j]) & mask
			if (j-home)&mask >= (j-i)&mask {
				break // it may live at i
			}
		}
		t.slots[i] = t.slots[j]
		i = j
	}
}
