package config_test

import (
	"testing"

	"github.com/osssync/osssync/internal/config"
)

func TestLeaseKey(t *testing.T) {
	for prefix, want := range map[string]string{
		"":                               ".osssync/lease",
		"logs/":                          "logs/.osssync/lease",
		"logs/web-":                      "logs/web-.osssync/lease",
		"{hash2}/x/":                     ".osssync/lease",
		"a/{date:2006/01}/b/":            "a/.osssync/lease",
		"a/{hostname}/":                  "a/{hostname}/.osssync/lease",
		"a/{hostname}/{date:2006}/{job}": "a/{hostname}/.osssync/lease",
		"a/{odd":                         "a/{odd.osssync/lease",
	} {
		if got := config.LeaseKey(prefix); got != want {
			t.Errorf("LeaseKey(%q) = %q, want %q", prefix, got, want)
		}
	}
}

func TestShareable(t *testing.T) {
	for prefix, want := range map[string]bool{"": true, "a/{hostname}/": true, "a/{instance_id}/": false, "a/instance_id/": true} {
		if got := config.Shareable(prefix); got != want {
			t.Errorf("Shareable(%q) = %t", prefix, got)
		}
	}
}
