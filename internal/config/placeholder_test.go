package config

import (
	"strings"
	"testing"
	"time"
)

func TestExpand(t *testing.T) {
	v := Vars{InstanceID: "i-bp1", Hostname: "web1", Region: "cn-hangzhou", Zone: "cn-hangzhou-h", Account: "123456", Job: "logs"}
	for prefix, want := range map[string]string{
		"":     "",
		"a/b/": "a/b/",
		"{instance_id}/{hostname}/{region}/{zone}/{account}/{job}/": "i-bp1/web1/cn-hangzhou/cn-hangzhou-h/123456/logs/",
		"{job}{job}":                       "logslogs",
		"{date:2006/01/02}/{job}/{hash2}/": "{date:2006/01/02}/logs/{hash2}/",
		"osssync-{instance_id}":            "osssync-i-bp1",
		"brace } and { stay":               "brace } and { stay",
	} {
		if got, err := Expand(prefix, v); got != want || err != nil {
			t.Errorf("Expand(%q) = %q, %v, want %q", prefix, got, err, want)
		}
	}
	for prefix, want := range map[string]string{
		"x/{zone}/":   "expand x/{zone}/: {zone} is not known on this machine",
		"{hostname}/": `expand {hostname}/: {hostname} is "a/b", which cannot be part of a key`,
		"{foo}":       "expand {foo}: {foo} is no placeholder; there are",
		"{}":          "expand {}: {} is no placeholder",
	} {
		got, err := Expand(prefix, Vars{Hostname: "a/b"})
		if err == nil || !strings.HasPrefix(err.Error(), want) || got != "" {
			t.Errorf("Expand(%q) = %q, %v, want %s", prefix, got, err, want)
		}
	}
	for _, bad := range []string{`a\b`, "{hash2}", "a}", "a\nb", "/"} {
		if got, err := Expand("{job}", Vars{Job: bad}); err == nil {
			t.Errorf("a value %q expands to %q, want an error", bad, got)
		}
	}
}

func TestExpandPath(t *testing.T) {
	at := time.Date(2026, 1, 2, 1, 4, 5, 0, time.FixedZone("CST", 8*3600)) // the day before in UTC
	for prefix, want := range map[string]string{
		"":                             "",
		"{date:2006/01/02}/":           "2026/01/01/",
		"{date:2006}-{date:15h}/":      "2026-17h/",
		"{hash2}/x/":                   "ff/x/",
		"{job}/":                       "{job}/",
		"{date:2006":                   "{date:2006",
		"p/{date:20060102}/{hash2}{x}": "p/20260101/ff{x}",
	} {
		if got := ExpandPath(prefix, "b.txt", at); got != want {
			t.Errorf("ExpandPath(%q) = %q, want %q", prefix, got, want)
		}
	}
	for rel, want := range map[string]string{"b.txt": "ff", "a": "ca", "logs/app.log": "30"} { // of sha256sum
		if got := ExpandPath("{hash2}", rel, at); got != want {
			t.Errorf("{hash2} of %q = %q, want %q", rel, got, want)
		}
	}
}

func TestUses(t *testing.T) {
	const prefix = "a/{instance_id}/{date:2006}/"
	for name, want := range map[string]bool{"instance_id": true, "date:2006": true, "hostname": false, "instance": false, "": false} {
		if got := Uses(prefix, name); got != want {
			t.Errorf("Uses(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestCheckPlaceholders(t *testing.T) {
	for _, good := range []string{
		"", "a", "{job}", "{date:2006}", "{date:Jan}/{date:15}", "{date:04}", "{date:.000}{date:05.0}", "{hash2}{hash2}", "{date:MST 2006}",
	} {
		if err := checkPlaceholders(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"{", "}", "{job", "job}", "{{job}}", "{job}}", "{ job }", "{Job}", "{}", "{date}", "{date:}", "{date:YYYY}", "{date:%Y}", "{date:x}", "{hash}", "{hash4}", "{hash2:}", "{instance-id}",
	} {
		if err := checkPlaceholders(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
