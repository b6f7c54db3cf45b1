package oss

import (
	"net/http"
	"strconv"
)

func (s *Server) deleteObject(x *exchange, b *bucket) error {
	d := b.delete(x.key, x.query.get("versionId"), x.now.UnixNano())
	if d.version != "" {
		x.set("X-Oss-Version-Id", d.version)
	}
	if d.marker {
		x.set("X-Oss-Delete-Marker", strconv.FormatBool(true))
	}
	x.done(http.StatusNoContent)
	return nil
}

// removal is the body of DeleteMultipleObjects.
type removal struct {
	Quiet  bool `xml:"Quiet"`
	Object []struct {
		Key       string `xml:"Key"`
		VersionID string `xml:"VersionId"`
	} `xml:"Object"`
}

func (s *Server) deleteMultipleObjects(x *exchange, b *bucket) error {
	var rm removal
	if err := x.readXML(&rm); err != nil {
		return err
	}
	if len(rm.Object) == 0 || len(rm.Object) > maxDelete {
		return malformedXML("The XML you provided was not well-formed or did not validate against our published schema.")
	}
	for i := range rm.Object {
		o := &rm.Object[i]
		if o.Key = unmask(o.Key); !validKey(o.Key) {
			return malformedXML("The Key you provided is not valid.")
		}
	}
	encoded := x.query.get("encoding-type") == "url"
	var d document
	d.start()
	d.open("DeleteResult")
	if encoded {
		d.text("EncodingType", "url")
	}
	for _, o := range rm.Object {
		gone := b.delete(o.Key, o.VersionID, x.now.UnixNano())
		if rm.Quiet {
			continue
		}
		d.open("Deleted")
		d.name("Key", o.Key, encoded)
		if o.VersionID != "" {
			d.text("VersionId", o.VersionID)
		}
		if gone.marker {
			d.bool("DeleteMarker", true)
			d.text("DeleteMarkerVersionId", gone.version)
		}
		d.close("Deleted")
	}
	d.close("DeleteResult")
	x.document(&d)
	return nil
}

// name writes a key, a prefix or the like, escaped as a URL where the client
// asked for it.
func (d *document) name(element, key string, encoded bool) {
	if encoded {
		key = string(appendEscaped(nil, key, true))
	}
	d.text(element, key)
}
