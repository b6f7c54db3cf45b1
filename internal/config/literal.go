package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// literal writes the value at field, or a value as the TOML parser gives it, as
// TOML on one line.
func literal(v any) string {
	switch v := v.(type) {
	case *string:
		return quote(*v)
	case *bool:
		return strconv.FormatBool(*v)
	case *int:
		return strconv.Itoa(*v)
	case fmt.Stringer: // *Size and the other types of ours
		return quote(v.String())
	case *[]string:
		return list(*v)
	case *map[string]string:
		return inlineTable(*v)
	case string:
		return quote(v)
	case []any:
		return "[]"
	case map[string]any:
		return "{}"
	default:
		return fmt.Sprint(v)
	}
}

// quote writes a string. Paths of Windows are easier to read without escapes.
func quote(s string) string {
	if strings.ContainsAny(s, `"\`) && !strings.Contains(s, "'") && !hasControl(s) {
		return "'" + s + "'"
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case hasControl(string(r)):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func list(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = quote(v)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func inlineTable(t map[string]string) string {
	if len(t) == 0 {
		return "{}"
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(t)) {
		written := name
		if name == "" || !only(name, lower+upper+digit+"_-") {
			written = quote(name)
		}
		pairs = append(pairs, written+" = "+quote(t[name]))
	}
	return "{ " + strings.Join(pairs, ", ") + " }"
}
