package oss

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// wire are the fields of a Fault that JSON has in words.
type wire struct {
	Latency string `json:"latency,omitempty"`
	Skew    string `json:"skew,omitempty"`
}

type plainFault Fault // without the methods

// MarshalJSON implements json.Marshaler.
func (f Fault) MarshalJSON() ([]byte, error) {
	w := wire{}
	if f.Latency != 0 {
		w.Latency = f.Latency.String()
	}
	if f.Skew != 0 {
		w.Skew = f.Skew.String()
	}
	return json.Marshal(struct {
		plainFault
		wire
	}{plainFault(f), w})
}

// UnmarshalJSON implements json.Unmarshaler.
func (f *Fault) UnmarshalJSON(b []byte) error {
	var v struct {
		plainFault
		wire
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	*f = Fault(v.plainFault)
	for _, d := range []struct {
		text string
		to   *time.Duration
	}{{v.wire.Latency, &f.Latency}, {v.wire.Skew, &f.Skew}} {
		if d.text == "" {
			continue
		}
		t, err := time.ParseDuration(d.text)
		if err != nil {
			return err
		}
		*d.to = t
	}
	return f.check()
}

func (f *Fault) check() error {
	switch {
	case f.Op != "" && !slices.Contains(Ops(), f.Op):
		return fmt.Errorf("no such operation: %q", f.Op)
	case f.Rate < 0 || f.Rate > 1:
		return fmt.Errorf("rate is not within 0 to 1: %v", f.Rate)
	case !slices.Contains([]Reset{"", ResetBefore, ResetRequest, ResetAfter, ResetResponse}, f.Reset):
		return fmt.Errorf("no such reset: %q", f.Reset)
	case !slices.Contains([]CRCFault{"", CRCWrong, CRCMissing}, f.CRC):
		return fmt.Errorf("no such crc: %q", f.CRC)
	case !slices.Contains([]TokenFault{"", TokenExpired, TokenInvalid, TokenRevoked}, f.Token):
		return fmt.Errorf("no such token: %q", f.Token)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status is not within 200 to 599: %d", f.Status)
	case f.Status == 0 && (f.Code != "" || f.Body != ""):
		return fmt.Errorf("a code or a body needs a status")
	}
	return nil
}
