package upload

// defaultPart is Options.PartSize where it is not set, bytes.
const defaultPart = 8 << 20

// Requests returns how many requests it takes to send a file of size bytes, if
// none fails and Options.PartSize is the default.
func Requests(size int64) int64 {
	if size <= defaultPart {
		return 1
	}
	part := partSize(size, defaultPart)
	return 2 + (size+part-1)/part // one to begin, one to complete
}
