package bucket

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
)

const (
	codeSkewed    = "RequestTimeTooSkewed"
	codeSignature = "SignatureDoesNotMatch"
	codeMixed     = "AccessKeyIdAndSecurityTokenNotMatch"
)

// classes are the classes of OSS error codes; by default the status decides.
var classes = map[string]upload.Class{
	"SecurityTokenExpired": upload.Credential,
	"InvalidAccessKeyId":   upload.Credential,
	"InvalidSecurityToken": upload.Credential,
	codeMixed:              upload.Credential,
	codeSignature:          upload.Credential,

	codeSkewed:          upload.Transient,
	"RequestTimeout":    upload.Transient,
	"InvalidDigest":     upload.Transient, // damaged on its way
	"IncompleteBody":    upload.Transient,
	"OperationAborted":  upload.Transient,
	"QpsLimitExceeded":  upload.Transient,
	"TooManyRequests":   upload.Transient,
	"BadRequest":        upload.Transient,
	"RequestIsNotValid": upload.Transient,

	"AccessDenied":                    upload.ThisJob,
	"NoSuchBucket":                    upload.ThisJob,
	"InvalidBucketName":               upload.ThisJob,
	"UserDisable":                     upload.ThisJob,
	"SecondLevelDomainForbidden":      upload.ThisJob,
	"InvalidEncryptionAlgorithmError": upload.ThisJob,
	"InvalidStorageClass":             upload.ThisJob,
	"InvalidRegion":                   upload.ThisJob,
	"KmsServiceNotEnabled":            upload.ThisJob,

	"NoSuchKey":    upload.Missing,
	"NoSuchUpload": upload.Missing,

	"PreconditionFailed":       upload.Conflict,
	"FileAlreadyExists":        upload.Conflict,
	"ObjectNotAppendable":      upload.Conflict,
	"PositionNotEqualToLength": upload.Conflict,
	"InvalidPart":              upload.Conflict,
	"InvalidPartOrder":         upload.Conflict,
	"EntityTooSmall":           upload.Conflict,

	"InvalidObjectName":  upload.ThisFile,
	"InvalidObjectState": upload.ThisFile, // archived
	"FileImmutable":      upload.ThisFile, // retention policy
	"EntityTooLarge":     upload.ThisFile,
}

// classOf returns the class of a failure by its code, else by its status.
func classOf(status int, code, method string) upload.Class {
	if c, ok := classes[code]; ok {
		return c
	}
	switch {
	case status == 0, status < 400, status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return upload.Transient
	case status == http.StatusNotFound && code == "" && method == http.MethodHead:
		return upload.Missing
	case status == http.StatusNotFound, status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusMethodNotAllowed:
		return upload.ThisJob
	case status == http.StatusPreconditionFailed, status == http.StatusConflict, status == http.StatusNotModified:
		return upload.Conflict
	}
	return upload.ThisFile
}

// refusedCredential reports whether another credential may help.
func refusedCredential(code string) bool { return classes[code] == upload.Credential && code != "" }

// explain turns what the SDK returned into a RequestError.
func (c *call) explain(resp *oss.Response, err error, snap *creds.Snapshot) *upload.RequestError {
	e := &upload.RequestError{Op: c.op, Key: c.key}
	if resp != nil {
		e.Status = resp.StatusCode
		e.RequestID = requestID(resp.Headers)
		e.EC = identifier(resp.Headers.Get(oss.HTTPHeaderOssEc))
		e.RetryAfter = retryAfter(resp.Headers, time.Now())
	}
	// Nothing of a ServiceError but these fields: its RawMessage can hold the
	// token, and what was signed.
	if s, ok := errors.AsType[oss.ServiceError](err); ok && e.Status >= 400 {
		e.Code = identifier(s.Code)
		if e.EC == "" {
			e.EC = identifier(s.Ec)
		}
		if s.Message != "" {
			e.Err = errors.New(clean(s.Message, snap))
		}
	} else {
		e.Err = redacted(err, resp, snap)
	}
	e.Class = classOf(e.Status, e.Code, c.method)
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.Class = upload.ThisJob
	}
	return e
}

// redacted returns the cause of a failure that no answer of OSS explains.
func redacted(err error, resp *oss.Response, snap *creds.Snapshot) error {
	if resp != nil && resp.StatusCode/100 == 3 {
		to := "elsewhere"
		if u, err := url.Parse(resp.Headers.Get("Location")); err == nil && u.Host != "" {
			to = clean(u.Host, snap)
		}
		return fmt.Errorf("redirected to %s: is the endpoint the bucket's?", to)
	}
	if resp != nil && resp.StatusCode >= 400 {
		return errors.New("answer is not one of OSS")
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if text := clean(err.Error(), snap); text != err.Error() {
		return errors.New(text)
	}
	return err
}

const longestText = 300 // bytes of what a server says

// clean makes foreign text fit for errors: without the snapshot's secrets,
// without control characters, and short.
func clean(s string, snap *creds.Snapshot) string {
	if snap != nil {
		for _, secret := range []string{snap.AccessKeySecret.Reveal(), snap.SecurityToken.Reveal()} {
			if secret != "" {
				s = strings.ReplaceAll(s, secret, "[redacted]")
			}
		}
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(strings.ToValidUTF8(s, "?")))
	if len(s) > longestText {
		s = strings.ToValidUTF8(s[:longestText], "") + "…"
	}
	return s
}

// longestRetryAfter bounds what a server may ask for.
const longestRetryAfter = 5 * time.Minute

// retryAfter returns how long the service asks to wait, 0 if it does not.
func retryAfter(h http.Header, now time.Time) time.Duration {
	d := clamped(h.Get("x-oss-qos-delay-time"), time.Millisecond)
	after := h.Get("Retry-After")
	if t, err := http.ParseTime(after); err == nil {
		if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
			now = theirs // whatever this machine's clock says
		}
		d = max(d, t.Sub(now))
	} else {
		d = max(d, clamped(after, time.Second))
	}
	return min(max(d, 0), longestRetryAfter)
}

// clamped returns so many units, longestRetryAfter at most, and 0 for what is no
// number.
func clamped(text string, unit time.Duration) time.Duration {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(max(n, 0), int64(longestRetryAfter/unit))) * unit
}
