package main

import (
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// logTime has milliseconds, so that lines of one request can be told apart.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// newLogger writes to w in the configured form, from the configured level on, which
// the threshold can change. w must take concurrent writes of whole lines, as files and
// pipes do.
func newLogger(cfg *config.Config, w io.Writer) (zerolog.Logger, *threshold) {
	from := new(threshold)
	from.set(cfg.LogLevel)
	if cfg.LogFormat == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: logTime, NoColor: true}
	}
	return zerolog.New(zerolog.SyncWriter(w)).Sample(from).Hook(zerolog.HookFunc(
		func(e *zerolog.Event, _ zerolog.Level, _ string) {
			e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format(logTime))
		})), from
}

// logConfig writes every effective value that is not the default, with its
// origin. Secrets show as "redacted".
func logConfig(log zerolog.Logger, cfg *config.Config) {
	values := zerolog.Dict()
	for _, s := range cfg.Settings() {
		if s.Origin != (config.Origin{}) {
			values.Str(s.Key.Name, s.Value)
		}
	}
	log.Info().Dict("settings", values).Msg("configuration")
	for _, w := range cfg.Warnings {
		log.Warn().Msg(w)
	}
}
