// Package probe looks at targets from the outside and says what each look came to.
//
// It holds the words of the whole system (check, slot, attempt, reason, outcome, epoch, result), the
// three kinds of look (HTTP, TCP, DNS), and the judgement: what a person is told about a target, and
// when a prober must admit that it could not see. It imports nothing else of Gaikei, reads no
// configuration, writes no log and stores nothing; slots in time live in probe/schedule, the encoding
// in probe/wire, the queue in probe/relay.
package probe
