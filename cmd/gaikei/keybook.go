package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli/timeline"
	"github.com/gaikei/gaikei/sli/web"
)

// A keyBook is where the keys of probers are looked up and changed: a running aggregator, or its folder.
type keyBook interface {
	list(ctx context.Context) ([]web.Enrollment, error)
	valid(ctx context.Context, region, prober string) ([]string, error) // keys that can connect
	enroll(ctx context.Context, e web.Enrollment) error
	revoke(ctx context.Context, key string) error
	meeting(ctx context.Context) (web.Meeting, error)
	planned(ctx context.Context, region string) (bool, error) // whether a prober there would have a plan
	close() error
}

// book opens the key book of a running aggregator, or that in a folder where none runs.
func (o *whom) book(ctx context.Context, std streams) (keyBook, error) {
	r, err := o.running(ctx, std)
	if err != nil {
		return nil, err
	}
	if r != nil {
		return serverBook{r}, nil
	}
	address := os.Getenv(databaseVariable)
	if address == "" && !exists(filepath.Join(o.data, "gaikei.db")) {
		return nil, unreachable(fmt.Errorf("%s is no data folder of an aggregator", o.data), "name the folder that 'gaikei aggregator --data' was given, or start it first")
	}
	store, err := timeline.Open(ctx, timeline.Options{Dir: o.data, Database: address})
	if err != nil {
		return nil, unopened(err)
	}
	return folderBook{store, o.data}, nil
}

// serverBook asks the API.
type serverBook struct{ r *serverReader }

func (b serverBook) list(ctx context.Context) ([]web.Enrollment, error) {
	var list struct{ Items []web.Enrollment }
	err := b.r.get(ctx, b.r.base+"api/v1/enrollments", &list)
	return list.Items, notAggregator(err)
}

// notAggregator explains what a server without probers elsewhere answers.
func notAggregator(err error) error {
	if f := new(failure); errors.As(err, &f) && f.code == exitUsage {
		f.hint = "is it a 'gaikei aggregator'? Probers elsewhere cannot connect to 'gaikei run'"
	}
	return err
}

func (b serverBook) valid(ctx context.Context, region, prober string) ([]string, error) {
	list, err := b.list(ctx)
	return validKeys(list, region, prober), err
}

func validKeys(list []web.Enrollment, region, prober string) []string {
	var keys []string
	for _, e := range list {
		if e.Region == region && e.Prober == prober && e.Revoked == nil {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

func (b serverBook) enroll(ctx context.Context, e web.Enrollment) error {
	return b.r.change(ctx, http.MethodPost, "api/v1/enrollments", map[string]string{"key": e.Key, "region": e.Region, "prober": e.Prober}, new(web.Enrollment))
}

func (b serverBook) revoke(ctx context.Context, key string) error {
	return b.r.change(ctx, http.MethodDelete, "api/v1/enrollments/"+url.PathEscape(key), nil, new(map[string]string))
}

func (b serverBook) meeting(ctx context.Context) (web.Meeting, error) {
	var m web.Meeting
	return m, b.r.get(ctx, b.r.base+"api/v1/transport", &m)
}

func (b serverBook) planned(ctx context.Context, region string) (bool, error) {
	var list struct{ Items []web.Presence }
	err := b.r.get(ctx, b.r.base+"api/v1/presence", &list)
	return slices.ContainsFunc(list.Items, func(p web.Presence) bool { return p.Region == region && p.Newest > 0 }), err
}

func (b serverBook) close() error { return b.r.Close() }

// folderBook changes the store in a folder that no process has open.
type folderBook struct {
	store *timeline.Store
	dir   string
}

func (b folderBook) list(ctx context.Context) ([]web.Enrollment, error) {
	all, err := b.store.Credentials(ctx)
	return enrollments(all), err
}

func (b folderBook) valid(ctx context.Context, region, prober string) ([]string, error) {
	list, err := b.list(ctx)
	return validKeys(list, region, prober), err
}

func (b folderBook) enroll(ctx context.Context, e web.Enrollment) error {
	return enroll(ctx, b.store, e)
}

func (b folderBook) revoke(ctx context.Context, key string) error {
	done, err := b.store.RevokeCredential(ctx, key, time.Now())
	if err == nil && !done {
		return usage("'gaikei probers keys' lists those there are", "no key %.80q can connect", key)
	}
	return err
}

// meeting knows the CA that the aggregator made, but not where it listens: that is said by --url.
func (b folderBook) meeting(context.Context) (web.Meeting, error) {
	ca, err := os.ReadFile(filepath.Join(b.dir, "hub", "tls", "ca.pem"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return web.Meeting{}, unreachable(fmt.Errorf("read the CA: %w", err), "")
	}
	return web.Meeting{CA: string(ca)}, nil
}

func (b folderBook) planned(ctx context.Context, region string) (bool, error) {
	regions, err := b.store.PlannedRegions(ctx)
	return slices.Contains(regions, region), err
}

func (b folderBook) close() error { return b.store.Close() }
