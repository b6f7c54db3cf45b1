package oss

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// An Error is an answer that refuses a request, as OSS words it.
type Error struct {
	Status  int    // HTTP status
	Code    string // such as "NoSuchKey"
	Message string
	EC      string      // such as "0026-00000001"
	Fields  [][2]string // further elements of the body: name and text
	Header  [][2]string // further headers of the answer
}

func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// with adds an element to the body.
func (e *Error) with(name, text string) *Error {
	e.Fields = append(e.Fields, [2]string{name, text})
	return e
}

// withHeader adds a header to the answer.
func (e *Error) withHeader(name, value string) *Error {
	e.Header = append(e.Header, [2]string{name, value})
	return e
}

func invalidArgument(message, name, value, ec string) *Error {
	e := &Error{Status: 400, Code: "InvalidArgument", Message: message, EC: ec}
	if name != "" {
		e.with("ArgumentName", name).with("ArgumentValue", value)
	}
	return e
}

func accessDenied(message, ec string) *Error {
	return &Error{Status: 403, Code: "AccessDenied", Message: message, EC: ec}
}

func malformedXML(message string) *Error {
	return &Error{Status: 400, Code: "MalformedXML", Message: message, EC: "0042-00000205"}
}

func noSuchBucket(name string) *Error {
	return (&Error{Status: 404, Code: "NoSuchBucket", Message: "The specified bucket does not exist.",
		EC: "0015-00000101"}).with("BucketName", name)
}

func noSuchKey(key string) *Error {
	return (&Error{Status: 404, Code: "NoSuchKey", Message: "The specified key does not exist.",
		EC: "0026-00000001"}).with("Key", key)
}

func noSuchVersion(key, version string) *Error {
	return (&Error{Status: 404, Code: "NoSuchVersion", Message: "The specified version does not exist.",
		EC: "0025-00000111"}).with("Key", key).with("VersionId", version)
}

func noSuchUpload(id, ec string) *Error {
	return (&Error{Status: 404, Code: "NoSuchUpload",
		Message: "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
		EC:      ec}).with("UploadId", id)
}

func preconditionFailed(condition string) *Error {
	return (&Error{Status: 412, Code: "PreconditionFailed",
		Message: "At least one of the pre-conditions you specified did not hold.", EC: "0026-00000101"}).with("Condition", condition)
}

func fileAlreadyExists(key string) *Error {
	return (&Error{Status: 409, Code: "FileAlreadyExists",
		Message: "The object you specified already exists and can not be overwritten.", EC: "0026-00000121"}).with("Key", key)
}

func notImplemented(message string) *Error {
	return &Error{Status: 501, Code: "NotImplemented", Message: message, EC: "0003-00000501"}
}

func methodNotAllowed(method, resource string) *Error {
	return (&Error{Status: 405, Code: "MethodNotAllowed",
		Message: "The specified method is not allowed against this resource.", EC: "0017-00000901"}).
		with("Method", method).with("ResourceType", resource)
}

func entityTooLarge(size, limit int64) *Error {
	return (&Error{Status: 400, Code: "EntityTooLarge", Message: "Your proposed upload exceeds the maximum allowed size.",
		EC: "0017-00000205"}).with("ProposedSize", strconv.FormatInt(size, 10)).with("MaxSizeAllowed", strconv.FormatInt(limit, 10))
}

func missingContentLength() *Error {
	return &Error{Status: 411, Code: "MissingContentLength", Message: "You must provide the Content-Length HTTP header.", EC: "0017-00000201"}
}

// incompleteBody is the answer where a body ended before its length, if the
// client still listens.
func incompleteBody() *Error {
	return &Error{Status: 400, Code: "IncompleteBody",
		Message: "The request body terminated unexpectedly.", EC: "0017-00000303"}
}

func invalidDigest(given string) *Error {
	return (&Error{Status: 400, Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid.",
		EC: "0017-00000401"}).with("Content-MD5", given)
}

// internalError is the answer when the sandbox itself fails, on a full disk for
// instance.
func internalError(err error) *Error {
	return (&Error{Status: 500, Code: "InternalError",
		Message: "We encountered an internal error. Please try again.", EC: "0015-00000500"}).with("Cause", err.Error())
}

// document returns the error as the XML of its body.
func (e *Error) document(requestID, host string) []byte {
	var d document
	d.start()
	d.open("Error")
	d.text("Code", e.Code)
	d.text("Message", e.Message)
	d.text("RequestId", requestID)
	d.text("HostId", host)
	for _, f := range e.Fields {
		d.text(f[0], strings.Map(printable, f[1]))
	}
	if e.EC != "" {
		d.text("EC", e.EC)
		d.text("RecommendDoc", "https://api.alibabacloud.com/troubleshoot?q="+e.EC)
	}
	d.close("Error")
	return d.b
}

// printable replaces the control characters that no XML may have. In an error
// it is better to lose one than to be unreadable.
func printable(r rune) rune {
	if r < ' ' && r != '\n' && r != '\t' {
		return '\uFFFD'
	}
	return r
}

// refuse answers with an error. A HEAD, which has no body, carries it in a
// header.
func (x *exchange) refuse(e *Error) {
	x.code = e.Code
	body := e.document(x.id, x.r.Host)
	h := x.w.Header()
	for _, f := range e.Header {
		h.Set(f[0], f[1])
	}
	if e.EC != "" {
		h.Set("X-Oss-Ec", e.EC)
	}
	if x.r.Method == http.MethodHead || e.Status == http.StatusNotModified {
		h.Set("X-Oss-Err", base64.StdEncoding.EncodeToString(body))
		x.status = e.Status
		x.w.WriteHeader(e.Status)
		return
	}
	x.write(e.Status, "application/xml", body)
}
