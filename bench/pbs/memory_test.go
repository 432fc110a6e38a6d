package pbs

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// memory is a store behind a script: enough of S3 for the flows, with pages of its own size.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	page    int
	hook    func(exchangeSeen) string // "" = go on
}

func serveMemory(t *testing.T) (*memory, *Client) {
	t.Helper()
	m := &memory{objects: map[string][]byte{}, page: 1000}
	return m, serveScript(t, m.answer).client()
}

func (m *memory) keys(prefix string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for k := range m.objects {
		if strings.HasPrefix(k, prefix) {
			list = append(list, k)
		}
	}
	slices.Sort(list)
	return list
}

func (m *memory) answer(e exchangeSeen) string {
	if m.hook != nil {
		if a := m.hook(e); a != "" {
			return a
		}
	}
	f := strings.Fields(e.line())
	path, query, _ := strings.Cut(f[1], "?")
	key, err := url.PathUnescape(strings.TrimPrefix(path, "/bkt/"))
	if err != nil {
		return reply(400, "")
	}
	if key == "" {
		return m.bucket(f[0], query, e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	body, found := m.objects[key]
	switch f[0] {
	case "PUT":
		if src := e.header("x-amz-copy-source"); src != "" {
			src, _ = url.PathUnescape(strings.TrimPrefix(src, "bkt/"))
			if body, found = m.objects[src]; !found {
				return reply(404, "")
			}
			m.objects[key] = body
			return reply(200, `<CopyObjectResult><ETag>"e"</ETag><LastModified>2026-01-15T12:00:00.000Z</LastModified></CopyObjectResult>`)
		}
		if found && e.header("if-none-match") == "*" {
			return reply(412, "")
		}
		m.objects[key] = e.body
		return reply(200, "", goodETag)
	case "DELETE":
		delete(m.objects, key)
		return "HTTP/1.1 204 No Content\r\n\r\n"
	}
	if !found {
		return reply(404, "")
	}
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n", lines([]string{goodDate, goodETag, goodType}), len(body))
	if f[0] == "HEAD" {
		return head
	}
	return head + string(body)
}

func (m *memory) bucket(method, query string, e exchangeSeen) string {
	var b strings.Builder
	switch {
	case method == "HEAD":
		return reply(200, "")
	case query == "delete":
		b.WriteString("<DeleteResult>")
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, part := range strings.Split(string(e.body), "<Key>")[1:] {
			k, _, _ := strings.Cut(part, "</Key>")
			delete(m.objects, k)
			b.WriteString("<Deleted><Key>" + k + "</Key></Deleted>")
		}
		return reply(200, b.String()+"</DeleteResult>")
	}
	q, _ := url.ParseQuery(query)
	keys := slices.DeleteFunc(m.keys(q.Get("prefix")), func(k string) bool { return k <= q.Get("continuation-token") })
	more := len(keys) > m.page
	if more {
		keys = keys[:m.page]
		b.WriteString("<NextContinuationToken>" + keys[m.page-1] + "</NextContinuationToken>")
	}
	for _, k := range keys {
		m.mu.Lock()
		fmt.Fprintf(&b, `<Contents><Key>%s</Key><LastModified>2026-01-15T12:00:00.000Z</LastModified><ETag>"e"</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>`, k, len(m.objects[k]))
		m.mu.Unlock()
	}
	return reply(200, fmt.Sprintf("<ListBucketResult><Name>bkt</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>%v</IsTruncated>%s</ListBucketResult>",
		q.Get("prefix"), len(keys), more, b.String()))
}
