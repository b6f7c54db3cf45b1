package main

import (
	"bytes"
	"html/template"
	"net/http"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/osssync/osssync/internal/agent"
)

// pageFailures is how many failures of a job the status page shows.
const pageFailures = 50

const pageText = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width">
<title>osssync</title>
<style>
body { font: 15px/1.4 sans-serif; margin: 2em; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0 }
th, td { padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top }
th:first-child, td:first-child, .text { text-align: left; overflow-wrap: anywhere }
.bad { color: #a00 }
</style>
</head>
<body>
<h1>osssync</h1>
<p>Version {{.Version}}, process {{.PID}}, running since {{stamp .Started}}.
{{with .Credentials}}{{if .Error}}<br><span class="bad">No credential: {{.Error}}</span>{{else}}
<br>Credential of role {{.Role}} from {{.Source}}, good until {{stamp .Expires}}.{{end}}{{end}}</p>
<table>
<tr><th>Job</th><th class="text">State</th><th>Indexed</th><th>Pending</th><th>Oldest</th><th>In flight</th><th>Uploaded</th><th>Copied</th><th>Deleted</th><th>Failed</th><th class="text">Watch</th></tr>
{{range .Jobs}}<tr><td>{{.Name}}</td><td class="text">{{.State}}{{with .Reason}}: {{.}}{{end}}</td>
<td>{{count .Indexed}}</td><td>{{count .Pending}} ({{size .PendingBytes}})</td><td>{{age .OldestPendingSeconds}}</td><td>{{.InFlight}}</td>
<td>{{count .Uploaded}} ({{size .UploadedBytes}})</td><td>{{count .Copied}}</td><td>{{count .Deleted}}</td>
<td{{if .FailedFiles}} class="bad"{{end}}>{{count .FailedFiles}}</td>
<td class="text">{{.Watch.Mode}}, {{.Watch.Directories}} directories, {{.Watch.Overflows}} overflows, {{.Watch.Scans}} scans{{if .Skipped}}, {{.Skipped}} skipped that are no regular files{{end}}</td></tr>
{{end}}</table>
{{range .Jobs}}{{if .Failed}}<h2>{{.Name}}: not uploaded</h2>
<table>
<tr><th>File</th><th class="text">Cause</th><th>Attempts</th><th>Next</th></tr>
{{range first .Failed}}<tr><td>{{.Path}}</td><td class="text">{{.Error}}</td><td>{{.Attempts}}</td><td>{{if .NextTry}}{{stamp .NextTry}}{{else}}when it changes{{end}}</td></tr>
{{end}}</table>
{{end}}{{end}}<p><a href="/metrics">metrics</a> · <a href="/healthz">health</a></p>
</body>
</html>
`

// pageTemplate returns the page, which escapes all that it is given.
func pageTemplate() *template.Template {
	return template.Must(template.New("status").Funcs(template.FuncMap{
		"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
		"count": humanize.Comma,
		"size":  func(n int64) string { return humanize.IBytes(uint64(max(n, 0))) },
		"age": func(seconds float64) string {
			return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
		},
		"first": func(all []agent.FailureStatus) []agent.FailureStatus { return all[:min(len(all), pageFailures)] },
	}).Parse(pageText))
}

// index serves the status page.
func (p *web) index(w http.ResponseWriter, r *http.Request) {
	var buf bytes.Buffer
	if err := p.page.Execute(&buf, p.agent.Status(r.Context())); err != nil {
		p.s.log.ErrorContext(r.Context(), "status page not made", "err", err)
		http.Error(w, "status page not made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = buf.WriteTo(w) // whoever asked may have left
}
