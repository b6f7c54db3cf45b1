package config

import (
	"encoding/json"
	"fmt"
)

// Schema returns a JSON Schema of the file, for editors. It knows the keys, their
// types and their defaults; what values mean to each other only [Load] knows.
func Schema() []byte {
	properties := map[string]any{}
	for _, s := range sections {
		table := s.schema()
		if s.name == jobSection {
			table = map[string]any{"type": "array", "description": s.why, "items": table}
		}
		properties[s.name] = table
	}
	b, err := json.MarshalIndent(map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "osssync configuration",
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}, "", "  ")
	if err != nil {
		panic(err) // strings, booleans and maps of them always marshal
	}
	return append(b, '\n')
}

func (s section) schema() map[string]any {
	var c Config
	var j Job
	properties, required := map[string]any{}, []string{}
	for _, k := range s.keys {
		p := typeSchema(k.field(&c, &j))
		p["description"] = k.why
		if k.oneOf != nil {
			p["enum"] = k.oneOf
		}
		if k.mandatory() {
			required = append(required, k.name)
		} else {
			p["default"] = k.def
		}
		properties[k.name] = p
	}
	return map[string]any{
		"type": "object", "description": s.why, "properties": properties,
		"required": required, "additionalProperties": false,
	}
}

// typeSchema says what may be written for a field.
func typeSchema(field any) map[string]any {
	switch field.(type) {
	case *bool:
		return map[string]any{"type": "boolean"}
	case *int:
		return map[string]any{"type": "integer"}
	case *string, *Bandwidth:
		return map[string]any{"type": "string"}
	case *Duration:
		return map[string]any{"type": "string", "pattern": `^(0|[0-9]+d|([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))+)$`}
	case *Size:
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^([0-9.]+ *([KMGT]i?)?B?)?$`, "minimum": 0}
	case *Limit:
		return map[string]any{"type": []string{"string", "integer"}, "pattern": `^[0-9.]+%?$`, "minimum": 0}
	case *[]string:
		return map[string]any{"type": "array", "items": map[string]any{"type": "string"}}
	case *map[string]string:
		return map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}
	default:
		panic(fmt.Sprintf("config: no schema for %T", field))
	}
}
