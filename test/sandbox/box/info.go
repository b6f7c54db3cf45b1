package box

import (
	"fmt"
	"io"
	"os"
)

// Info is what a client of another process needs to know of a box.
type Info struct {
	OSS      string `json:"oss"` // addresses, "http://127.0.0.1:PORT"
	Metadata string `json:"metadata"`
	STS      string `json:"sts"`
	Control  string `json:"control,omitempty"`
	Bucket   string `json:"bucket"`
	Region   string `json:"region"`
	RoleARN  string `json:"role_arn"` // of a role that may be assumed
	PID      int    `json:"pid"`
}

// Info returns what a client needs to know.
func (b *Box) Info() Info {
	return Info{
		b.OSSEndpoint, b.MetadataEndpoint, b.STSEndpoint, b.ControlEndpoint,
		b.Bucket, b.Region, b.STS.ARN(TargetRole), os.Getpid(),
	}
}

// Print writes one line for each value, its name before it.
func (i Info) Print(w io.Writer) error {
	control := ""
	if i.Control != "" {
		control = "control  " + i.Control + "\n"
	}
	_, err := fmt.Fprintf(w, "oss      %s\nmetadata %s\nsts      %s\n%sbucket   %s\nregion   %s\nrole_arn %s\n",
		i.OSS, i.Metadata, i.STS, control, i.Bucket, i.Region, i.RoleARN)
	return err
}
