package rewrap

import (
	"slices"
	"strings"
)

// Report is what a run found and did.
type Report struct {
	Bucket   string      `json:"bucket"`
	BucketID string      `json:"bucket_id"`
	Active   string      `json:"active_key"` // the bucket's
	Survey   bool        `json:"survey"`
	Complete bool        `json:"complete"` // the walk saw the whole bucket
	Resumed  bool        `json:"resumed"`  // from a checkpoint, whose counts are in here
	Seen     Count       `json:"seen"`
	Kinds    KindCounts  `json:"outcomes"`
	Keys     []KeyReport `json:"keys"` // by id
	Further  Count       `json:"further_keys"`
	Keyless  int64       `json:"key_not_seen"` // objects that may be under any key
	// NoncurrentUnseen: noncurrent versions that may be under any key.
	NoncurrentUnseen int64 `json:"noncurrent_key_not_seen"`
	// NoncurrentHidden: the store does not say whether there are such versions.
	NoncurrentHidden bool      `json:"noncurrent_hidden"`
	Trouble          []Trouble `json:"trouble"`
	Unnamed          int64     `json:"trouble_not_named"`
}

// KindCounts is a count for each Kind.
type KindCounts struct {
	Current    Count `json:"current"`
	Rewrapped  Count `json:"rewrapped"`
	Older      Count `json:"older"`
	Unreadable Count `json:"unreadable"`
	Changed    Count `json:"changed"`
	Held       Count `json:"held"`
	Failed     Count `json:"failed"`
	Gone       Count `json:"gone"`
}

// KeyReport says what is under one key.
type KeyReport struct {
	ID string `json:"id"`
	Count
	Active   bool `json:"active"`   // of the bucket
	Recorded bool `json:"recorded"` // in the bucket's state
	Loaded   bool `json:"loaded"`   // in the ring
	// Noncurrent: versions under it that newer ones were put on top of. They cannot be
	// rewrapped.
	Noncurrent Count `json:"noncurrent"`
	// Retirable: a whole walk found nothing under it, and nothing that might be.
	Retirable bool `json:"retirable"`
}

// troubled says whether the run left something that it could not bring under the
// active key.
func (r *Report) troubled() bool {
	return r.Kinds.Unreadable.Objects+r.Kinds.Changed.Objects+r.Kinds.Held.Objects+r.Kinds.Failed.Objects > 0
}

// Clean says whether the walk was whole and met no trouble.
func (r *Report) Clean() bool { return r.Complete && !r.troubled() }

// report makes a Report of what was found so far.
func (t *totals) report(st *bucketState, ring Ring, older *versions) Report {
	r := Report{
		BucketID: st.BucketID.String(), Active: st.active.String(),
		Seen: t.objects(), Further: t.Further, Keyless: t.Keyless, Unnamed: t.Unnamed,
		NoncurrentUnseen: older.unseen + older.further.Objects, NoncurrentHidden: older.hidden,
		Trouble: append([]Trouble{}, t.Trouble...),
		Kinds: KindCounts{
			Current: t.Kinds[Current], Rewrapped: t.Kinds[Rewrapped], Older: t.Kinds[Older], Unreadable: t.Kinds[Unreadable],
			Changed: t.Kinds[Changed], Held: t.Kinds[Held], Failed: t.Kinds[Failed], Gone: t.Kinds[Gone],
		},
	}
	keys := map[string]KeyReport{}
	at := func(id string, change func(*KeyReport)) {
		k := keys[id]
		k.ID = id
		change(&k)
		keys[id] = k
	}
	for id := range st.Keys {
		at(id.String(), func(k *KeyReport) { k.Recorded, k.Active = true, id == st.active })
	}
	for _, id := range ring.IDs() {
		at(id.String(), func(k *KeyReport) { k.Loaded = true })
	}
	for id, c := range t.Keys {
		at(id, func(k *KeyReport) { k.Count = c })
	}
	for id, c := range older.keys {
		at(id, func(k *KeyReport) { k.Noncurrent = c })
	}
	for _, k := range keys {
		r.Keys = append(r.Keys, k)
	}
	slices.SortFunc(r.Keys, func(a, b KeyReport) int { return strings.Compare(a.ID, b.ID) })
	return r
}

// judge marks the keys that nothing uses any more.
func (r *Report) judge() {
	for i := range r.Keys {
		k := &r.Keys[i]
		k.Retirable = r.Complete && k.Recorded && !k.Active && k.Objects == 0 && r.Keyless == 0 && r.Further.Objects == 0 &&
			k.Noncurrent.Objects == 0 && r.NoncurrentUnseen == 0 && !r.NoncurrentHidden
	}
}
