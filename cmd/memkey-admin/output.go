package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// result is what a command has to say; it is an object in JSON.
type result interface{ text(w io.Writer) }

// report prints the result of a command on stdout.
func (a *app) report(r result) error {
	if !a.json {
		r.text(a.sys.out)
		return nil
	}
	return a.object(struct {
		OK      bool   `json:"ok"`
		Command string `json:"command"`
		Result  result `json:"result"`
	}{true, a.command, r})
}

// reportFailure prints the two lines on stderr, and the object on stdout if there has to be one.
func (a *app) reportFailure(f *failure) {
	fmt.Fprintf(a.sys.err, "memkey-admin: %v\n", f)
	if f.next != "" {
		fmt.Fprintf(a.sys.err, "try: %s\n", f.next)
	}
	if a.json {
		_ = a.object(struct { // the exit code says the same
			OK      bool   `json:"ok"`
			Command string `json:"command"`
			Exit    int    `json:"exit"`
			Error   string `json:"error"`
			Try     string `json:"try,omitempty"`
		}{false, a.command, int(f.code), f.Error(), f.next})
	}
}

func (a *app) object(v any) error {
	e := json.NewEncoder(a.sys.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fail(exitInternal, "", fmt.Errorf("cannot print the result: %w", err))
	}
	return nil
}

// keyView is what may be told about a key.
type keyView struct {
	ID     string `json:"id"`
	KVT    string `json:"kvt"`
	Active bool   `json:"active"`
	Label  string `json:"label,omitempty"`
}

func (k keyView) role() string {
	if k.Active {
		return "active"
	}
	return "decrypt-only"
}

func viewKey(k memkey.PackageKey) keyView {
	return keyView{k.ID.String(), hex.EncodeToString(k.KVT[:]), k.Active, k.Label}
}

func viewState(k memkey.KeyState) keyView {
	return keyView{ID: k.ID.String(), KVT: hex.EncodeToString(k.KVT[:]), Active: k.Active}
}

// ringView is what may be told about a key ring.
type ringView struct {
	File       string    `json:"file"`
	Generation uint64    `json:"generation"`
	Pending    bool      `json:"pending"`
	Created    string    `json:"created"`
	Keys       []keyView `json:"keys"`
	Buckets    []pinView `json:"buckets"`
}

type pinView struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func viewRing(path string, k *keyfile.Keyring) ringView {
	v := ringView{File: path, Generation: k.Generation, Pending: k.Pending, Created: k.Created.Format("2006-01-02"), Keys: []keyView{}, Buckets: []pinView{}}
	for _, key := range k.Keys {
		v.Keys = append(v.Keys, viewKey(key))
	}
	for _, pin := range k.Pins {
		v.Buckets = append(v.Buckets, pinView{pin.Name, pin.ID.String()})
	}
	return v
}

func (v ringView) text(w io.Writer) {
	state := "confirmed by a server"
	if v.Pending {
		state = "not confirmed by a server yet"
	}
	fmt.Fprintf(w, "key ring    %s\n", v.File)
	fmt.Fprintf(w, "generation  %d, %s\n", v.Generation, state)
	printKeys(w, v.Keys)
	for _, b := range v.Buckets {
		fmt.Fprintf(w, "bucket      %s  %s\n", b.ID, b.Name)
	}
}

func printKeys(w io.Writer, keys []keyView) {
	for _, k := range keys {
		fmt.Fprintf(w, "key         %s  %-12s  KVT %s", k.ID, k.role(), k.KVT)
		if k.Label != "" {
			fmt.Fprintf(w, "  %s", k.Label)
		}
		fmt.Fprintln(w)
	}
}
