package watch

import (
	"errors"

	"github.com/fsnotify/fsnotify"
)

func isOverflow(err error) bool { return errors.Is(err, fsnotify.ErrEventOverflow) }
