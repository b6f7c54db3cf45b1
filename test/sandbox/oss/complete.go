package oss

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// completion is the body of CompleteMultipartUpload.
type completion struct {
	Part []claim `xml:"Part"`
}

// A claim is what a client says of a part.
type claim struct {
	PartNumber int    `xml:"PartNumber"`
	ETag       string `xml:"ETag"`
}

func (s *Server) completeMultipartUpload(x *exchange, b *bucket) error {
	if err := checkCallback(x); err != nil {
		return err
	}
	claims, all, err := readCompletion(x)
	if err != nil {
		return err
	}
	o, err := b.complete(x, claims, all)
	if err != nil {
		return err
	}
	x.setVersion(b, o)
	x.setEncryption(o)
	x.setCRC(o.crc)
	if x.callback() != "" {
		return callbackFailed()
	}
	encoded := x.query.get("encoding-type") == "url"
	var d document
	d.start()
	d.open("CompleteMultipartUploadResult")
	if encoded {
		d.text("EncodingType", "url")
	}
	d.text("Location", "http://"+x.r.Host+"/"+string(appendEscaped(nil, x.key, true)))
	d.text("Bucket", b.name)
	d.name("Key", x.key, encoded)
	d.text("ETag", quote(o.etag))
	x.set("Etag", quote(o.etag))
	d.close("CompleteMultipartUploadResult")
	x.document(&d)
	return nil
}

// readCompletion reads which parts make the object: those of the body, or all
// there are where the header says so.
func readCompletion(x *exchange) (claims []claim, all bool, err error) {
	body, err := x.readDocument()
	if err != nil {
		return nil, false, err
	}
	switch v := x.header("X-Oss-Complete-All"); {
	case v == "":
	case !strings.EqualFold(v, "yes"):
		return nil, false, invalidArgument("The x-oss-complete-all header is not valid.", "x-oss-complete-all", v, "0042-00000215")
	case len(body) > 0:
		return nil, false, invalidArgument("The request body must be empty when x-oss-complete-all is yes.", "x-oss-complete-all", v, "0042-00000216")
	default:
		return nil, true, nil
	}
	var c completion
	if err := decodeXML(body, &c); err != nil {
		return nil, false, err
	}
	if len(c.Part) == 0 {
		return nil, false, malformedXML("The XML you provided was not well-formed or did not validate against our published schema.")
	}
	return c.Part, false, nil
}

// complete makes an object of an upload's parts, which it takes over.
func (b *bucket) complete(x *exchange, claims []claim, all bool) (*object, error) {
	id := x.query.get("uploadId")
	b.mu.Lock()
	u := b.uploads[id]
	if u == nil || u.key != x.key {
		b.mu.Unlock()
		return nil, noSuchUpload(id, "0042-00000002")
	}
	if all {
		claims = u.claimAll()
	}
	parts, err := u.match(claims)
	if err == nil {
		err = u.checkOverwrite(x, b)
	}
	if err != nil {
		b.mu.Unlock()
		return nil, err
	}
	o := u.assemble(parts)
	o.modified = x.now.UnixNano()
	if v := x.header("X-Oss-Object-Acl"); acls[v] {
		o.acl = v
	}
	if b.info.Versioning == "Enabled" {
		o.version = newVersion(o.modified)
	}
	old := b.insert(u.key, o)
	ended := b.end(u)
	b.mu.Unlock()
	if old != nil {
		b.blobs.release(old.segs)
	}
	for _, p := range ended {
		if !slices.Contains(parts, p) {
			b.blobs.release(p.segs)
		}
	}
	return o, nil
}

func (u *upload) checkOverwrite(x *exchange, b *bucket) error {
	if !u.forbid && !x.forbidden() || b.info.Versioning != "" || b.latest(u.key) == nil {
		return nil
	}
	return fileAlreadyExists(u.key)
}

// claimAll claims every part there is.
func (u *upload) claimAll() []claim {
	var claims []claim
	for n := range maxParts + 1 {
		if p := u.parts[n]; p != nil {
			claims = append(claims, claim{n, p.etag})
		}
	}
	return claims
}

// match finds the parts that are claimed. The numbers must ascend, the ETags be
// those of the parts, and only the last part may be small.
func (u *upload) match(claims []claim) ([]*part, error) {
	if len(claims) == 0 {
		return nil, malformedXML("The XML you provided was not well-formed or did not validate against our published schema.")
	}
	var parts []*part
	total := int64(0)
	for i, c := range claims {
		if i > 0 && c.PartNumber <= claims[i-1].PartNumber {
			return nil, (&Error{Status: 400, Code: "InvalidPartOrder",
				Message: "The list of parts was not in ascending order. The parts list must be specified in order by part number.",
				EC:      "0042-00000209"}).with("UploadId", u.id)
		}
	}
	for i, c := range claims {
		p := u.parts[c.PartNumber]
		if p == nil || !strings.EqualFold(strings.Trim(c.ETag, `"`), p.etag) {
			return nil, (&Error{Status: 400, Code: "InvalidPart",
				Message: "One or more of the specified parts could not be found or the specified entity tag might not have matched the part's entity tag.",
				EC:      "0042-00000211"}).with("PartNumber", strconv.Itoa(c.PartNumber)).with("UploadId", u.id).with("Etag", c.ETag)
		}
		if i < len(claims)-1 && p.size < minPart {
			return nil, (&Error{Status: 400, Code: "EntityTooSmall",
				Message: "Your proposed upload smaller than the minimum allowed size.", EC: "0042-00000213"}).
				with("ProposedSize", strconv.FormatInt(p.size, 10)).with("MinSizeAllowed", strconv.Itoa(minPart)).
				with("PartNumber", strconv.Itoa(p.number)).with("ETag", p.etag)
		}
		total += p.size
		parts = append(parts, p)
	}
	if total > maxMultipart {
		return nil, entityTooLarge(total, maxMultipart)
	}
	return parts, nil
}

// assemble makes the object of its parts: the files of the parts become its
// segments. The ETag is the MD5 of the parts' ETags, with their number.
func (u *upload) assemble(parts []*part) *object {
	o := *u.object
	sum := md5.New()
	for _, p := range parts {
		sum.Write([]byte(p.etag))
		o.crc = combineCRC(o.crc, p.crc, p.size)
		o.size += p.size
		o.segs = append(o.segs, p.segs...)
	}
	o.etag = fmt.Sprintf("%s-%d", strings.ToUpper(hex.EncodeToString(sum.Sum(nil))), len(parts))
	return &o
}
