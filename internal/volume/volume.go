// Package volume tells file systems apart that come to the same place one after
// the other. A device number and the number of the root directory do not: the
// root of every ext4 has the number 2, and the disk that is attached next gets the
// device number of the one that was detached.
package volume
