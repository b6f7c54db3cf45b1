package oss

import "slices"

// A keySet is a set of keys in the order of their bytes. It is a list of sorted
// chunks: to add a key moves a few hundred others at most, and a walk is a walk
// over slices. It is not safe for concurrent use.
type keySet struct {
	chunks [][]string // none empty; each sorted, and below the next
	n      int
}

const chunkSize = 512

// chunk returns the index of the chunk that key is in or belongs into.
func (s *keySet) chunk(key string) int {
	i, found := slices.BinarySearchFunc(s.chunks, key, func(c []string, k string) int {
		switch {
		case c[0] < k:
			return -1
		case c[0] > k:
			return 1
		}
		return 0
	})
	if !found && i > 0 {
		i--
	}
	return i
}

// add adds a key that is not in the set.
func (s *keySet) add(key string) {
	s.n++
	if len(s.chunks) == 0 {
		s.chunks = append(s.chunks, append(make([]string, 0, chunkSize), key))
		return
	}
	i := s.chunk(key)
	c := s.chunks[i]
	if len(c) == chunkSize {
		half := append(make([]string, 0, chunkSize), c[chunkSize/2:]...)
		// Keys that arrive in order leave full chunks behind, not half ones.
		if i == len(s.chunks)-1 && key > c[chunkSize-1] {
			half = half[:0]
			half = append(half, key)
			s.chunks = append(s.chunks, half)
			return
		}
		clear(c[chunkSize/2:])
		s.chunks[i] = c[:chunkSize/2]
		s.chunks = slices.Insert(s.chunks, i+1, half)
		if key > half[0] {
			i++
		}
	}
	at, _ := slices.BinarySearch(s.chunks[i], key)
	s.chunks[i] = slices.Insert(s.chunks[i], at, key)
}

// remove removes a key that is in the set.
func (s *keySet) remove(key string) {
	i := s.chunk(key)
	at, found := slices.BinarySearch(s.chunks[i], key)
	if !found {
		return
	}
	s.n--
	s.chunks[i] = slices.Delete(s.chunks[i], at, at+1)
	if len(s.chunks[i]) == 0 {
		s.chunks = slices.Delete(s.chunks, i, i+1)
	}
}

// A cursor walks over a keySet, which must not change meanwhile.
type cursor struct {
	set      *keySet
	chunk, i int
}

// seek returns a cursor at the first key that is not below key.
func (s *keySet) seek(key string) cursor {
	if len(s.chunks) == 0 {
		return cursor{set: s}
	}
	c := s.chunk(key)
	i, _ := slices.BinarySearch(s.chunks[c], key)
	return cursor{s, c, i}
}

// next returns the key at the cursor and moves on. It is false at the end.
func (c *cursor) next() (string, bool) {
	for c.chunk < len(c.set.chunks) {
		if keys := c.set.chunks[c.chunk]; c.i < len(keys) {
			c.i++
			return keys[c.i-1], true
		}
		c.chunk++
		c.i = 0
	}
	return "", false
}

// after returns a cursor behind all keys that start with prefix.
func (s *keySet) after(prefix string) cursor {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] < 0xff {
			return s.seek(prefix[:i] + string([]byte{prefix[i] + 1}))
		}
	}
	return cursor{set: s, chunk: len(s.chunks)}
}
