package backend

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestClockAhead(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 900e6, time.UTC)
	for date, want := range map[time.Time]time.Duration{
		now.Truncate(time.Second):                        0, // cut off
		now.Truncate(time.Second).Add(time.Second):       100 * time.Millisecond,
		now.Truncate(time.Second).Add(-10 * time.Second): -9900 * time.Millisecond,
		now.Truncate(time.Second).Add(15 * time.Minute):  15*time.Minute - 900*time.Millisecond,
	} {
		if got := clockAhead(date, now); got != want {
			t.Errorf("%v: %v, want %v", date, got, want)
		}
	}
}

// TestClockIsObserved: with each answer, refusals included.
func TestClockIsObserved(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusForbidden)
	}))
	defer srv.Close()
	var ahead atomic.Int64
	c, err := New(Config{Endpoint: srv.URL, Region: "us-east-1", AccessKey: "a", SecretKey: "b", PathStyle: true, ObserveClock: func(d time.Duration) { ahead.Store(int64(d)) }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.HeadBucket(t.Context(), "bkt"); err == nil {
		t.Fatal("a refusal succeeded")
	}
	if got := time.Duration(ahead.Load()); got < 59*time.Minute || got > 61*time.Minute {
		t.Errorf("%v, want an hour", got)
	}
}
