package creds

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	dialTimeout    = time.Second
	headerTimeout  = 2 * time.Second
	attemptTimeout = 5 * time.Second // for all requests of one refresh
	maxBody        = 64 << 10        // bytes
	userAgent      = "osssync"
)

// errAnswer hides what a malformed answer held: net/http quotes it.
var errAnswer = errors.New("the answer is not HTTP")

// newClient returns an http.Client that talks to the named host and nobody
// else: no proxy, no redirects, no connection kept, no unpacking.
func newClient(allowed func(netip.Addr) bool, dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	if dial == nil {
		d := &net.Dialer{
			Timeout:   dialTimeout,
			KeepAlive: -1,
			Control: func(_, addr string, _ syscall.RawConn) error {
				if ap, err := netip.ParseAddrPort(addr); err != nil || !allowed(ap.Addr().Unmap()) {
					return errors.New("address is not the metadata service's")
				}
				return nil
			},
		}
		dial = d.DialContext
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  nil, // whatever the environment says
			DialContext:            dial,
			TLSHandshakeTimeout:    headerTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			MaxResponseHeaderBytes: maxBody,
			MaxConnsPerHost:        2,
			DisableKeepAlives:      true,
			DisableCompression:     true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// An answer is a response that has been read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// roundTrip sends req and reads the answer, of which wantBody says by status
// whether the body matters. Errors are *Error; none quotes what was received.
func roundTrip(hc *http.Client, req *http.Request, wantBody func(status int) bool) (*answer, error) {
	req.Header.Set("User-Agent", userAgent)
	what := req.Method + " " + req.URL.Scheme + "://" + req.URL.Host + req.URL.Path
	resp, err := hc.Do(req)
	if err != nil {
		return nil, transportError(what, err)
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if !wantBody(a.status) {
		return a, nil
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, failf(BadResponse, "%s: the answer is packed", what)
	}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, transportError(what, err)
	}
	if len(a.body) > maxBody {
		return nil, failf(BadResponse, "%s: the answer is over %d KiB", what, maxBody>>10)
	}
	return a, nil
}

func ok(status int) bool { return status == http.StatusOK }

// transportError classifies a request that got no (whole) answer.
func transportError(what string, err error) *Error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err // its text repeats the URL, whose query may hold a policy
	}
	var ne net.Error
	var en syscall.Errno
	var ce *tls.CertificateVerificationError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
	case errors.As(err, &ne), errors.As(err, &en), errors.As(err, &ce):
	default:
		return failf(NotMetadata, "%s: %w", what, errAnswer)
	}
	return failf(Unreachable, "%s: %w", what, err)
}

// statusError is for an answer that nothing else explains.
func statusError(what string, status int) *Error {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	switch {
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return failf(Unreachable, "%s: answered %s", what, text)
	case status >= 300 && status < 400:
		return failf(NotMetadata, "%s: answered with a redirect (%s), which is never followed", what, text)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return failf(Refused, "%s: answered %s", what, text)
	}
	return failf(BadResponse, "%s: answered %s", what, text)
}
