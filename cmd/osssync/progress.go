package main

import (
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// A progress is a bar of bytes on standard error. Where that is no terminal
// it does nothing. The nil progress is valid and does nothing too.
type progress struct {
	out *mpb.Progress
	bar *mpb.Bar
}

// progress starts a bar of total bytes; -1 where nobody knows yet.
func (a *app) progress(name string, total int64) *progress {
	if !isTerminal(a.stderr) {
		return nil
	}
	p := &progress{out: mpb.New(mpb.WithOutput(a.stderr), mpb.WithWidth(40))}
	var filler mpb.BarFillerBuilder = mpb.BarStyle()
	count := decor.CountersKibiByte("% .1f / % .1f", decor.WCSyncSpace)
	if total < 0 {
		filler, count = mpb.SpinnerStyle(), decor.CurrentKibiByte("% .1f", decor.WCSyncSpace)
	}
	p.bar = p.out.New(max(total, 0), filler,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR), count),
		mpb.AppendDecorators(decor.AverageSpeed(decor.SizeB1024(0), "% .1f", decor.WCSyncSpace)))
	return p
}

// reader counts what is read through it.
func (p *progress) reader(r io.Reader) io.Reader {
	if p == nil {
		return r
	}
	return &countingReader{r, p.bar}
}

// done says that n more bytes are through.
func (p *progress) done(n int) {
	if p != nil {
		p.bar.IncrBy(n)
	}
}

// close takes the bar away. It may be called more than once.
func (p *progress) close() {
	if p == nil {
		return
	}
	p.bar.Abort(true)
	p.out.Wait()
}

type countingReader struct {
	r   io.Reader
	bar *mpb.Bar
}

// Read implements io.Reader.
func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.bar.IncrBy(n)
	return n, err
}
