// Package timeline keeps what every slot came to: it takes in the probers' messages, joins them into one
// record a slot, stores them as blocks of a day in a database, and reads windows of them back as figures.
//
// A message is safe when Ingest returns nil: it is a row of the journal, and its results are in the tail, the
// part of the timelines that is still in memory. Every ten minutes the tail of a series is folded into its
// blocks and the rows of the journal that nobody needs any more are deleted, in one transaction. Who reads
// sees blocks ⊔ tail. All of it rests on the join of records being commutative, associative and idempotent:
// a message may come twice, late or out of order, a fold may be repeated, and the timeline is the same.
//
// The package computes no figures, which is sli's work, and does not know where messages come from.
package timeline
