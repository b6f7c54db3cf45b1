package ecs

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stampFormat is how the service writes a time.
const stampFormat = "2006-01-02T15:04:05Z"

// What the samples of the documentation show for an instance of no interest.
const (
	privateIPv4  = "192.168.0.10"
	mac          = "00:16:3e:0f:1a:2b"
	imageID      = "aliyun_3_x64_20G_alibase_20240528.vhd"
	instanceType = "ecs.g8i.large"
	hostname     = "iZbp1sandbox0000000001Z"
)

// items returns the metadata of the instance by path. The role's is not among
// them.
func (s *Server) items() map[string]string {
	m := map[string]string{
		"meta-data/hostname":                 hostname,
		"meta-data/image-id":                 imageID,
		"meta-data/instance-id":              s.opt.InstanceID,
		"meta-data/instance/instance-type":   instanceType,
		"meta-data/mac":                      mac,
		"meta-data/owner-account-id":         s.opt.AccountID,
		"meta-data/private-ipv4":             privateIPv4,
		"meta-data/region-id":                s.opt.Region,
		"meta-data/serial-number":            s.opt.Serial,
		"meta-data/zone-id":                  s.opt.Zone,
		"dynamic/instance-identity/document": s.document(),
	}
	if !s.spot.IsZero() {
		m["meta-data/instance/spot/termination-time"] = stamp(s.spot)
	}
	return m
}

// item returns the item at a path. A path that ends in a slash is a directory,
// whose item is the list of what it holds.
func (s *Server) item(path string) (string, bool) {
	items := s.items()
	if body, ok := items[path]; ok {
		return body, true
	}
	if path != "" && !strings.HasSuffix(path, "/") {
		return "", false
	}
	names := map[string]bool{}
	if path == "meta-data/" && s.role != "" {
		names["ram/"] = true
	}
	for p := range items {
		rest, ok := strings.CutPrefix(p, path)
		if !ok {
			continue
		}
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			rest = rest[:i+1]
		}
		names[rest] = true
	}
	list := make([]string, 0, len(names))
	for n := range names {
		list = append(list, n)
	}
	slices.Sort(list)
	return strings.Join(list, "\n"), len(list) > 0
}

// document returns the instance identity document, whose keys are hyphenated.
func (s *Server) document() string {
	return fmt.Sprintf(`{"zone-id":%q,"serial-number":%q,"instance-id":%q,"region-id":%q,"private-ipv4":%q,`+
		`"owner-account-id":%q,"mac":%q,"image-id":%q,"instance-type":%q}`,
		s.opt.Zone, s.opt.Serial, s.opt.InstanceID, s.opt.Region, privateIPv4,
		s.opt.AccountID, mac, imageID, instanceType)
}

// stamp writes a time as the service does.
func stamp(t time.Time) string { return t.UTC().Format(stampFormat) }
