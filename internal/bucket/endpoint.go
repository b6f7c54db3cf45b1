package bucket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// An endpoint is where requests go, checked.
type endpoint struct {
	url       string // scheme://host[:port]
	scheme    string
	host      string // with its port
	region    string
	pathStyle bool
	loopback  bool // this machine
	plain     bool // http
}

var (
	regionPattern = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

	// publicHost is a host of OSS itself, whose name tells the region.
	publicHost = regexp.MustCompile(`^(?:s3\.)?oss-([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com$`)

	// metadataAddr is where role credentials come from. Nothing may be sent
	// there on the word of a configuration or of a name server.
	metadataAddr = netip.MustParseAddr("100.100.100.200")
)

func parseEndpoint(opt Options) (endpoint, error) {
	region := strings.TrimPrefix(opt.Region, "oss-")
	if !regionPattern.MatchString(region) {
		return endpoint{}, fmt.Errorf("region %q: not a region such as cn-hangzhou", opt.Region)
	}
	raw := opt.Endpoint
	if raw == "" {
		raw = "oss-" + region + "-internal.aliyuncs.com"
	}
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	ep := endpoint{region: region, pathStyle: opt.PathStyle}
	if err := ep.parse(raw, opt.AllowHTTP); err != nil {
		return endpoint{}, fmt.Errorf("endpoint %q: %w", redactURL(opt.Endpoint), err)
	}
	return ep, nil
}

func (ep *endpoint) parse(raw string, allowHTTP bool) error {
	u, err := url.Parse(raw)
	if err != nil {
		return errors.New("not a URL")
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("neither https nor http")
	case u.User != nil:
		return errors.New("holds a user name")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return errors.New("has more than a host and a port")
	case host == "":
		return errors.New("has no host")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if forbidden(addr) {
			return errors.New("is a metadata service, not OSS")
		}
		ep.pathStyle = true
		ep.loopback = addr.Unmap().IsLoopback()
	} else {
		ep.loopback = isLocalhost(host)
	}
	ep.plain = u.Scheme == "http"
	if ep.plain && !ep.loopback && !allowHTTP {
		return errors.New("plain http would show the token to the network: use https, or allow_http")
	}
	if m := publicHost.FindStringSubmatch(host); m != nil && m[1] != ep.region && m[1] != "accelerate" && m[1] != "accelerate-overseas" {
		return fmt.Errorf("is in region %s, and the region is set to %s", m[1], ep.region)
	}
	ep.url, ep.scheme, ep.host = u.Scheme+"://"+u.Host, u.Scheme, u.Host
	return nil
}

// isLocalhost reports whether a name is this machine by RFC 6761.
func isLocalhost(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// forbidden reports whether an address is one of a metadata service.
func forbidden(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr == metadataAddr || addr.IsLinkLocalUnicast()
}

// allowed refuses an address that a connection was to be made to.
func (ep endpoint) allowed(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return err
	case forbidden(addr):
		return errors.New("address of a metadata service")
	case ep.plain && ep.loopback && !addr.Unmap().IsLoopback():
		return errors.New("name of this machine with the address of another")
	}
	return nil
}

// redactURL cuts a user and password out of what should have been an endpoint.
func redactURL(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[i+1:]
	}
	return s
}
