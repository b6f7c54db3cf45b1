// Package winfile opens files the way that watching and uploading need it on
// Windows; on other systems it is empty.
//
// Win32 finds a file by more names than the one in its directory: in another
// case, by a short name of 8.3, without the dots at its end. An object has one
// key, so here a file has one name. And what Win32 changes or refuses, such as
// "a." and "NUL" and paths of more than 260 characters, are names like others
// to the file systems, so here they are too.
package winfile
