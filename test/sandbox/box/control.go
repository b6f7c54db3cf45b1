package box

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/osssync/osssync/test/sandbox/ecs"
)

// control returns the handler of the control address, by which scripts in any
// language do to the box what Go tests do by its methods. All is JSON; an error
// is a status of 400 or more with a line of text. SERVICE is oss, metadata or
// sts.
//
//	GET    /                     addresses, bucket and region
//	GET    /objects              {"KEY": {"size", "crc64", "etag"}, …}
//	GET    /SERVICE/-/requests   the log of requests
//	DELETE /SERVICE/-/requests   empties it
//	GET    /SERVICE/-/faults     the faults
//	POST   /SERVICE/-/faults     adds one: an oss.Fault or ecs.Fault
//	DELETE /SERVICE/-/faults     removes all
//	POST   /SERVICE/down         refuses connections
//	POST   /SERVICE/up           takes them again
//	POST   /role                 {"role": NAME}, "" to detach it
//	POST   /mode                 {"mode": "required", "optional" or "disabled"}
//	POST   /spot                 {"time": RFC 3339}, null for no end
//	POST   /rotate               makes the role's next credential appear
//	POST   /expire, /revoke      {"access_key_id": ID}, "" for the role's present one
//
// Below /oss/-/ is more; see [oss.Server.Control].
func (b *Box) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/oss/-/", http.StripPrefix("/oss", b.OSS.Control()))
	b.controlFaults(mux, Metadata, b.ECS.Faults(), b.ECS.Requests())
	b.controlFaults(mux, STS, b.STS.Faults(), b.STS.Requests())
	handle(mux, "GET /{$}", func(*http.Request) (any, error) { return b.Info(), nil })
	handle(mux, "GET /objects", func(*http.Request) (any, error) { return b.Objects() })
	for _, s := range []Service{OSS, Metadata, STS} {
		handle(mux, "POST /"+string(s)+"/down", func(*http.Request) (any, error) { return done(b.Down(s)) })
		handle(mux, "POST /"+string(s)+"/up", func(*http.Request) (any, error) { return done(b.Up(s)) })
	}
	handle(mux, "POST /role", b.setRole)
	handle(mux, "POST /mode", b.setMode)
	handle(mux, "POST /spot", b.setSpot)
	handle(mux, "POST /rotate", func(*http.Request) (any, error) {
		return map[string]string{"access_key_id": b.ECS.Rotate().AccessKeyID}, nil
	})
	handle(mux, "POST /expire", func(r *http.Request) (any, error) { return b.endKey(r, b.Authority.Expire) })
	handle(mux, "POST /revoke", func(r *http.Request) (any, error) { return b.endKey(r, b.Authority.Revoke) })
	return mux
}

// handle serves what do returns as JSON.
func handle(mux *http.ServeMux, pattern string, do func(r *http.Request) (any, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v, err := do(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(v) // the only failure is a client that has gone
	})
}

// controlFaults adds what is about the faults and the log of one service.
func (b *Box) controlFaults(mux *http.ServeMux, s Service, faults *ecs.Faults, log *ecs.Log) {
	at := " /" + string(s) + "/-/"
	handle(mux, "GET"+at+"requests", func(*http.Request) (any, error) { return log.Entries(), nil })
	handle(mux, "DELETE"+at+"requests", func(*http.Request) (any, error) {
		log.Reset()
		return done(nil)
	})
	handle(mux, "GET"+at+"faults", func(*http.Request) (any, error) { return faults.List(), nil })
	handle(mux, "POST"+at+"faults", func(r *http.Request) (any, error) {
		var f ecs.Fault
		err := decode(r, &f)
		if err == nil {
			faults.Add(f)
		}
		return done(err)
	})
	handle(mux, "DELETE"+at+"faults", func(*http.Request) (any, error) {
		faults.Clear()
		return done(nil)
	})
}

// done is the answer to what returns nothing but an error.
func done(err error) (any, error) { return map[string]bool{"ok": err == nil}, err }

// decode reads a body of JSON, in which only known fields may be.
func decode(r *http.Request, v any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

func (b *Box) setRole(r *http.Request) (any, error) {
	var v struct{ Role *string }
	if err := decode(r, &v); err != nil || v.Role == nil {
		return nil, errors.Join(errors.New(`want {"role": NAME}`), err)
	}
	b.ECS.SetRole(*v.Role)
	return done(nil)
}

func (b *Box) setMode(r *http.Request) (any, error) {
	var v struct{ Mode ecs.Mode }
	err := decode(r, &v)
	switch v.Mode {
	case ecs.Hardened, ecs.Optional, ecs.Disabled:
		b.ECS.SetMode(v.Mode)
		return done(err)
	}
	return nil, errors.Join(fmt.Errorf("no mode %q", v.Mode), err)
}

func (b *Box) setSpot(r *http.Request) (any, error) {
	var v struct{ Time time.Time }
	if err := decode(r, &v); err != nil {
		return nil, err
	}
	b.ECS.SetSpotTermination(v.Time)
	return done(nil)
}

// endKey does end to the key that the body names, or to the role's.
func (b *Box) endKey(r *http.Request, end func(string)) (any, error) {
	var v struct {
		ID string `json:"access_key_id"`
	}
	if err := decode(r, &v); err != nil {
		return nil, err
	}
	if v.ID == "" {
		g, ok := b.ECS.Current()
		if !ok {
			return nil, errors.New("no role is attached")
		}
		v.ID = g.AccessKeyID
	}
	if _, ok := b.Authority.Lookup(v.ID); !ok {
		return nil, fmt.Errorf("no key %q", v.ID)
	}
	end(v.ID)
	return map[string]string{"access_key_id": v.ID}, nil
}
