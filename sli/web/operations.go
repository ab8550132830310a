package web

import (
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// The parameters that several operations take. One name means the same wherever it is.
var (
	checkParameter   = parameter{name: "check", repeatable: true, about: "only this check, by its id; without it all", example: "shop"}
	regionParameter  = parameter{name: "region", repeatable: true, about: "only this region; without it all", example: "tokyo"}
	figuresParameter = parameter{
		name: "figures", about: "`availability` for all figures but those of latencies, which is much less to read", example: sli.FiguresAvailability,
		schema: object{"type": "string", "enum": []string{sli.FiguresAvailability}},
	}
	quorumParameter = parameter{
		name: "quorum", about: "how many regions must see an instant good: a number, a percentage, `all` or `any`; without it 50%", example: "2",
	}
	sloParameter  = parameter{name: "slo", repeatable: true, about: "only this SLO; without it all", example: "shop-availability"}
	nextParameter = parameter{name: "next", about: "what the answer before had as `next`; all other parameters but `limit` must be the same", example: "eyJxIjoi…"}
)

// windowParameters ask for a window of time of which the figures are told.
var windowParameters = []parameter{
	{name: "window", about: "the length of a window that ends at `as_of`, like 90s, 1h30m or 28d; without it, and without `from`, 1h", example: "28d"},
	{name: "from", about: "when the window begins: RFC 3339, or relative to now", example: "-2h"},
	{name: "to", about: "with `from`, before when the window ends; without it, or later than `as_of`, at `as_of`", example: "-1h"},
	{name: "as_of", about: "the `as_of` of an earlier answer, for the same answer as then; later than what is settled now, it is that", example: "-10m"},
}

// instantParameters ask for a window of time of what is known at once.
var instantParameters = []parameter{
	{name: "window", about: "the length of a window that ends now, like 90s, 1h30m or 28d", example: "28d"},
	windowParameters[1],
	{name: "to", about: "with `from`, before when the window ends; without it, now", example: "-1h"},
}

func limitParameter(about string, usual, most int) parameter {
	s := object{"type": "integer", "minimum": 1, "maximum": most}
	if usual > 0 {
		s["default"] = usual
	}
	return parameter{name: "limit", about: about, schema: s, example: min(most, 10)}
}

// inWindow are the parameters of a question about a window that these restrict.
func inWindow(by ...parameter) []parameter { return slices.Concat(by, windowParameters) }

// The parameters of the pages.
var (
	pageWindow      = parameter{name: "window", about: windowParameters[0].about, example: "28d"}
	indexParameters = []parameter{
		pageWindow,
		{name: "region", about: "only this region", example: "tokyo"},
		{name: "group", about: "only checks of this group", example: "checkout"},
		{name: "show", about: "`attention` for checks that need some, `all` without it", example: "attention"},
		{name: "q", about: "a text that a check must have", example: "shop"},
	}
)

// plainOperations are those for people, probes and Prometheus.
func (s *server) plainOperations() []operation {
	const html, text = "text/html", "text/plain"
	return []operation{
		{pattern: "/{$}", about: "The page with every check.", scope: ScopeRead, plain: s.index, mediaType: html, takes: indexParameters},
		{
			pattern: "/checks/{id}", about: "The page of one check.", scope: ScopeRead, plain: s.check, mediaType: html, takes: []parameter{pageWindow},
			path: "the id of the check",
		},
		{pattern: "/static/{name}", about: "A file that pages load.", scope: ScopeRead, plain: s.static, mediaType: "*/*", path: "the name of the file"},
		{pattern: "/healthz", about: "200 while the process lives.", plain: s.healthz, mediaType: text},
		{pattern: "/readyz", about: "200 while results find their way into the store, else 503 and why.", plain: s.readyz, mediaType: text},
		{pattern: "/metrics", about: "Metrics for Prometheus.", scope: ScopeRead, plain: s.metrics().ServeHTTP, mediaType: text},
	}
}

// figureOperations are those that only read.
func (s *server) figureOperations() []operation {
	both := []parameter{checkParameter, regionParameter}
	ops := []operation{
		{
			pattern: "/api/v1/sli", about: "Indicators: of every check by region, and over its regions; by check and region.", handle: s.apiSLI, gives: exampleReports(),
			takes: append(inWindow(append(slices.Clone(both), figuresParameter)...), limitParameter("how many reports to give at most; without it all", 0, mostItems), nextParameter),
		},
		{
			pattern: "/api/v1/counts", about: "How the slots of a check in a region count, step by step.", handle: s.apiCounts, gives: exampleCounts(),
			takes: append([]parameter{
				{name: "check", needed: true, about: "of which check, by its id", example: "shop"},
				{name: "region", needed: true, about: "in which region", example: "tokyo"},
				{name: "step", about: "how long a step is, of which there may be 11,000; without it 1m", example: "5m"},
				{name: "window", about: windowParameters[0].about, example: "6h"},
			}, windowParameters[1:]...),
		},
		{pattern: "/api/v1/phases", about: "How long the phases of attempts took, in whole hours around the window.", handle: s.apiPhases, gives: examplePhases(), takes: inWindow(both...)},
		{pattern: "/api/v1/probers", about: "Whether regions were able to see.", handle: s.apiProbers, gives: exampleProbers(), takes: inWindow(regionParameter)},
		{pattern: "/api/v1/changes", about: "What the configuration changed of checks, oldest first.", handle: s.apiChanges, gives: exampleChanges(), takes: slices.Concat(both, instantParameters)},
		{pattern: "/api/v1/rejected", about: "Messages of probers that were put aside, newest first.", handle: s.apiRejected, gives: exampleRejected(), takes: append([]parameter{regionParameter}, instantParameters...)},
		{pattern: "/api/v1/checks", about: "The checks of the configuration in force.", handle: s.apiChecks, gives: exampleChecks()},
		{pattern: "/api/v1/outlook", about: "What the newest verdicts of all regions say together.", handle: s.apiOutlook, gives: exampleOutlook()},
		{pattern: "/api/v1/config", about: "The configuration in force, without credentials.", handle: s.apiConfig, gives: configAnswer{"checks: [{name: shop, tcp: {address: shop.example.com:443}}]\n"}},
		{
			pattern: "/api/v1/evidence", about: "What was last seen of a check, newest first.", handle: s.apiEvidence, gives: exampleEvidence(),
			takes: []parameter{
				{name: "check", needed: true, about: "of which check, by its id", example: "shop"},
				{name: "region", about: "only this region; without it all", example: "tokyo"},
				{name: "from", about: "only of slots from here on: RFC 3339, or relative to now", example: "-2h"},
				{name: "to", about: "only of slots before this", example: "-1h"},
				limitParameter("how many pieces to give at most; no more than fifty are kept of a check in a region", usualEvidence, mostEvidence),
			},
		},
	}
	if s.Analyst != nil {
		ops = append(ops, s.analystOperations(both)...)
	}
	for i := range ops {
		ops[i].scope = ScopeRead
	}
	return ops
}

func (s *server) analystOperations(both []parameter) []operation {
	quorum := append(slices.Clone(both), quorumParameter)
	return []operation{
		{
			pattern: "/api/v1/slos", about: "How the SLOs of the configuration in force stand, and what to decide.", handle: s.apiSLOs, gives: exampleSLOs(),
			takes: []parameter{sloParameter},
		},
		{
			pattern: "/api/v1/slos/history", about: "How SLOs stood at the end of each step of a window, without one of 28 days.", handle: s.apiSLOHistory, gives: exampleSLOHistory(),
			takes: slices.Concat([]parameter{sloParameter}, windowParameters, stepParameters(historyStep)),
		},
		{
			pattern: "/api/v1/series", about: "Indicators step by step, for charts: what /api/v1/sli says of each step alone.", handle: s.apiSeries, gives: exampleReports(),
			takes: append(inWindow(both...), stepParameters(seriesStep)...),
		},
		{
			pattern: "/api/v1/incidents", about: "What was bad by a quorum of regions, and when all of them were blind.", handle: s.apiIncidents, gives: exampleIncidents(),
			takes: append(inWindow(quorum...), parameter{
				name: "order", about: "by check and then from the oldest to the newest, or the newest first whatever its check", example: orderNewest,
				schema: object{"type": "string", "enum": []string{orderCheck, orderNewest}, "default": orderCheck},
			}, limitParameter("how many incidents to give at most; without it all", 0, mostItems), nextParameter),
		},
		{pattern: "/api/v1/certainty", about: "How sure availabilities are.", handle: s.apiCertainty, gives: exampleCertainties(), takes: inWindow(quorum...)},
		{
			pattern: "/api/v1/uptime", about: "The worst window of each length: windowed user-uptime.", handle: s.apiUptime, gives: exampleUptimes(),
			takes: inWindow(append(slices.Clone(both), parameter{
				name: "length", repeatable: true, about: "the length of a window, in minutes rounded up; without it powers of two", example: "5m",
			})...),
		},
	}
}

// correctionOperations are those of a process that keeps corrections.
func (s *server) correctionOperations() []operation {
	if s.Corrector == nil {
		return nil
	}
	correction := &sent{
		example: exampleDraft(), want: correctionWant,
		needs: []string{"from", "to", "effect", "category", "reason", "author"}, never: []string{"created_at", "revoked"},
	}
	return []operation{
		{
			pattern: "/api/v1/corrections", about: "Corrections that touch a window, without one all of them; oldest first.", handle: s.apiCorrections, scope: ScopeRead,
			gives: listOf([]sli.Correction{exampleCorrection()}), takes: append([]parameter{checkParameter, regionParameter}, instantParameters...),
		},
		{
			pattern: "POST /api/v1/corrections", about: "Makes a correction. It needs checks, or labels that choose some.", handle: s.apiCorrect, scope: ScopeWrite,
			sends: correction, gives: exampleCorrection(),
		},
		{
			pattern: "POST /api/v1/corrections/preview", about: "The reports that a correction would change, as they are and as they would be; changes nothing.", handle: s.apiPreview, scope: ScopeRead,
			sends: correction, gives: examplePreview(), takes: windowParameters,
		},
		{
			pattern: "POST /api/v1/corrections/{id}/revoke", about: "Ends a correction.", handle: s.apiRevokeCorrection, scope: ScopeWrite, path: "the id of the correction",
			sends: &sent{
				example: sli.Revocation{Author: "aiko", Reason: "the outage was real"}, want: revocationWant, needs: []string{"author", "reason"}, never: []string{"at"},
			}, gives: revoked{"c-2026-11-23"},
		},
	}
}

// rosterOperations are those of an aggregator that probers connect to.
func (s *server) rosterOperations() []operation {
	if s.Roster == nil {
		return nil
	}
	key := Enrollment{Key: exampleKey, Region: "tokyo", Prober: "p1"}
	enrolled := key
	enrolled.Created = exampleTime()
	return []operation{
		{pattern: "/api/v1/presence", about: "How the probers fare, by their last heartbeats.", handle: s.apiPresence, scope: ScopeRead, gives: examplePresence()},
		{
			pattern: "/api/v1/transport", about: "Where probers connect, and whom they can trust there.", handle: s.apiMeeting, scope: ScopeRead,
			gives: Meeting{URLs: []string{"nats://gaikei.example.com:4222"}, CA: "-----BEGIN CERTIFICATE-----\n…"},
		},
		{
			pattern: "/api/v1/enrollments", about: "The keys that may connect, and those that might.", handle: s.apiEnrollments, scope: ScopeRead,
			gives: listOf([]Enrollment{enrolled}),
		},
		{
			pattern: "POST /api/v1/enrollments", about: "Lets a key in.", handle: s.apiEnroll, scope: ScopeWrite, gives: key,
			sends: &sent{example: key, want: enrollmentWant, needs: []string{"key", "region", "prober"}, never: []string{"created_at", "revoked_at"}},
		},
		{
			pattern: "DELETE /api/v1/enrollments/{key}", about: "Revokes a key and ends its connections.", handle: s.apiRevoke, scope: ScopeWrite, path: "the public key",
			gives: revoked{exampleKey},
		},
	}
}

// documentOperations serve the document itself.
func (s *server) documentOperations() []operation {
	gives := object{"openapi": openAPIVersion, "info": object{"title": documentTitle, "version": "v1"}, "paths": object{}}
	return []operation{
		{pattern: "/api/v1/openapi.json", about: "This document, OpenAPI 3.1.", handle: s.apiDocument, scope: ScopeRead, gives: gives},
		{pattern: "/api/v1/openapi.yaml", about: "This document as YAML.", plain: s.documentYAML, scope: ScopeRead, mediaType: "application/yaml"},
	}
}
