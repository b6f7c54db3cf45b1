package box_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// order sends an order to the control address and returns the answer.
func order(t *testing.T, b *box.Box, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.ControlEndpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return send(t, r)
}

// ordered wants the order to be carried out, and decodes the answer into v.
func ordered(t *testing.T, b *box.Box, method, path, body string, v any) {
	t.Helper()
	status, answer := order(t, b, method, path, body)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal([]byte(answer), v); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
}

func controlled(t *testing.T) *box.Box {
	t.Helper()
	return box.Start(t, box.Options{ControlAddr: "127.0.0.1:0"})
}

func TestControlInfoAndObjects(t *testing.T) {
	b := controlled(t)
	var info box.Info
	if ordered(t, b, "GET", "/", "", &info); info != b.Info() || info.OSS != b.OSSEndpoint || info.Control == "" {
		t.Errorf("info %+v, want %+v", info, b.Info())
	}
	put(t, bucket(t, b), "k", "123456789")
	var objects map[string]struct {
		Size        int64
		CRC64, ETag string
	}
	ordered(t, b, "GET", "/objects", "", &objects)
	if o := objects["k"]; o.Size != 9 || o.CRC64 != "11051210869376104954" || o.ETag == "" {
		t.Errorf("objects %+v", objects)
	}
}

func TestControlFaults(t *testing.T) {
	b := controlled(t)
	for _, service := range []string{"metadata", "sts"} {
		at := "/" + service + "/-/"
		url := map[string]string{"metadata": b.MetadataEndpoint, "sts": b.STSEndpoint}[service]
		ask := func() int {
			r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/latest/", nil)
			if err != nil {
				t.Fatal(err)
			}
			status, _ := send(t, r)
			return status
		}
		usual := ask()
		ordered(t, b, "POST", at+"faults", `{"status": 507, "skip": 1}`, nil)
		ask()
		if got := ask(); got != 507 {
			t.Errorf("%s with a fault: %d, want 507", service, got)
		}
		var faults []map[string]any
		if ordered(t, b, "GET", at+"faults", "", &faults); len(faults) != 1 || faults[0]["status"] != 507.0 {
			t.Errorf("%s has faults %v", service, faults)
		}
		ordered(t, b, "DELETE", at+"faults", "", nil)
		if got := ask(); got != usual {
			t.Errorf("%s without faults: %d, want %d", service, got, usual)
		}
		var log []struct {
			Path   string
			Status int
		}
		if ordered(t, b, "GET", at+"requests", "", &log); len(log) != 4 || log[2].Status != 507 || log[0].Path != "/latest/" {
			t.Errorf("%s has the log %v", service, log)
		}
		ordered(t, b, "DELETE", at+"requests", "", nil)
		if ordered(t, b, "GET", at+"requests", "", &log); len(log) != 0 {
			t.Errorf("%s has the log %v after it was emptied", service, log)
		}
	}
	ordered(t, b, "POST", "/oss/-/faults", `{"op": "PutObject", "status": 503, "code": "TotalQpsLimitExceeded"}`, nil)
	if err := bucket(t, b).PutObject("k", strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "TotalQpsLimitExceeded") {
		t.Errorf("put with a fault: %v", err)
	}
}

func TestControlInstance(t *testing.T) {
	b := controlled(t)
	first := metadataGrant(t, b)
	var key map[string]string
	if ordered(t, b, "POST", "/rotate", "", &key); key["access_key_id"] == first.AccessKeyID || metadataGrant(t, b).AccessKeyID != key["access_key_id"] {
		t.Errorf("after rotate: %v", key)
	}
	bk := bucketAs(t, b, first)
	put(t, bk, "k", "both generations are good")
	ordered(t, b, "POST", "/expire", `{"access_key_id": "`+first.AccessKeyID+`"}`, nil)
	if err := bk.DeleteObject("k"); err == nil || !strings.Contains(err.Error(), "SecurityTokenExpired") {
		t.Errorf("with an expired credential: %v", err)
	}
	present := bucket(t, b)
	ordered(t, b, "POST", "/revoke", `{}`, nil)
	if err := present.DeleteObject("k"); err == nil || !strings.Contains(err.Error(), "InvalidAccessKeyId") {
		t.Errorf("with a revoked credential: %v", err)
	}
	if ordered(t, b, "POST", "/role", `{"role": "reader"}`, nil); b.ECS.Role() != "reader" {
		t.Errorf("the role is %s", b.ECS.Role())
	}
	ordered(t, b, "POST", "/role", `{"role": ""}`, nil)
	if _, ok := b.ECS.Current(); ok {
		t.Error("the role was not detached")
	}
	ordered(t, b, "POST", "/mode", `{"mode": "optional"}`, nil)
	ordered(t, b, "POST", "/spot", `{"time": "2026-01-05T18:02:00Z"}`, nil)
	spot, err := http.Get(b.MetadataEndpoint + "/latest/meta-data/instance/spot/termination-time")
	if err != nil {
		t.Fatal(err)
	}
	spot.Body.Close()
	if spot.StatusCode != http.StatusOK {
		t.Errorf("spot termination time, without a token in optional mode: %d", spot.StatusCode)
	}
}

func TestControlDown(t *testing.T) {
	b := controlled(t)
	ordered(t, b, "POST", "/metadata/down", "", nil)
	if resp, err := http.Get(b.MetadataEndpoint); err == nil {
		resp.Body.Close()
		t.Error("the service answers when it is down")
	}
	ordered(t, b, "POST", "/metadata/up", "", nil)
	metadataGrant(t, b)
}

func TestControlRefusals(t *testing.T) {
	b := controlled(t)
	b.ECS.SetRole("")
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/role", `{}`},
		{"POST", "/role", `{"role": "a", "rôle": "b"}`},
		{"POST", "/mode", `{"mode": "strict"}`},
		{"POST", "/spot", `{"time": "soon"}`},
		{"POST", "/expire", `{"access_key_id": "nobody"}`},
		{"POST", "/expire", `{}`},
		{"POST", "/metadata/-/faults", `{"stauts": 500}`},
		{"POST", "/nothing/-/faults", `{}`},
		{"POST", "/control/down", ``},
		{"GET", "/rotate", ``},
	} {
		if status, answer := order(t, b, c.method, c.path, c.body); status < 400 {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, status, answer)
		}
	}
}
