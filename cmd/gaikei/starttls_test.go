package main

import (
	"context"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestTryStartTLS asks a real PostgreSQL, first without TLS and then with it, and looks at what a person is shown.
func TestTryStartTLS(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), cluster.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	ca := newAuthority(t, "ca")
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(conn.Config().Port)))
	config := writeFile(t, t.TempDir(), "gaikei.yaml", `
regions: {here: {}}
controls: none
checks:
  - name: db
    tcp: {address: "`+address+`", starttls: postgres, tls: {ca: {file: `+ca.file+`}, server_name: db.example}}
`)
	code, out, errs := gaikei(t, "try", "-c", config, "db")
	if code != exitNegative || !strings.Contains(out, "down (dialogue)") || !strings.Contains(out, "✗ starttls") {
		t.Fatalf("exit code %d, want %d, down (dialogue): %s%s", code, exitNegative, out, errs)
	}
	speakTLS(t, conn, ca)
	until(t, "speaks TLS", func() bool {
		code, out, errs = gaikei(t, "try", "-c", config, "db")
		return code == exitFine
	})
	for _, want := range []string{"  up  ", "connect", "exchange", "tls", "TLS 1.3", "db.example", "✓ starttls", "TLS agreed on", "✓ tls "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in what is shown:\n%s%s", want, out, errs)
		}
	}
}

// speakTLS gives a server a certificate, in files that it can read: if we are root it is another user.
func speakTLS(t *testing.T, conn *pgx.Conn, ca *authority) {
	t.Helper()
	paths := make([]string, 2)
	paths[0], paths[1] = ca.issue(2, "db.example")
	dir, err := os.MkdirTemp("", "gaikei-pg-tls-") // the folder of a test is closed to other users
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		paths[i] = writeFile(t, dir, filepath.Base(path), string(text))
	}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		for _, path := range append([]string{dir}, paths...) {
			if err := os.Chown(path, uid, -1); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := func(ctx context.Context, statements ...string) {
		for _, statement := range append(statements, "SELECT pg_reload_conf()") {
			if _, err := conn.Exec(ctx, statement); err != nil {
				t.Error(err)
			}
		}
	}
	set(t.Context(), "ALTER SYSTEM SET ssl_cert_file = '"+paths[0]+"'", "ALTER SYSTEM SET ssl_key_file = '"+paths[1]+"'", "ALTER SYSTEM SET ssl = on")
	t.Cleanup(func() { // other tests use the server as it was
		set(context.Background(), "ALTER SYSTEM RESET ssl", "ALTER SYSTEM RESET ssl_cert_file", "ALTER SYSTEM RESET ssl_key_file")
	})
}
