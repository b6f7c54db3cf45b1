package oss_test

import (
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"
)

var large = flag.Int64("large", 64, "MiB of the object of TestLargeObject")

// TestLargeObject puts an object in parts and gets it whole, and sees to it
// that its size costs no memory. With -large 10240 it takes minutes.
func TestLargeObject(t *testing.T) {
	const part = 16 << 20
	size := max(*large<<20/part, 1) * part
	s := start(t)
	b := s.client(t)
	top := watchMemory(t)
	began := time.Now()
	u, err := b.InitiateMultipartUpload("large")
	if err != nil {
		t.Fatal(err)
	}
	var parts []sdk.UploadPart
	for n := range size / part {
		p, err := b.UploadPart(u, &zeros{part}, part, int(n)+1)
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, p)
	}
	if _, err := b.CompleteMultipartUpload(u, parts); err != nil {
		t.Fatal(err)
	}
	put := time.Since(began)
	r, err := b.GetObject("large")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := io.Copy(io.Discard, r); n != size || err != nil {
		t.Errorf("read %d bytes, %v, want %d", n, err, size)
	}
	const limit = 32 << 20
	got := top()
	if got > limit {
		t.Errorf("%d bytes took %d of memory, want at most %d", size, got, int64(limit))
	}
	t.Logf("%d MiB in %v, and out in %v; %.1f MiB of memory at most", size>>20, put.Round(time.Second),
		(time.Since(began) - put).Round(time.Second), float64(got)/(1<<20))
}

// watchMemory samples the memory that the process has from the system, client
// and server. The function it returns tells the most there was beyond what there
// was at the start.
func watchMemory(t *testing.T) func() int64 {
	var top atomic.Int64
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	runtime.GC()
	before := memory()
	go func() {
		for {
			top.Store(max(top.Load(), memory()-before))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return top.Load
}

func memory() int64 {
	m := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(m)
	for _, v := range m {
		if v.Value.Kind() != metrics.KindUint64 {
			panic(fmt.Sprintf("there is no metric %s", v.Name))
		}
	}
	return int64(m[0].Value.Uint64() - m[1].Value.Uint64())
}
