package plan

// sums is a hash table of 64-bit digests by 64-bit hashes. It takes some 16 bytes
// an entry, where a map takes 26: of a hash it keeps 40 bits, 8 of them in the
// choice of the shard, so that among a million directories there is not one pair,
// on average, that it takes for one. Of such a pair each puts its digest in place of
// the other's: neither is then found in order, and both are compared with the index
// each time.
type sums [256]shard

// A shard is a table with open addressing, which grows by half.
type shard struct {
	slots []slot
	used  int // slots with a tag
}

// noSum is no digest. A slot whose digest was taken away has noSum, and keeps its
// tag, so that what is behind it is found; the next growth takes it out.
const noSum = 0

// free is the tag of a slot that was never used.
const free = 0

type slot struct {
	tag    uint32
	lo, hi uint32 // of the sum: 12 bytes a slot, not 16
}

func (s *slot) sum() uint64 { return uint64(s.hi)<<32 | uint64(s.lo) }

func tagOf(hash uint64) uint32 { return max(uint32(hash), free+1) }

// get returns noSum where there is nothing.
func (t *sums) get(hash uint64) uint64 {
	s := t[hash>>56].find(tagOf(hash))
	if s == nil {
		return noSum
	}
	return s.sum()
}

func (t *sums) set(hash, sum uint64) { t[hash>>56].set(tagOf(hash), sum) }

func (t *sums) remove(hash uint64) {
	if s := t[hash>>56].find(tagOf(hash)); s != nil {
		s.lo, s.hi = noSum, noSum
	}
}

// at returns where a search for a tag begins.
func (s *shard) at(tag uint32) int { return int(uint64(tag) * uint64(len(s.slots)) >> 32) }

func (s *shard) find(tag uint32) *slot {
	if len(s.slots) == 0 {
		return nil
	}
	for i := s.at(tag); s.slots[i].tag != free; i = s.after(i) {
		if s.slots[i].tag == tag {
			return &s.slots[i]
		}
	}
	return nil
}

func (s *shard) after(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}

func (s *shard) set(tag uint32, sum uint64) {
	if found := s.find(tag); found != nil {
		found.lo, found.hi = uint32(sum), uint32(sum>>32)
		return
	}
	if s.used >= len(s.slots)*7/8 {
		s.grow()
	}
	s.put(slot{tag, uint32(sum), uint32(sum >> 32)})
}

func (s *shard) put(in slot) {
	i := s.at(in.tag)
	for s.slots[i].tag != free {
		i = s.after(i)
	}
	s.slots[i] = in
	s.used++
}

// grow makes room, which may be there once what was taken away is out.
func (s *shard) grow() {
	old, live := s.slots, 0
	for i := range old {
		if old[i].tag != free && old[i].sum() != noSum {
			live++
		}
	}
	s.slots, s.used = make([]slot, live*3/2+4), 0
	for _, in := range old {
		if in.tag != free && in.sum() != noSum {
			s.put(in)
		}
	}
}
