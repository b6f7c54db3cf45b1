package sdkv2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

// listed are the names that the listings are tried with, in their order.
var listed = []string{"a", "a b", "a+b", "dir/1", "dir/2", "dir/sub/3", "dir2/4", "x&<>", "z\x01", "é", "日"}

func (b bench) fill() {
	b.Helper()
	for i, n := range listed {
		b.put(n, noise(i))
	}
}

func TestListV2(t *testing.T) {
	each(t, func(b bench) {
		b.fill()
		for _, size := range []int32{1, 3, 100} {
			p := b.c.NewListObjectsV2Paginator(&oss.ListObjectsV2Request{Bucket: b.bucket(), Prefix: oss.Ptr(b.prefix), MaxKeys: size})
			var got []string
			for p.HasNext() {
				page, err := p.NextPage(b.ctx)
				b.no(err, "page")
				b.eq("key count", page.KeyCount, len(page.Contents))
				for _, o := range page.Contents {
					got = append(got, strings.TrimPrefix(*o.Key, b.prefix))
					b.eq("ETag and size", *o.ETag+fmt.Sprint(o.Size), etag(noise(len(got)-1))+fmt.Sprint(len(got)-1))
				}
			}
			b.eq("keys", fmt.Sprintf("%q", got), fmt.Sprintf("%q", listed))
		}
		r, err := b.c.ListObjectsV2(b.ctx, &oss.ListObjectsV2Request{
			Bucket: b.bucket(), Prefix: oss.Ptr(b.prefix), Delimiter: oss.Ptr("/"), StartAfter: b.key("a b"), FetchOwner: true,
		})
		b.no(err, "list")
		b.eq("level", level(b, r.Contents, r.CommonPrefixes), `["a+b" "x&<>" "z\x01" "é" "日"] ["dir/" "dir2/"]`)
		if r.Contents[0].Owner == nil || oss.ToString(r.Contents[0].Owner.ID) == "" {
			b.Errorf("no owner was fetched")
		}
	})
}

func TestListV1(t *testing.T) {
	each(t, func(b bench) {
		b.fill()
		for _, size := range []int32{1, 3, 100} {
			p := b.c.NewListObjectsPaginator(&oss.ListObjectsRequest{Bucket: b.bucket(), Prefix: oss.Ptr(b.prefix), MaxKeys: size})
			var got []string
			for p.HasNext() {
				page, err := p.NextPage(b.ctx)
				b.no(err, "page")
				for _, o := range page.Contents {
					got = append(got, strings.TrimPrefix(*o.Key, b.prefix))
				}
			}
			b.eq("keys", fmt.Sprintf("%q", got), fmt.Sprintf("%q", listed))
		}
		r, err := b.c.ListObjects(b.ctx, &oss.ListObjectsRequest{Bucket: b.bucket(), Prefix: oss.Ptr(b.prefix), Delimiter: oss.Ptr("/"), Marker: b.key("dir/")})
		b.no(err, "list")
		b.eq("level", level(b, r.Contents, r.CommonPrefixes), `["x&<>" "z\x01" "é" "日"] ["dir2/"]`)
	})
}

// level writes what one level of a listing holds.
func level(b bench, objects []oss.ObjectProperties, prefixes []oss.CommonPrefix) string {
	var keys, dirs []string
	for _, o := range objects {
		keys = append(keys, strings.TrimPrefix(*o.Key, b.prefix))
	}
	for _, p := range prefixes {
		dirs = append(dirs, strings.TrimPrefix(*p.Prefix, b.prefix))
	}
	return fmt.Sprintf("%q %q", keys, dirs)
}

func TestBuckets(t *testing.T) {
	each(t, func(b bench) {
		r, err := b.c.ListBuckets(b.ctx, &oss.ListBucketsRequest{Prefix: b.bucket()})
		b.no(err, "list buckets")
		b.eq("bucket", oss.ToString(r.Buckets[0].Name), b.s.Bucket)
		i, err := b.c.GetBucketInfo(b.ctx, &oss.GetBucketInfoRequest{Bucket: b.bucket()})
		b.no(err, "bucket info")
		b.eq("location", oss.ToString(i.BucketInfo.Location), "oss-"+b.s.Region)
		name := oss.Ptr(fmt.Sprintf("sdkv2-%x", noise(8)))
		_, err = b.c.PutBucket(b.ctx, &oss.PutBucketRequest{Bucket: name})
		b.no(err, "create bucket")
		_, err = b.c.DeleteBucket(b.ctx, &oss.DeleteBucketRequest{Bucket: name})
		b.no(err, "delete bucket")
		_, err = b.c.ListObjectsV2(b.ctx, &oss.ListObjectsV2Request{Bucket: name})
		b.refused(err, 404, "NoSuchBucket")
	})
}
