package creds

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// recordVersion is that of the disk cache's format.
const recordVersion = "1"

// A binding is what a cached credential belongs to.
type binding struct {
	Endpoint string `json:"endpoint"` // of the metadata service
	Role     string `json:"role"`     // of the instance; in a wanted binding "" takes any
	Chain    string `json:"chain"`    // digest of the role chain, "" without
	Boot     string `json:"boot"`
	Machine  string `json:"machine"` // digest
	Instance string `json:"instance"`
	Region   string `json:"region"`
	Zone     string `json:"zone"`
	Account  string `json:"account"`
}

// fits reports whether b is what is wanted, but for the boot and for what only
// the metadata service knows.
func (b binding) fits(want binding) bool {
	return b.Endpoint == want.Endpoint && b.Chain == want.Chain && b.Machine == want.Machine &&
		(want.Role == "" || b.Role == want.Role)
}

// A record is what the file holds, in the member "data" beside its checksum
// and version.
type record struct {
	Binding binding   `json:"binding"`
	ID      string    `json:"access_key_id"`
	Secret  string    `json:"access_key_secret"`
	Token   string    `json:"security_token"`
	Expires time.Time `json:"expires"`
	Fetched time.Time `json:"fetched"`
}

// encodeRecord returns the file's content. The checksum finds damage; it does
// not keep anybody who can write the file from forging it.
func encodeRecord(b binding, g *grant) []byte {
	b.Role = g.role
	b.Instance, b.Region, b.Zone, b.Account = g.identity.InstanceID, g.identity.Region, g.identity.Zone, g.identity.AccountID
	data, err := json.Marshal(record{b, g.id, g.secret.Reveal(), g.token.Reveal(), g.expires, g.fetched})
	if err != nil {
		panic(err) // strings and times of this century always marshal
	}
	var out strings.Builder
	out.WriteString(`{"v":` + recordVersion + `,"sum":"` + digest(string(data)) + `","data":`)
	out.Write(data)
	out.WriteString("}\n")
	return []byte(out.String())
}

// decodeRecord reads a file's content. No error holds any of it.
func decodeRecord(content []byte) (*record, error) {
	doc, err := parseDocument(content)
	if err != nil || string(doc["v"]) != recordVersion {
		return nil, errCacheDamaged
	}
	if sum, err := doc.str("sum"); err != nil || sum != digest(string(doc["data"])) {
		return nil, errCacheDamaged
	}
	var r record
	if err := json.Unmarshal(doc["data"], &r); err != nil {
		return nil, errCacheDamaged
	}
	return &r, nil
}

// grant returns the record's credential if it can be used at the time given.
func (r *record) grant(now time.Time) (*grant, error) {
	b := r.Binding
	id := Identity{InstanceID: b.Instance, Region: b.Region, Zone: b.Zone, AccountID: b.Account}
	switch {
	case !isPrintable(r.ID, maxKey), !isPrintable(r.Secret, maxKey), !isPrintable(r.Token, maxSTSToken),
		!isRoleName(b.Role), id.InstanceID == "", id.Region == "", id.AccountID == "":
		return nil, errCacheDamaged
	case !r.Expires.After(now):
		return nil, errCacheEnded
	case r.Expires.Sub(now) > maxLifetime+assumeSlack, r.Fetched.Sub(now) > futureMax, !r.Expires.After(r.Fetched):
		return nil, errCacheClock
	}
	return &grant{
		id: r.ID, secret: NewSecret(r.Secret), token: NewSecret(r.Token),
		expires: r.Expires.UTC(), fetched: r.Fetched.UTC(), role: b.Role, identity: id,
	}, nil
}

// digest returns the SHA-256 of s in hexadecimal.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digest binds a credential to all that decides what an assumed role may do.
func (a AssumeRole) digest() string {
	data, err := json.Marshal(a)
	if err != nil {
		panic(err) // it is strings and a number
	}
	return digest(string(data))
}
