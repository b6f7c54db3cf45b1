package config

import (
	"strings"
	"testing"
)

// Describe tells what the manual's tables tell, in their order.
func TestDescribe(t *testing.T) {
	text := read(t, manual)
	at := 0
	for _, table := range Describe() {
		if table.Header != header(table.Name) || table.Why == "" {
			t.Errorf("%+v: header or why is missing", table)
		}
		for _, k := range table.Keys {
			def := "`" + k.Default + "`"
			if k.Default == "" {
				def = "required"
			}
			line := "| `" + k.Name + "` | " + def + " | " + escape(k.Meaning) + " |\n"
			i := strings.Index(text[at:], line)
			if i < 0 {
				t.Errorf("the manual does not hold, after what goes before:\n%s", line)
				continue
			}
			at += i
		}
	}
}
