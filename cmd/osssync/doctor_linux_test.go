package main

import (
	"strings"
	"testing"
)

func TestJudgeWatches(t *testing.T) {
	for _, tt := range []struct {
		dirs, limit int
		fix         string
	}{
		{1, 8192, ""},
		{6000, 8192, ""},
		{6200, 8192, "sysctl -w fs.inotify.max_user_watches=524288,"},
		{300_000, 8192, "fs.inotify.max_user_watches = 1048576 into /etc/sysctl.d/"},
		{2_000_000, 1 << 20, "fs.inotify.max_user_watches=4194304,"},
	} {
		c := judgeWatches("watch limits", tt.dirs, tt.limit, "")
		if (c.Status == statusOK) != (tt.fix == "") || !strings.Contains(c.Fix, tt.fix) {
			t.Errorf("%d of %d: %+v", tt.dirs, tt.limit, c)
		}
	}
}
