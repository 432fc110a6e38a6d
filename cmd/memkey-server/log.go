package main

import (
	"bytes"
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
)

// logTime has milliseconds, as the audit log has.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// newLogger writes to w in the configured form. w must take concurrent writes of whole lines.
func newLogger(s *settings.Settings, w io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(s.LogLevel)
	if err != nil {
		panic("BUG: unchecked log level: " + err.Error())
	}
	if s.LogFormat == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: logTime, NoColor: true}
	}
	return zerolog.New(zerolog.SyncWriter(w)).Level(level).Hook(zerolog.HookFunc(
		func(e *zerolog.Event, _ zerolog.Level, _ string) {
			e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format(logTime))
		}))
}

// debugWriter makes debug lines of what the HTTP library says about its peers: strangers write those lines.
type debugWriter struct{ log zerolog.Logger }

func (w debugWriter) Write(b []byte) (int, error) {
	w.log.Debug().Bytes("text", bytes.TrimSpace(b)).Msg("connection")
	return len(b), nil
}
