package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// metadataAddress is where the ECS metadata service is on every instance.
const metadataAddress = "100.100.100.200"

// parseEndpoint parses a URL that is a scheme and a host. It never repeats what
// may be a password.
func parseEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("holds a user or password; osssync authenticates by the RAM role alone")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q is neither an http nor an https URL", s)
	case u.Hostname() == "" || u.Opaque != "" || strings.HasPrefix(u.Host, "."):
		return nil, fmt.Errorf("%q names no host", s)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, fmt.Errorf("%q has more than a scheme and a host", s)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, fmt.Errorf("%q has a port that is not in 1 to 65535", s)
		}
	}
	return u, nil
}

// isLoopback reports whether the host can only be this machine.
func isLoopback(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// completeEndpoint adds the scheme that a bare host lacks. It is https, for
// nobody asked for http.
func completeEndpoint(s string) string {
	if s == "" || strings.Contains(s, "://") {
		return s
	}
	return "https://" + s
}

func checkEndpoint(s string) error {
	_, err := parseEndpoint(completeEndpoint(s))
	return err
}

func checkSTSEndpoint(s string) error {
	u, err := parseEndpoint(completeEndpoint(s))
	if err != nil {
		return err
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return fmt.Errorf("%q: plain http would send the token in the clear; write https://", s)
	}
	return nil
}

func checkMetadataEndpoint(s string) error {
	u, err := parseEndpoint(s)
	if err != nil {
		return err
	}
	atService := u.Hostname() == metadataAddress && (u.Port() == "" || u.Port() == "80")
	if u.Scheme != "http" || !atService && !isLoopback(u.Hostname()) {
		return fmt.Errorf("%q is neither http://%s nor http on loopback", s, metadataAddress)
	}
	return nil
}

func checkListen(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is no address such as 127.0.0.1:9464", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q has a port that is not in 0 to 65535", s)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		return fmt.Errorf("%q: want an IP address before the port, not a name", s)
	}
	return nil
}
