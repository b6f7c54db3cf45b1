package creds

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAssumeRole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sts := newSTS(t)
		b := chainBench(t, newFake(), sts)
		s := b.want(t, "STS.child.1")
		if s.Role != targetARN || s.Source != "assume-role" || s.Generation != 1 || time.Until(s.Expires).Round(time.Minute) != time.Hour {
			t.Errorf("snapshot = %+v", s)
		}
		b.fake.wantRequests(t, "PUT token", "GET role", "GET credential app", "PUT token", "GET document")
		q := sts.queries[0]
		if len(q) != 3 || q.Get("RoleArn") != targetARN || q.Get("RoleSessionName") != "osssync-i-bp1fake" || q.Get("DurationSeconds") != "3600" {
			t.Errorf("parameters = %v", q)
		}
		for range 100 {
			b.want(t, "STS.child.1")
		}
		if sts.count() != 1 {
			t.Errorf("%d requests, want 1", sts.count())
		}
	})
}

func TestAssumeRoleParameters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sts := newSTS(t)
		policy := `{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:*","Resource":"*+~ %/ä"}]}`
		b := chainBench(t, newFake(), sts, func(o *Options) {
			o.AssumeRole = AssumeRole{
				ARN: targetARN, Endpoint: "http://127.0.0.1:9/", SessionName: "a@{instance_id}.{instance_id}",
				ExternalID: "e/x t", Policy: policy, Duration: 15 * time.Minute,
			}
		})
		b.want(t, "STS.child.1")
		q := sts.queries[0]
		if q.Get("RoleSessionName") != "a@i-bp1fake.i-bp1fake" || q.Get("ExternalId") != "e/x t" || q.Get("Policy") != policy || q.Get("DurationSeconds") != "900" {
			t.Errorf("parameters = %v", q)
		}
	})
}

func TestSessionNameTooLong(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sts := newSTS(t)
		f := newFake()
		f.identity.InstanceID = "i-" + strings.Repeat("x", 60)
		b := chainBench(t, f, sts)
		_, err := b.Get(t.Context())
		wantKind(t, err, Misconfigured)
		if sts.count() != 0 {
			t.Error("sent all the same")
		}
	})
}

func TestSTSEndpoints(t *testing.T) {
	for region, want := range map[string]string{
		"cn-hangzhou":           "https://sts-vpc.cn-hangzhou.aliyuncs.com",
		"ap-southeast-1":        "https://sts-vpc.ap-southeast-1.aliyuncs.com",
		"cn-hangzhou-finance":   "https://sts.cn-hangzhou.aliyuncs.com",
		"cn-north-2-gov-1":      "https://sts-vpc.cn-north-2-gov-1.aliyuncs.com",
		"cn-shenzhen-finance-1": "https://sts-vpc.cn-shenzhen-finance-1.aliyuncs.com",
	} {
		if got := stsEndpoint(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
	for endpoint, good := range map[string]bool{
		"https://sts.aliyuncs.com": true, "https://sts.aliyuncs.com/": true, "http://127.0.0.1:1": true, "http://[::1]:1": true,
		"http://sts.aliyuncs.com": false, "http://localhost": false, "sts.aliyuncs.com": false, "https://u:p@sts.aliyuncs.com": false, "https://sts.aliyuncs.com/x": false,
	} {
		err := (Options{AssumeRole: AssumeRole{ARN: targetARN, Endpoint: endpoint}}).Check()
		if (err == nil) != good {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// A child of 15 minutes, a parent that rotates: every request is of one
// generation of the parent, and the child outlives the parent's rotation.
func TestChain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sts := newSTS(t)
		f := newFake()
		b := chainBench(t, f, sts, func(o *Options) { o.AssumeRole.Duration = 15 * time.Minute })
		b.start(t)
		b.want(t, "STS.child.1")
		begin := time.Now()
		for time.Since(begin) < 13*time.Hour {
			s, err := b.Credentials()
			if err != nil || !consistent(s) {
				t.Fatalf("after %v: %v, %v", time.Since(begin), s, err)
			}
			time.Sleep(time.Minute)
		}
		parents := map[string]int{}
		for _, p := range sts.asked() {
			parents[p]++
		}
		if len(parents) != 3 || parents["STS.app.2"] < 20 {
			t.Errorf("parents = %v, want three generations", parents)
		}
		if n := sts.count(); n < 13*60/10 || n > 13*60/9+2 {
			t.Errorf("%d requests in 13 hours, want one in 9 to 10 minutes", n)
		}
		noSecrets(t, b.logs.String())
	})
}

func TestChainErrors(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		kind   Kind
		most   int // attempts in 10 minutes
	}{
		{"no permission", 403, `{"Code":"NoPermission","Message":"You are not authorized to do this action."}`, Denied, 22},
		{"no such role", 404, `{"Code":"EntityNotExist.Role"}`, Denied, 22},
		{"policy", 400, `{"Code":"InvalidParameter.PolicyGrammar"}`, Denied, 22},
		{"too long", 400, `{"Code":"InvalidParameter.DurationSeconds"}`, Denied, 22},
		{"unknown code", 400, `{"Code":"Whatever"}`, Denied, 22},
		{"hostile code", 400, `{"Code":"<b>` + secretMark + `</b>"}`, Denied, 22},
		{"throttled", 400, `{"Code":"Throttling.User","Message":"Request was denied due to user flow control."}`, Unreachable, 60},
		{"server error", 500, `{"Code":"InternalError"}`, Unreachable, 60},
		{"server page", 502, `<html>Bad Gateway</html>`, Unreachable, 60},
		{"too many", 429, ``, Unreachable, 60},
		{"web server", 404, `<html>Not Found</html>`, NotMetadata, 22},
		{"redirect", 302, ``, Unreachable, 22},
		{"secret refused", 403, `{"Code":"SignatureDoesNotMatch","Message":"` + secretMark + `"}`, Refused, 44},
		{"not JSON", 200, "hello", BadResponse, 60},
		{"no credentials", 200, `{"RequestId":"1"}`, BadResponse, 60},
		{"credentials null", 200, `{"Credentials":null}`, BadResponse, 60},
		{"half a credential", 200, `{"Credentials":{"AccessKeyId":"x"}}`, BadResponse, 60},
		{"expired", 200, `{"Credentials":` + credentialJSON("child", 1, time.Unix(0, 0)) + `}`, Expired, 60},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sts := newSTS(t)
				sts.refuse(tt.status, tt.body)
				b := chainBench(t, newFake(), sts)
				b.start(t)
				_, err := b.Get(t.Context())
				if tt.name == "redirect" {
					tt.kind = NotMetadata
				}
				wantKind(t, err, tt.kind)
				time.Sleep(10 * time.Minute)
				if n := sts.count(); n < 9 || n > tt.most {
					t.Errorf("%d attempts in 10 minutes, want up to %d", n, tt.most)
				}
				noSecrets(t, b.logs.String())
				sts.intercept(nil)
				time.Sleep(time.Minute + time.Second)
				b.want(t, "STS.child.1")
			})
		})
	}
}

// STS knows that the role's credential has ended before we do.
func TestChainParentRefused(t *testing.T) {
	for _, code := range []string{"InvalidSecurityToken.Expired", "InvalidAccessKeyId.NotFound", "InvalidAccessKeyId.Inactive", "MissingSecurityToken"} {
		bubble(t, func(t *testing.T) {
			sts := newSTS(t)
			f := newFake()
			b := chainBench(t, f, sts)
			sts.intercept(func(w http.ResponseWriter, n int) bool {
				if n > 1 {
					return false
				}
				f.rotate()
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, `{"Code":"`+code+`"}`)
				return true
			})
			b.want(t, "STS.child.1")
			if got := strings.Join(sts.asked(), ","); got != "STS.app.1,STS.app.2" {
				t.Errorf("%s: parents = %s", code, got)
			}
		})
	}
}

// A wrong clock is learnt from STS's refusal where the metadata service gives
// no date.
func TestChainClock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sts := newSTS(t)
		b := chainBench(t, newFake(), sts, func(o *Options) {
			o.wall = func() time.Time { return time.Now().Add(-20 * time.Minute) }
		})
		b.fake.intercept(func(w http.ResponseWriter, _ *http.Request, _ string) bool {
			w.Header()["Date"] = nil
			return false
		})
		b.want(t, "STS.child.1")
		if n := sts.count(); n != 2 {
			t.Errorf("%d requests, want 2", n)
		}
	})
}

// The service of the instance's region is asked when none is configured.
func TestChainDefaultEndpoint(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var dialled []string
		b := chainBench(t, newFake(), newSTS(t), func(o *Options) {
			o.AssumeRole.Endpoint = ""
			dial := o.dial
			o.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if !strings.HasPrefix(addr, metadataAddress) {
					dialled = append(dialled, addr)
				}
				return dial(ctx, network, addr)
			}
		})
		_, err := b.Get(t.Context()) // it speaks TLS, which the fake does not
		if err == nil || len(dialled) == 0 || dialled[0] != "sts-vpc.cn-hangzhou.aliyuncs.com:443" {
			t.Errorf("dialled %v, %v", dialled, err)
		}
		var out bytes.Buffer
		fmt.Fprintf(&out, "%v %+v", err, err)
		noSecrets(t, out.String())
	})
}
