package agent

import (
	"strings"
	"testing"
	"time"
)

func TestDecideLease(t *testing.T) {
	me := Holder{"i-1", "disk-1"}
	lease := func(instance, installation string) *Lease {
		return &Lease{InstanceID: instance, Installation: installation}
	}
	const young, due, old = 30 * time.Minute, 90 * time.Minute, leaseLife
	tests := []struct {
		name  string
		found *Lease
		held  bool
		age   time.Duration
		want  step
	}{
		{"none", nil, false, 0, stepTake},
		{"deleted by hand", nil, true, 0, stepTake},
		{"ours", lease("i-1", "disk-1"), true, young, stepKeep},
		{"ours, after a restart", lease("i-1", "disk-1"), false, young, stepKeep},
		{"ours, due", lease("i-1", "disk-1"), true, due, stepRenew},
		{"ours, due, after a restart", lease("i-1", "disk-1"), false, due, stepRenew},
		{"ours, after a week away", lease("i-1", "disk-1"), false, 7 * 24 * time.Hour, stepRenew},
		{"the same instance returns with a new disk", lease("i-1", "disk-2"), false, young, stepTake},
		{"a second agent on this instance", lease("i-1", "disk-2"), true, young, stepYield},
		{"a second agent on this instance, due", lease("i-1", "disk-2"), true, due, stepYield},
		{"a second agent on this instance that went", lease("i-1", "disk-2"), true, old, stepTake},
		{"a clone of our disk", lease("i-2", "disk-1"), false, young, stepYield},
		{"a clone of our disk that took it", lease("i-2", "disk-1"), true, young, stepYield},
		{"a clone that is late", lease("i-2", "disk-1"), false, due, stepYield},
		{"a clone that is gone", lease("i-2", "disk-1"), false, old, stepTake},
		{"another, configured alike", lease("i-2", "disk-2"), false, young, stepYield},
		{"another that took it", lease("i-2", "disk-2"), true, young, stepYield},
		{"another, a moment before its end", lease("i-2", "disk-2"), false, leaseLife - 1, stepYield},
		{"another that is gone", lease("i-2", "disk-2"), false, old, stepTake},
		{"another that is gone, though we had it", lease("i-2", "disk-2"), true, old, stepTake},
		{"no lease", &Lease{}, false, young, stepYield},
		{"no lease, for long", &Lease{}, true, 7 * 24 * time.Hour, stepYield},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decideLease(tt.found, me, tt.held, tt.age); got != tt.want {
				t.Errorf("decideLease(%+v, held %t, age %v) = %v, want %v", tt.found, tt.held, tt.age, got, tt.want)
			}
		})
	}
}

func TestParseLease(t *testing.T) {
	good := `{"instance_id":"i-1","installation":"X","hostname":"web","job":"a","started":"2026-01-02T03:04:05Z","renewed":"2026-01-02T04:04:05Z"}`
	l, err := parseLease([]byte(good))
	if err != nil || l.holder() != (Holder{"i-1", "X"}) || l.Renewed.Hour() != 4 {
		t.Errorf("parseLease = %+v, %v", l, err)
	}
	for _, bad := range []string{"", "null", "[]", "{}", `{"instance_id":"i-1"}`, `{"installation":"X"}`, "a file of the user", good[:40]} {
		if l, err := parseLease([]byte(bad)); err == nil {
			t.Errorf("parseLease(%q) = %+v", bad, l)
		}
	}
}

func TestRivalErrorTellsWho(t *testing.T) {
	mine := Holder{"i-1", "disk-1"}
	for want, l := range map[string]Lease{
		"instance i-2 (web-2), whose disk is a copy": {InstanceID: "i-2", Installation: "disk-1", Hostname: "web-2"},
		"instance i-3 (web-3) writes":                {InstanceID: "i-3", Installation: "disk-3", Hostname: "web-3"},
		"another agent on this instance writes":      {InstanceID: "i-1", Installation: "disk-2", Hostname: "web-1"},
		"is no lease: delete it":                     {},
	} {
		e := &RivalError{Key: "p/.osssync/lease", Lease: l, Mine: mine, At: time.Unix(0, 0)}
		if got := e.Error(); !strings.Contains(got, want) || !strings.Contains(got, e.Key) {
			t.Errorf("%q does not tell %q", got, want)
		}
	}
}
