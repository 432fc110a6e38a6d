package server

import "github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"

// engineGauges shows what the pipeline does; the ones named _total only grow.
var engineGauges = map[string]func(pipeline.Stats) float64{
	"pipeline_budget_bytes":             func(s pipeline.Stats) float64 { return float64(s.Budget) },
	"pipeline_budget_used_bytes":        func(s pipeline.Stats) float64 { return float64(s.BudgetUsed) },
	"pipeline_pooled_bytes":             func(s pipeline.Stats) float64 { return float64(s.Pooled) },
	"pipeline_waiting":                  func(s pipeline.Stats) float64 { return float64(s.Waiting) },
	"pipeline_admission":                func(s pipeline.Stats) float64 { return float64(s.Admission) },
	"pipeline_admitted":                 func(s pipeline.Stats) float64 { return float64(s.Admitted) },
	"pipeline_admission_waiting":        func(s pipeline.Stats) float64 { return float64(s.InLine) },
	"pipeline_admitted_total":           func(s pipeline.Stats) float64 { return float64(s.AdmittedTotal) },
	"pipeline_admission_rested_total":   func(s pipeline.Stats) float64 { return float64(s.Rested) },
	"pipeline_admission_seconds_total":  func(s pipeline.Stats) float64 { return s.LineTime.Seconds() },
	"pipeline_workers":                  func(s pipeline.Stats) float64 { return float64(s.Workers) },
	"pipeline_workers_busy":             func(s pipeline.Stats) float64 { return float64(s.Busy) },
	"pipeline_refused_total":            func(s pipeline.Stats) float64 { return float64(s.Refused) },
	"pipeline_batches_handed_total":     func(s pipeline.Stats) float64 { return float64(s.HandedOver) },
	"pipeline_batches_inline_total":     func(s pipeline.Stats) float64 { return float64(s.Inline) },
	"pipeline_seal_seconds_total":       func(s pipeline.Stats) float64 { return s.SealTime.Seconds() },
	"pipeline_open_seconds_total":       func(s pipeline.Stats) float64 { return s.OpenTime.Seconds() },
	"pipeline_plain_bytes_sealed_total": func(s pipeline.Stats) float64 { return float64(s.Sealed) },
	"pipeline_plain_bytes_opened_total": func(s pipeline.Stats) float64 { return float64(s.Opened) },
}
