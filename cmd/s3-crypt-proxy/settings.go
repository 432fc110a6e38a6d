package main

import (
	"slices"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
)

// Settings tells the configuration in force: the one of the start, and what a reload
// changed of it. Where a reload brought what takes effect at the next start only, both
// are told.
func (p *proxy) Settings() []admin.Setting {
	next := p.cfg
	if loaded := p.loaded.Load(); loaded != nil {
		next = loaded
	}
	waiting := p.cfg.Pending(next)
	now := map[string]string{}
	for _, s := range p.cfg.Settings() {
		now[s.Key.Name] = s.Value
	}
	var out []admin.Setting
	for _, s := range next.Settings() {
		in := admin.Setting{Key: s.Key.Name, Value: s.Value, Origin: s.Origin.String()}
		if slices.Contains(waiting, s.Key.Name) {
			in.Value, in.Next = now[s.Key.Name], s.Value
		}
		out = append(out, in)
	}
	return out
}

// certificateExpiry is the zero time without TLS.
func (p *proxy) certificateExpiry() time.Time {
	if p.store == nil {
		return time.Time{}
	}
	return p.store.Leaf().NotAfter
}
