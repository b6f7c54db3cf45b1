package watch

import (
	"reflect"
	"unsafe"

	"github.com/fsnotify/fsnotify"
)

// The kernel tells when a file that was open for writing is closed, and which
// creations are renames, but the library keeps both to itself. This file, and
// no other, reaches for them by reflection: by the names and types of the
// fields, so that a release without them is noticed, and the source tries them
// out before it believes them. Without them every change is merely [Changed].

// opCloseWrite is the library's unexported operation for IN_CLOSE_WRITE.
const opCloseWrite fsnotify.Op = 1 << 7

// publicOps are the operations that the library listens for on its own.
const publicOps = fsnotify.Create | fsnotify.Write | fsnotify.Remove | fsnotify.Rename | fsnotify.Chmod

// addCloseWrite returns a function that adds a directory to fs and listens for
// closed files as well. It returns nil if the library has changed.
func addCloseWrite(fs *fsnotify.Watcher) func(path string) error {
	public := fsnotify.WithBufferSize(1 << 16)
	option := reflect.TypeOf(public)
	if option.Kind() != reflect.Func || option.NumIn() != 1 || option.NumOut() != 0 ||
		option.In(0).Kind() != reflect.Pointer || option.In(0).Elem().Kind() != reflect.Struct {
		return nil
	}
	op, ok := option.In(0).Elem().FieldByName("op")
	if !ok || op.Type != reflect.TypeFor[fsnotify.Op]() {
		return nil
	}
	set := func(args []reflect.Value) []reflect.Value {
		field := (*fsnotify.Op)(unsafe.Add(args[0].UnsafePointer(), op.Offset))
		*field = publicOps | opCloseWrite
		return nil
	}
	own, ok := sameType(public, reflect.MakeFunc(option, set).Interface())
	if !ok {
		return nil
	}
	return func(path string) error { return fs.AddWith(path, own) }
}

// sameType asserts that v has a type that cannot be named here: that of like.
func sameType[T any](like T, v any) (T, bool) {
	t, ok := v.(T)
	if !ok {
		return like, false
	}
	return t, true
}

// renamedFrom returns a function that gives the former path of a created file
// that was renamed within the tree. It returns nil if the library has changed.
func renamedFrom() func(*fsnotify.Event) string {
	f, ok := reflect.TypeFor[fsnotify.Event]().FieldByName("renamedFrom")
	if !ok || f.Type.Kind() != reflect.String {
		return nil
	}
	return func(e *fsnotify.Event) string { return *(*string)(unsafe.Add(unsafe.Pointer(e), f.Offset)) }
}
