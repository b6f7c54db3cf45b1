package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A fault is a mistake in a value, or in the element of it that at names.
type fault struct {
	at  []string // path of the element within the value
	err error
}

// set checks raw, a value as the TOML parser gives it, and keeps it at field. It
// returns all that is wrong with it; what field holds then is of no use.
func (k key) set(field, raw any) []fault {
	if faults := k.assign(field, raw); faults != nil {
		return faults
	}
	if isEmpty(field) {
		if k.required {
			return []fault{{nil, errors.New("cannot be empty")}}
		}
		return nil
	}
	if k.check == nil {
		return nil
	}
	if err := k.check(field); err != nil {
		return []fault{{nil, err}}
	}
	return nil
}

func isEmpty(field any) bool {
	switch f := field.(type) {
	case *string:
		return *f == ""
	case *Size:
		return *f == 0
	case *[]string:
		return len(*f) == 0
	case *map[string]string:
		return len(*f) == 0
	}
	return false
}

// assign converts raw to the type of field and keeps it there.
func (k key) assign(field, raw any) []fault {
	var err error
	switch f := field.(type) {
	case *string:
		return k.assignString(f, raw)
	case *[]string:
		return k.assignList(f, raw)
	case *map[string]string:
		return k.assignTable(f, raw)
	case *bool:
		err = convert(f, raw, "true or false", func(b bool) (bool, error) { return b, nil })
	case *int:
		err = convert(f, raw, "an integer", toInt)
	case *Duration:
		err = convert(f, raw, `a string such as "1h30m"`, ParseDuration)
	case *Bandwidth:
		err = convert(f, raw, `a string such as "10MiB"`, ParseBandwidth)
	case *Size:
		err = convert(f, number(raw), `a string such as "10MiB"`, ParseSize)
	case *Limit:
		err = convert(f, number(raw), `a string such as "10%"`, ParseLimit)
	default:
		panic(fmt.Sprintf("config: key %s has a field of type %T", k.name, field))
	}
	if err != nil {
		return []fault{{nil, err}}
	}
	return nil
}

// number turns an integer into a string, for types that may be written as both.
func number(raw any) any {
	if n, ok := raw.(int64); ok {
		return strconv.FormatInt(n, 10)
	}
	return raw
}

func toInt(n int64) (int, error) {
	if int64(int32(n)) != n {
		return 0, fmt.Errorf("%d is out of range", n)
	}
	return int(n), nil
}

func convert[R, T any](field *T, raw any, want string, parse func(R) (T, error)) error {
	r, ok := raw.(R)
	if !ok {
		return wrongType(want, raw)
	}
	v, err := parse(r)
	if err != nil {
		return err
	}
	*field = v
	return nil
}

func wrongType(want string, raw any) error {
	return fmt.Errorf("want %s, not %s", want, typeName(raw))
}

func typeName(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a float"
	case time.Time:
		return "a date"
	case []any, []map[string]any:
		return "an array"
	default:
		return "a table"
	}
}

func (k key) assignString(field *string, raw any) []fault {
	s, ok := raw.(string)
	if !ok {
		return []fault{{nil, wrongType("a string", raw)}}
	}
	if k.oneOf != nil && !slices.Contains(k.oneOf, s) {
		return []fault{{nil, fmt.Errorf("%q is not one of %s", s, listed(k.oneOf))}}
	}
	*field = s
	return nil
}

// listed writes the values that a key may have.
func listed(values []string) string {
	shown := slices.Clone(values)
	for i, v := range shown {
		if v == "" {
			shown[i] = `""`
		}
	}
	return strings.Join(shown, ", ")
}

func (k key) assignList(field *[]string, raw any) []fault {
	list, ok := raw.([]any)
	if !ok {
		return []fault{{nil, wrongType("an array of strings", raw)}}
	}
	out := make([]string, 0, len(list))
	var faults []fault
	for i, e := range list {
		at := []string{strconv.Itoa(i)}
		s, ok := e.(string)
		if !ok {
			faults = append(faults, fault{at, wrongType("a string", e)})
			continue
		}
		if err := k.entry("", s); err != nil {
			faults = append(faults, fault{at, err})
		}
		out = append(out, s)
	}
	if faults == nil {
		*field = out
	}
	return faults
}

func (k key) assignTable(field *map[string]string, raw any) []fault {
	table, ok := raw.(map[string]any)
	if !ok {
		return []fault{{nil, wrongType(`a table such as { name = "value" }`, raw)}}
	}
	out := make(map[string]string, len(table))
	var faults []fault
	for _, name := range slices.Sorted(maps.Keys(table)) {
		at := []string{name}
		s, ok := table[name].(string)
		if !ok {
			faults = append(faults, fault{at, wrongType("a string", table[name])})
			continue
		}
		if err := k.entry(name, s); err != nil {
			faults = append(faults, fault{at, err})
		}
		out[name] = s
	}
	if faults == nil {
		*field = out
	}
	return faults
}
