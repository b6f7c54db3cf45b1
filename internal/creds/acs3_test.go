package creds

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// The first is Alibaba Cloud's own published example of the signature.
func TestSignACS3KnownAnswers(t *testing.T) {
	tests := []struct {
		name, host, id, secret string
		header, query          map[string]string
		want                   string
	}{
		{
			"published RunInstances", "ecs.cn-shanghai.aliyuncs.com", "YourAccessKeyId", "YourAccessKeySecret",
			map[string]string{
				"x-acs-action": "RunInstances", "x-acs-version": "2014-05-26",
				"x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
			},
			map[string]string{"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"},
			"06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
		},
		{
			"AssumeRole with a token", "sts-vpc.cn-hangzhou.aliyuncs.com", "STS.EXAMPLEID", "ExampleSecret",
			map[string]string{
				"x-acs-action": "AssumeRole", "x-acs-version": "2015-04-01",
				"x-acs-date": "2026-01-02T03:04:05Z", "x-acs-signature-nonce": "0123456789abcdef0123456789abcdef",
				"x-acs-accesskey-id": "STS.EXAMPLEID", "x-acs-security-token": "CAISexample",
			},
			map[string]string{
				"DurationSeconds": "3600", "RoleArn": "acs:ram::123456789012:role/Target", "RoleSessionName": "osssync-i-bp1",
			},
			"a0ed213f7fdda2226895ddf361ec1e4526998f6b385f1214c3b8dd1bc1e56a87",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := url.Values{}
			for k, v := range tt.query {
				q.Set(k, v)
			}
			req, err := http.NewRequest(http.MethodPost, "https://"+tt.host+"/?"+q.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tt.header {
				req.Header.Set(k, v)
			}
			signACS3(req, nil, tt.id, NewSecret(tt.secret))
			if got := req.Header.Get("Authorization"); !strings.HasSuffix(got, ",Signature="+tt.want) {
				t.Errorf("Authorization = %s, want signature %s", got, tt.want)
			}
		})
	}
}
