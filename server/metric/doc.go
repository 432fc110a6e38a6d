// Package metric describes figures and writes them in the Prometheus text format
// with HELP and TYPE. Counters and gauges are VictoriaMetrics/metrics'; what that
// has not is here: a table of descriptions, histograms whose buckets Prometheus
// and PromQL's histogram_quantile understand (le, cumulative), and a view of them
// for the dashboard.
//
// # Concurrency
//
// A Histogram and a Vec are safe for concurrent use. Counts are values.
//
// # Promises, each with the test that proves it
//
//   - Buckets are cumulative, end with +Inf and agree with _count: TestHistogramText.
//   - A quantile lies in the bucket that holds it: TestQuantile.
//   - Every family is written once, with its HELP and TYPE, and nothing is lost that
//     the table does not know: TestWriteText.
//   - A figure is written as it was given, whatever is in a label: TestVecEscapesItsLabel.
package metric
