package upload

// defaultPart is Options.PartSize where it is not set, bytes.
const defaultPart = 8 << 20

// fitting returns a part size that leaves room for more than one part.
func fitting(part, memory int64) int64 {
	return min(max(part, leastPart), max(memory/2, leastPart))
}

// LargeOver returns over which size a file is large, which means that it is
// sent in parts, where Options.Memory is memory and Options.PartSize the default.
func LargeOver(memory int64) int64 { return fitting(defaultPart, memory) }

// Requests returns how many requests it takes to send a file of size bytes, if
// none fails and Options.PartSize is the default.
func Requests(size int64) int64 {
	if size <= defaultPart {
		return 1
	}
	part := partSize(size, defaultPart)
	return 2 + (size+part-1)/part // one to begin, one to complete
}
