package upload

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A gate lets as many requests run at once as its tuner allows. Requests for
// parts take at most three quarters of the places, and no more than partsAtOnce;
// where both kinds wait they take turns, so neither large nor small files
// starve. Safe for concurrent use.
type gate struct {
	mu      sync.Mutex
	tuner   *tuner
	running int // requests, those for parts included
	parts   int
	waiting [2][]chan struct{} // small, parts; each in order of arrival
	turn    int                // whose turn it is
}

const (
	forSmall = 0
	forPart  = 1
)

// partsAtOnce bounds the requests for parts that run at once. A part is so
// large that its connection spends nearly all its time sending; a dozen fill
// any line that this machine can feed, and more only share what there is.
const partsAtOnce = 12

func newGate(max int) *gate { return &gate{tuner: newTuner(max)} }

// pass waits for a place, runs the request and gives the place back. The
// request tells how many bytes it sent.
func (g *gate) pass(ctx context.Context, kind int, request func() (int64, error)) error {
	if err := g.enter(ctx, kind); err != nil {
		return err
	}
	begun := time.Now()
	sent, err := request()
	g.leave(kind, time.Since(begun), sent, err != nil && congested(err))
	return err
}

func (g *gate) enter(ctx context.Context, kind int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.running < g.tuner.limit && len(g.waiting[kind]) == 0 && g.mayRun(kind) {
		g.run(kind)
		g.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	g.waiting[kind] = append(g.waiting[kind], ch)
	g.admit()
	g.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	i := slices.Index(g.waiting[kind], ch)
	if i >= 0 {
		g.waiting[kind] = slices.Delete(g.waiting[kind], i, i+1)
	}
	if i < 0 { // admitted in the same moment
		g.release(kind)
	}
	g.mu.Unlock()
	return ctx.Err()
}

// leave gives a place back, and has the tuner hear of the request.
func (g *gate) leave(kind int, took time.Duration, sent int64, failed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tuner.observe(time.Now(), took, sent, failed)
	g.release(kind)
}

func (g *gate) release(kind int) {
	g.running--
	if kind == forPart {
		g.parts--
	}
	g.admit()
}

// admit lets those in who may run now.
func (g *gate) admit() {
	for g.running < g.tuner.limit {
		kind := g.turn
		if !g.ready(kind) {
			kind = 1 - kind
		}
		if !g.ready(kind) {
			return
		}
		close(g.waiting[kind][0])
		g.waiting[kind] = g.waiting[kind][1:]
		g.run(kind)
	}
	if len(g.waiting[forSmall])+len(g.waiting[forPart]) > 0 {
		g.tuner.wanted = true
	}
}

// run takes a place.
func (g *gate) run(kind int) {
	g.running++
	if kind == forPart {
		g.parts++
	}
	g.turn = 1 - kind
}

// ready reports whether one of a kind waits that may run when there is a place.
func (g *gate) ready(kind int) bool { return len(g.waiting[kind]) > 0 && g.mayRun(kind) }

func (g *gate) mayRun(kind int) bool {
	return kind == forSmall || g.parts < min(max(1, g.tuner.limit*3/4), partsAtOnce)
}
