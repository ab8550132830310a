package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"time"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/notify"
)

// newTeller makes what tells receivers how the SLOs of the configuration in force stand, and of faults.
func (c *centre) newTeller() *notify.Notifier {
	var from *config.Notify // what made is of
	var made *notify.Config
	return notify.New(notify.Options{
		Config: func() *notify.Config {
			st := c.state.Load()
			if st == nil {
				return nil // what is told of is not known yet
			}
			if !reflect.DeepEqual(from, st.file.Notify) {
				from, made = st.file.Notify, receiversOf(st.file.Notify, secretsIn(c.opts.secrets))
			}
			return made
		},
		SLOs: func(ctx context.Context, at time.Time) ([]sli.SLOReport, error) {
			if err := c.ready(); err != nil {
				return nil, err // results wait to be stored, so an outage would look as if it were over
			}
			return analyst{c}.SLOs(ctx, at)
		},
		Faults:    c.faultsAndIslands,
		File:      filepath.Join(c.opts.data, "notify.json"),
		UserAgent: userAgent(),
		Logger:    c.log,
		Timing:    c.opts.told,
	})
}

// faultsAndIslands are what is wrong with Gaikei itself, and regions that look as if it were.
func (c *centre) faultsAndIslands(ctx context.Context) []sli.Fault {
	fs := c.faults()
	outlook, err := c.store.Outlook(ctx)
	if err != nil {
		return append(fs, sli.Fault{Sentence: "the timelines cannot be read"})
	}
	for _, i := range outlook.Islands {
		fs = append(fs, sli.Fault{Region: i.Region, Sentence: fmt.Sprintf("region %s may be an island: %d of %d checks are bad from there alone and good from everywhere else", i.Region, i.Alone, i.Of)})
	}
	return fs
}

// A secretSource resolves a reference.
type secretSource func(scheme, name string) (string, error)

// receiversOf makes of a configuration what is told by it; nil of none.
func receiversOf(n *config.Notify, secret secretSource) *notify.Config {
	if n == nil {
		return nil
	}
	cfg := &notify.Config{Page: n.Page}
	for _, a := range n.Alertmanagers {
		r := receiverOf(a.Receiver, notify.Alertmanager)
		r.Target = func() (notify.Target, error) {
			t, err := resolved(a.Receiver, secret)
			if err != nil || a.BasicAuth == nil {
				return t, err
			}
			password, err := a.BasicAuth.Password.Resolve(secret)
			t.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.BasicAuth.Username+":"+password)))
			return t, err
		}
		cfg.Receivers = append(cfg.Receivers, r)
	}
	for _, w := range n.Webhooks {
		r := receiverOf(w.Receiver, notify.Webhook)
		r.Target = func() (notify.Target, error) {
			t, err := resolved(w.Receiver, secret)
			if err == nil {
				t.Keys, err = keysOf(w.Secret, secret)
			}
			return t, err
		}
		cfg.Receivers = append(cfg.Receivers, r)
	}
	return cfg
}

func receiverOf(r config.Receiver, kind notify.Kind) notify.Receiver {
	out := notify.Receiver{Name: r.Name, Kind: kind, Timeout: r.Timeout}
	if r.CA != "" {
		out.Roots = x509.NewCertPool()
		out.Roots.AppendCertsFromPEM([]byte(r.CA)) // config made sure that there are some
	}
	return out
}

// resolved is where a receiver is now.
func resolved(r config.Receiver, secret secretSource) (notify.Target, error) {
	t := notify.Target{Header: http.Header{}}
	var err error
	if t.URL, err = r.URL.Resolve(secret); err != nil {
		return t, err
	}
	for name, values := range r.Headers {
		for _, v := range values {
			text, err := v.Resolve(secret)
			if err != nil {
				return t, err
			}
			t.Header.Add(name, text)
		}
	}
	return t, nil
}

func keysOf(templates []probe.Template, secret secretSource) ([][]byte, error) {
	var keys [][]byte
	for _, s := range templates {
		text, err := s.Resolve(secret)
		if err != nil {
			return nil, err
		}
		key, err := notify.ParseKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
