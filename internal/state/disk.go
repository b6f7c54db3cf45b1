package state

// DiskTrouble reports whether an error of the index lies in what is below it:
// the disk is full or fails, or the state directory may not be written.
func DiskTrouble(err error) bool {
	switch code(err) {
	case codeReadOnly, codeIOErr, codeFull, codeCantOpen:
		return true
	}
	return false
}
