package oss

import (
	"encoding/base64"
	"encoding/json"
)

// callback returns what a request says of a callback, "" for nothing.
func (x *exchange) callback() string {
	if v := x.header("X-Oss-Callback"); v != "" || len(x.query) == 0 {
		return v
	}
	return x.query.get("callback")
}

// checkCallback refuses a callback that is none before anything is stored.
func checkCallback(x *exchange) error {
	v := x.callback()
	if v == "" {
		return nil
	}
	var conf struct {
		URL  string `json:"callbackUrl"`
		Body string `json:"callbackBody"`
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err == nil {
		err = json.Unmarshal(b, &conf)
	}
	if err != nil || conf.URL == "" || conf.Body == "" {
		return invalidArgument("The callback configuration is not json format.", "callback", v, "0007-00000001")
	}
	return nil
}

// callbackFailed is the answer to a request with a callback, once it has been
// carried out: the sandbox makes no requests of its own, so that every callback
// fails as that to a host that cannot be reached does.
func callbackFailed() *Error {
	return &Error{Status: 203, Code: "CallbackFailed", Message: "The sandbox makes no callbacks.", EC: "0007-00000203"}
}
