package main

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/internal/pgtest"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// cluster is the PostgreSQL of this package's tests.
var cluster pgtest.Cluster

// databaseTests stops what the tests of a package started.
type databaseTests struct{ *testing.M }

func (m databaseTests) Run() int {
	code := m.M.Run()
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// on starts `gaikei run` for a region on a database, whose address only its environment has.
func on(t *testing.T, database, config, data, region string) *program {
	t.Helper()
	p := &program{t: t, data: data, listen: "127.0.0.1:" + freePort(t), log: &syncBuffer{}, waited: make(chan error, 1)}
	p.cmd = command(t.Context(), nil, "run", "-c", config, "--data", data, "--listen", p.listen, "--region", region)
	p.cmd.Env = append(p.cmd.Env, databaseVariable+"="+database)
	p.begin()
	p.until("is ready", func() bool {
		code, _ := p.get("/readyz")
		return code == http.StatusOK
	})
	return p
}

// counted is how many slots were due, and up, in each region of a window, as a server says.
func (p *program) counted(from, to time.Time) map[string][2]int64 {
	p.t.Helper()
	code, text := p.get(fmt.Sprintf("/api/v1/sli?from=%s&to=%s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339)))
	var list struct{ Items []sli.Report }
	if err := json.Unmarshal([]byte(text), &list); err != nil || code != http.StatusOK {
		p.t.Fatalf("got %d, error %v: %s", code, err, text)
	}
	got := map[string][2]int64{}
	for _, r := range list.Items {
		if r.Region != nil {
			got[*r.Region] = [2]int64{r.Slots.Scheduled, r.Slots.Good}
		}
	}
	return got
}

// TestFromFolderToDatabase follows timelines from a folder, by way of a backup, into a database that two servers share,
// of which one is killed.
func TestFromFolderToDatabase(t *testing.T) {
	t.Parallel()
	address := cluster.Database(t)
	truth := &accessLog{seen: map[string][]time.Time{}}
	target := listenOn(t, "127.0.0.1", truth)
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", "regions: {tokyo: {}, osaka: {}}\n"+twoControls(t)+fmt.Sprintf(`
checks:
  - {name: shop, interval: 1s, timeout: 500ms, http: {url: "http://%s/shop"}}
`, target))
	first := launchWith(t, config, filepath.Join(dir, "one"), "--region", "tokyo")
	first.answered(truth, "shop", 1)
	begun := time.Now().Truncate(time.Second)
	first.answered(truth, "shop", 4)
	file := filepath.Join(dir, "monday.db")
	said(t, "checked", "backup", "--data", first.data, file)
	refused(t, "there already", "backup", "--data", first.data, file)
	refused(t, "in use by process", "restore", "--data", first.data, file)
	first.answered(truth, "shop", 2)
	first.stop()
	refused(t, "there already", "restore", "--data", first.data, file)
	copied := filepath.Join(dir, "copy")
	said(t, "has the timelines", "restore", "--data", copied, file)
	if slots := slotsOf(t, copied, "shop", "tokyo"); len(slots) < 5 {
		t.Errorf("restored: got %d slots, want at least 5", len(slots))
	}
	for range 2 {
		said(t, " 1 epochs, ", "import", "--data", first.data, "--database", address)
	}

	one, two := on(t, address, config, first.data, "tokyo"), on(t, address, config, filepath.Join(dir, "two"), "osaka")
	one.answered(truth, "shop", 10)
	two.kill()
	one.answered(truth, "shop", 2)
	two = on(t, address, config, two.data, "osaka")
	two.answered(truth, "shop", 20) // both ask
	ended := time.Now().Truncate(time.Second)
	// A slot counts when it has settled.
	one.until("has settled", func() bool { return one.counted(begun, ended)["tokyo"][0] >= int64(ended.Sub(begun).Seconds()) })
	two.until("says the same", func() bool { return cmp.Equal(one.counted(begun, ended), two.counted(begun, ended)) })
	got := one.counted(begun, ended)
	t.Logf("due and good: %v", got)
	if got["tokyo"][1] < 12 || got["osaka"][1] < 6 {
		t.Errorf("got %v due and good slots, want at least 12 good ones of tokyo and 6 of osaka", got)
	}
	log := one.log.String() + two.log.String()
	if !strings.Contains(log, "this process folds the timelines now") || !strings.Contains(log, "which are not used") {
		t.Errorf("the log does not say who folds, or that the folder's timelines are not used:\n%s", log)
	}
	if strings.Contains(log, pgtest.Password) {
		t.Error("the password is in the log")
	}
	one.stop()
	two.stop()
}

// said requires that a command is fine and says something.
func said(t *testing.T, want string, args ...string) {
	t.Helper()
	if code, out, errs := gaikei(t, args...); code != exitFine || !strings.Contains(out, want) {
		t.Fatalf("gaikei %s: exit code %d, want 0 and %q: %s%s", args[0], code, want, out, errs)
	}
}

// refused requires that a command could not do what it was asked, and says why.
func refused(t *testing.T, want string, args ...string) {
	t.Helper()
	if code, _, errs := gaikei(t, args...); code != exitUnreachable || !strings.Contains(errs, want) || !strings.Contains(errs, "gaikei: hint: ") {
		t.Fatalf("gaikei %s: exit code %d, want 3, %q and a hint: %s", args[0], code, want, errs)
	}
}

func TestDatabaseThatCannotBeReached(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := oneCheck(t, dir, `{name: closed, tcp: {address: "127.0.0.4:1"}}`)
	code, _, errs := gaikei(t, "run", "-c", config, "--data", dir, "--database", "postgres://gaikei:"+pgtest.Password+"@127.0.0.1:1/x")
	if code != exitUnreachable || !strings.Contains(errs, "x on 127.0.0.1:1") || !strings.Contains(errs, "--database, or $GAIKEI_DATABASE") {
		t.Errorf("exit code %d, want 3, the database and a hint: %s", code, errs)
	}
	if strings.Contains(errs, pgtest.Password) {
		t.Errorf("the password is in the error: %s", errs)
	}
}

// A first configuration that contradicts the store is a negative answer; a store that fails meanwhile could not be reached, so
// that a service manager tries again.
func TestConfigurationThatCannotBeginToHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o750); err != nil {
		t.Fatal(err)
	}
	store, err := timeline.Open(t.Context(), timeline.Options{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ordinals(t.Context(), []timeline.Region{{Name: "tokyo"}}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	begin := func(region string) (int, string) {
		config := writeFile(t, dir, "gaikei.yaml", "regions: {"+region+"}\ncontrols: none\nchecks:\n  - {name: closed, tcp: {address: \"127.0.0.4:1\"}}\n")
		code, _, errs := gaikei(t, "run", "-c", config, "--data", data, "--listen", "127.0.0.1:0")
		return code, errs
	}
	if code, errs := begin("tokyo: {ordinal: 3}"); code != exitNegative || !strings.Contains(errs, "has had 0") || !strings.Contains(errs, "gaikei: hint: ") {
		t.Errorf("another ordinal: exit code %d, want 1, the ordinal it has had and a hint: %s", code, errs)
	}
	db, err := sql.Open("sqlite", filepath.Join(data, "gaikei.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE TRIGGER fails BEFORE INSERT ON region BEGIN SELECT RAISE(ABORT, 'no'); END"); err != nil {
		t.Fatal(err)
	}
	if code, errs := begin("tokyo: {}"); code != exitUnreachable || !strings.Contains(errs, "give regions their ordinals") {
		t.Errorf("a store that fails: exit code %d, want 3 and what failed: %s", code, errs)
	}
}
