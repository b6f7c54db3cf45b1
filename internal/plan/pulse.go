package plan

// Pulse returns how many lanes there are, once it has had the queue's mutex:
// then nobody holds that for good.
func (q *Queue) Pulse() (lanes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.lanes)
}
