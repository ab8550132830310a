package main

import "time"

// measured are the costs as they came out on a machine with two cores of a 2024 server processor. Yours differ: run
// `make bench` and put in what it prints.
var measured = costs{
	probe:        163 * time.Microsecond,
	proberBase:   45e6,
	proberCheck:  15e3,
	message:      37,
	ingest:       [2]float64{1.0e6, 0.56e6},
	fold:         3000 * time.Nanosecond,
	storeBase:    80e6,
	timeline:     180,
	tailResult:   40,
	slot:         [2]float64{0.79, 1.21},
	phases:       [2]float64{0.36, 1.45},
	sustainedFor: 0.15,
}
