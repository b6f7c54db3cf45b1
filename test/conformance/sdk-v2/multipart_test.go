package sdkv2

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/aliyun/alibabacloud-oss-go-sdk-v2/oss"
)

func (b bench) initiate(name string) *string {
	b.Helper()
	r, err := b.c.InitiateMultipartUpload(b.ctx, &oss.InitiateMultipartUploadRequest{
		Bucket: b.bucket(), Key: b.key(name), ContentType: oss.Ptr("text/x-m"), Metadata: map[string]string{"m": "1"},
	})
	b.no(err, "initiate")
	return r.UploadId
}

func (b bench) part(name string, id *string, number int32, p []byte) oss.UploadPart {
	b.Helper()
	r, err := b.c.UploadPart(b.ctx, &oss.UploadPartRequest{Bucket: b.bucket(), Key: b.key(name), UploadId: id, PartNumber: number, Body: b.body(p)})
	b.no(err, "part")
	b.eq("ETag of part", oss.ToString(r.ETag), etag(p))
	b.eq("CRC-64 of part", oss.ToString(r.HashCRC64), crc(p))
	return oss.UploadPart{PartNumber: number, ETag: r.ETag}
}

func (b bench) complete(name string, id *string, parts ...oss.UploadPart) (*oss.CompleteMultipartUploadResult, error) {
	return b.c.CompleteMultipartUpload(b.ctx, &oss.CompleteMultipartUploadRequest{
		Bucket: b.bucket(), Key: b.key(name), UploadId: id, CompleteMultipartUpload: &oss.CompleteMultipartUpload{Parts: parts},
	})
}

func TestMultipart(t *testing.T) {
	each(t, func(b bench) {
		p := noise(100<<10*3 + 5)
		pieces := [][]byte{p[:100<<10], p[100<<10 : 200<<10], p[200<<10:]}
		id := b.initiate("m +日")
		b.part("m +日", id, 2, pieces[0]) // replaced below
		var parts []oss.UploadPart
		for i, piece := range pieces {
			parts = append(parts, b.part("m +日", id, int32(2*i+1), piece))
		}
		second := b.part("m +日", id, 2, noise(100<<10))
		l, err := b.c.ListParts(b.ctx, &oss.ListPartsRequest{Bucket: b.bucket(), Key: b.key("m +日"), UploadId: id})
		b.no(err, "list parts")
		b.eq("parts", len(l.Parts), 4)
		b.eq("number", l.Parts[3].PartNumber, 5)
		b.eq("size", l.Parts[3].Size, len(pieces[2]))
		ups, err := b.c.ListMultipartUploads(b.ctx, &oss.ListMultipartUploadsRequest{Bucket: b.bucket(), Prefix: oss.Ptr(b.prefix)})
		b.no(err, "list uploads")
		b.eq("uploads", len(ups.Uploads), 1)
		b.eq("upload", oss.ToString(ups.Uploads[0].Key)+oss.ToString(ups.Uploads[0].UploadId), *b.key("m +日")+*id)

		_, err = b.complete("m +日", id, parts[0], oss.UploadPart{PartNumber: 3, ETag: second.ETag})
		b.refused(err, 400, "InvalidPart")
		r, err := b.complete("m +日", id, parts...)
		b.no(err, "complete")
		b.eq("ETag", oss.ToString(r.ETag), multipartETag(pieces...))
		b.eq("CRC-64", oss.ToString(r.HashCRC64), crc(p))
		g := b.get("m +日", p)
		b.eq("type", oss.ToString(g.ObjectType), "Multipart")
		b.eq("content type", oss.ToString(g.ContentType), "text/x-m")
		b.eq("metadata", g.Metadata, map[string]string{"m": "1"})
		_, err = b.complete("m +日", id, parts...)
		b.refused(err, 404, "NoSuchUpload")
	})
}

func TestMultipartRefusals(t *testing.T) {
	each(t, func(b bench) {
		id := b.initiate("small")
		one, two := b.part("small", id, 1, noise(100<<10-1)), b.part("small", id, 2, noise(1))
		_, err := b.complete("small", id, one, two)
		b.refused(err, 400, "EntityTooSmall")
		_, err = b.complete("small", id, one)
		b.no(err, "complete with one small part")
		b.get("small", noise(100<<10-1))

		id = b.initiate("gone")
		b.part("gone", id, 1, noise(1))
		a, err := b.c.AbortMultipartUpload(b.ctx, &oss.AbortMultipartUploadRequest{Bucket: b.bucket(), Key: b.key("gone"), UploadId: id})
		b.no(err, "abort")
		b.eq("status", a.StatusCode, 204)
		_, err = b.c.UploadPart(b.ctx, &oss.UploadPartRequest{Bucket: b.bucket(), Key: b.key("gone"), UploadId: id, PartNumber: 1, Body: b.body(nil)})
		b.refused(err, 404, "NoSuchUpload")
		_, err = b.c.UploadPart(b.ctx, &oss.UploadPartRequest{Bucket: b.bucket(), Key: b.key("gone"), UploadId: id, PartNumber: 10001, Body: b.body(nil)})
		b.refused(err, 400, "InvalidArgument")
	})
}

func TestPartCopy(t *testing.T) {
	each(t, func(b bench) {
		p := noise(300 << 10)
		b.put("source +日", p)
		id := b.initiate("copied")
		var parts []oss.UploadPart
		for i, rng := range []string{"bytes=0-153599", "bytes=153600-307199"} {
			r, err := b.c.UploadPartCopy(b.ctx, &oss.UploadPartCopyRequest{
				Bucket: b.bucket(), Key: b.key("copied"), UploadId: id, PartNumber: int32(i + 1), SourceKey: b.key("source +日"), Range: &rng,
			})
			b.no(err, "part copy")
			parts = append(parts, oss.UploadPart{PartNumber: int32(i + 1), ETag: r.ETag})
		}
		_, err := b.complete("copied", id, parts...)
		b.no(err, "complete")
		b.get("copied", p)

		r, err := b.c.NewCopier(func(o *oss.CopierOptions) {
			o.PartSize, o.MultipartCopyThreshold, o.DisableShallowCopy = 128<<10, 200<<10, true
		}).Copy(b.ctx, &oss.CopyObjectRequest{Bucket: b.bucket(), Key: b.key("again"), SourceKey: b.key("copied")})
		b.no(err, "copier")
		b.eq("CRC-64", oss.ToString(r.HashCRC64), crc(p))
		b.get("again", p)
	})
}

func TestUploader(t *testing.T) {
	each(t, func(b bench) {
		p := noise(3<<20 + 1)
		name := filepath.Join(b.TempDir(), "file")
		b.no(os.WriteFile(name, p, 0o600), "write file")
		u := b.c.NewUploader(func(o *oss.UploaderOptions) { o.PartSize, o.ParallelNum = 256<<10, 4 })
		r, err := u.UploadFile(b.ctx, &oss.PutObjectRequest{Bucket: b.bucket(), Key: b.key("file")}, name)
		b.no(err, "upload file")
		b.eq("CRC-64", oss.ToString(r.HashCRC64), crc(p))
		b.get("file", p)
		_, err = u.UploadFrom(b.ctx, &oss.PutObjectRequest{Bucket: b.bucket(), Key: b.key("stream")}, b.body(p))
		b.no(err, "upload stream")
		b.get("stream", p)
		back := filepath.Join(b.TempDir(), "back")
		_, err = b.c.NewDownloader(func(o *oss.DownloaderOptions) { o.PartSize, o.ParallelNum = 300<<10, 3 }).
			DownloadFile(b.ctx, &oss.GetObjectRequest{Bucket: b.bucket(), Key: b.key("file")}, back)
		b.no(err, "download")
		got, err := os.ReadFile(back)
		b.no(err, "read back")
		b.eq("downloaded bytes are those uploaded", string(got) == string(p), true)
	})
}
