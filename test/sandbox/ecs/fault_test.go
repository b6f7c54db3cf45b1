package ecs_test

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/test/sandbox/ecs"
)

func TestFaultJSON(t *testing.T) {
	const text = `{"op":"token","skip":1,"count":2,"status":500,"fields":{"Code":"Fail"},"drop":["Expiration"],"latency":"1.5s"}`
	want := ecs.Fault{
		Op: ecs.OpToken, Skip: 1, Count: 2, Latency: 1500 * time.Millisecond, Status: 500,
		Fields: map[string]any{"Code": "Fail"}, Drop: []string{"Expiration"},
	}
	var f ecs.Fault
	if err := json.Unmarshal([]byte(text), &f); err != nil || !reflect.DeepEqual(f, want) {
		t.Errorf("%+v, %v, want %+v", f, err, want)
	}
	if b, err := json.Marshal(f); err != nil || string(b) != text {
		t.Errorf("%s, %v, want %s", b, err, text)
	}
	for _, bad := range []string{`{"stauts":500}`, `{"latency":"soon"}`, `{"latency":5}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), &f); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestFaultList(t *testing.T) {
	s := newServer(0, ecs.Optional)
	s.Faults().Add(ecs.Fault{Status: 500, Count: 2}, ecs.Fault{Status: 501})
	for range 3 {
		ask(s, "GET", rolePath)
	}
	if got := s.Faults().List(); len(got) != 1 || got[0].Status != 501 || got[0].Count != 0 {
		t.Errorf("left of the faults: %+v", got)
	}
}

// TestClearLetsGo has a request hang until the fault is removed.
func TestClearLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0, ecs.Optional)
		s.Faults().Add(ecs.Fault{Hang: true})
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://100.100.100.200"+rolePath, nil))
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("the request does not hang")
		default:
		}
		s.Faults().Clear()
		if <-done == nil {
			t.Error("the request was answered")
		}
	})
}
