package pipeline

import (
	"fmt"
	"time"
)

// Config of an Engine; not changed after New.
type Config struct {
	// SegmentBytes and TagBytes are the format's: plain bytes of a full segment,
	// and what sealing adds to each. Required.
	SegmentBytes, TagBytes int

	// Workers is how many cores may work on one stream: its caller and Workers-1
	// goroutines of the pool. 1 is the serial path. 0 = all cores.
	Workers int
	// BatchBytes is the plain bytes of one hand-over, rounded down to whole
	// segments; 0 = from the caches of this CPU, see Tune.
	BatchBytes int
	// Budget is the bytes all reservations share; 0 = 256 MiB.
	Budget int64
	// Admission is how many bodies move at once, see Admit; 0 = from the cores.
	Admission int
	// LineTimeout is how long Admit waits; 0 = 30 s, or QueueTimeout if that is longer.
	LineTimeout time.Duration
	// QueueTimeout is how long Reserve waits; 0 = 5 s.
	QueueTimeout time.Duration
	// MaxWaiting is how many may wait in Reserve at once, and in Admit; 0 = 4096.
	MaxWaiting int
}

// filled puts the defaults where a zero stands, and says what was chosen.
func (cfg Config) filled() (Config, Tuning) {
	auto := Tune(cfg.SegmentBytes)
	if cfg.Workers == 0 {
		cfg.Workers = auto.Workers
	} else {
		auto.Why += fmt.Sprintf("; overridden: %d workers", cfg.Workers)
	}
	if cfg.BatchBytes == 0 {
		cfg.BatchBytes = auto.BatchBytes
	} else {
		auto.Why += fmt.Sprintf("; overridden: batches of %d bytes", cfg.BatchBytes)
	}
	if cfg.Admission == 0 {
		cfg.Admission = autoAdmission(allCores())
	}
	if cfg.Budget == 0 {
		cfg.Budget = defaultBudget
	}
	if cfg.QueueTimeout == 0 {
		cfg.QueueTimeout = defaultQueueTimeout
	}
	if cfg.LineTimeout == 0 {
		cfg.LineTimeout = max(defaultLineTimeout, cfg.QueueTimeout)
	}
	if cfg.MaxWaiting == 0 {
		cfg.MaxWaiting = defaultMaxWaiting
	}
	return cfg, auto
}

// check names the bad field.
func (cfg Config) check() error {
	switch {
	case cfg.SegmentBytes <= 0 || cfg.SegmentBytes > maxBatch:
		return fmt.Errorf("cannot make an engine: SegmentBytes is %d, 1 to %d are allowed", cfg.SegmentBytes, maxBatch)
	case cfg.TagBytes <= 0 || cfg.TagBytes > maxTag:
		return fmt.Errorf("cannot make an engine: TagBytes is %d, 1 to %d are allowed", cfg.TagBytes, maxTag)
	case cfg.Workers < 0 || cfg.Workers > maxWorkers:
		return fmt.Errorf("cannot make an engine: Workers is %d, 0 to %d are allowed", cfg.Workers, maxWorkers)
	case cfg.BatchBytes < minBatch || cfg.BatchBytes > maxBatch:
		return fmt.Errorf("cannot make an engine: BatchBytes is %d, %d to %d are allowed", cfg.BatchBytes, minBatch, maxBatch)
	case cfg.BatchBytes < cfg.SegmentBytes:
		return fmt.Errorf("cannot make an engine: BatchBytes is %d, one segment alone has %d", cfg.BatchBytes, cfg.SegmentBytes)
	case cfg.Budget < 0:
		return fmt.Errorf("cannot make an engine: Budget is %d", cfg.Budget)
	case cfg.Admission < 0 || cfg.Admission > maxAdmission:
		return fmt.Errorf("cannot make an engine: Admission is %d, 0 to %d are allowed", cfg.Admission, maxAdmission)
	case cfg.QueueTimeout < 0:
		return fmt.Errorf("cannot make an engine: QueueTimeout is %v", cfg.QueueTimeout)
	case cfg.LineTimeout < 0:
		return fmt.Errorf("cannot make an engine: LineTimeout is %v", cfg.LineTimeout)
	case cfg.MaxWaiting < 0:
		return fmt.Errorf("cannot make an engine: MaxWaiting is %d", cfg.MaxWaiting)
	}
	return nil
}
