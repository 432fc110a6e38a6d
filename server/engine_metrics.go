package server

import "github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"

// engineGauges shows what the pipeline does at this moment; the totals that a
// gauge carries only grow.
var engineGauges = map[string]func(pipeline.Stats) float64{
}
