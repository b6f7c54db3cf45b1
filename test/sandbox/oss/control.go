package oss

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Control returns a handler by which a test in another process steers the
// server. It must not be where the buckets are, for a key may be any name.
//
//	GET    /-/faults        the faults, as a list of {id, fault, hits}
//	POST   /-/faults        adds the Fault of the body; {"id": 1}
//	DELETE /-/faults        removes all
//	DELETE /-/faults/ID     removes one
//	GET    /-/requests      {"requests": [...], "counters": {"PutObject": {...}}};
//	                        ?op=, ?bucket= and ?key= (a pattern) pick requests
//	DELETE /-/requests      empties the log
//	GET    /-/ops           the operations
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/faults", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.faults.List()) })
	mux.HandleFunc("POST /-/faults", s.postFault)
	mux.HandleFunc("DELETE /-/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /-/faults/{id}", s.deleteFault)
	mux.HandleFunc("GET /-/requests", s.getRequests)
	mux.HandleFunc("DELETE /-/requests", func(w http.ResponseWriter, _ *http.Request) {
		s.requests.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /-/ops", func(w http.ResponseWriter, _ *http.Request) { reply(w, Ops()) })
	return mux
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // the only failure is a client that has gone
}

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	var f Fault
	if err := dec.Decode(&f); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, err := s.faults.add(f)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, map[string]int{"id": id})
}

func (s *Server) deleteFault(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !s.faults.Remove(id) {
		http.NotFound(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) getRequests(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	picked := []Request{}
	for _, e := range s.requests.Entries() {
		if q.Get("op") != "" && string(e.Op) != q.Get("op") || q.Get("bucket") != "" && e.Bucket != q.Get("bucket") ||
			q.Get("key") != "" && !glob(q.Get("key"), e.Key) {
			continue
		}
		picked = append(picked, e)
	}
	reply(w, struct {
		Requests []Request      `json:"requests"`
		Counters map[Op]Counter `json:"counters"`
	}{picked, s.requests.Counters()})
}
