package ecs

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
)

// An stsError is a refusal.
type stsError struct {
	status  int
	code    string
	message string
}

func (e stsError) answer(id string) answer {
	return jsonAnswer(e.status, map[string]any{
		"RequestId": id,
		"HostId":    "sts.aliyuncs.com",
		"Code":      e.code,
		"Message":   e.message,
	})
}

func jsonAnswer(status int, v map[string]any) answer {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings always marshal
	}
	return answer{status, "application/json;charset=utf-8", string(b)}
}

// requestID returns a new one, in the form of the real ones.
func requestID() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]))
}
