package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExists is wrapped by errors about what would have been overwritten.
var ErrExists = errors.New("it is there already")

// Backup writes the timelines of a folder, as they are at one instant, to a file that does not exist yet: a database
// of SQLite in one piece, which Restore takes. A process that writes to the folder goes on meanwhile. The file
// is checked, and on the disk, before it gets its name. Results that wait in the queue are not in it.
func Backup(ctx context.Context, dir, file string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up %s: %w", dir, err)
		}
	}()
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s: %w", file, ErrExists), err)
	}
	if _, err := os.Stat(filepath.Join(dir, databaseName)); err != nil {
		return err
	}
	f, db, err := openAsFound(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close(), f.unlock()) }()
	part, err := partial(filepath.Dir(file), filepath.Base(file))
	if err != nil {
		return err
	}
	defer os.Remove(part) // gone already if all went well
	if err := db.vacuumInto(ctx, part); err != nil {
		return err
	}
	if _, err := checkFile(ctx, part); err != nil {
		return err
	}
	return publish(part, file)
}

// vacuumInto copies a database without what is free in it. It reads in one transaction, beside which others write.
func (db *database) vacuumInto(ctx context.Context, file string) (err error) {
	c, err := db.read.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	// The file was opened for reading only; but for that, nothing may stand against writing another one.
	if _, err := c.ExecContext(ctx, "PRAGMA query_only = 0"); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "VACUUM INTO $1", file)
	return err
}

// partial makes an empty file that only its owner can read, for what is not complete yet.
func partial(dir, name string) (string, error) {
	f, err := os.CreateTemp(dir, "."+name+".partial-*")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// publish gives a complete file its name, which nothing else may have.
func publish(part, file string) error {
	if err := syncPath(part); err != nil {
		return err
	}
	if err := os.Link(part, file); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s: %w", file, ErrExists)
		}
		return err
	}
	return errors.Join(os.Remove(part), syncPath(filepath.Dir(file)))
}

// syncPath has a file or folder written to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// checkFile makes sure that a file is a database of this program, whole and no newer, and returns its version.
func checkFile(ctx context.Context, path string) (version int64, err error) {
	db, err := openReadOnly(path, "immutable", "1")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	var verdict string
	if err := db.read.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return 0, fmt.Errorf("check: %w", err)
	}
	if verdict != "ok" {
		return 0, fmt.Errorf("check: %s", verdict)
	}
	version, err = db.version(ctx, db.read)
	switch {
	case err != nil:
		return 0, err
	case version == 0:
		return 0, errors.New("it holds no timelines")
	case version > db.newest():
		return 0, fmt.Errorf("%w: got version %d, want at most %d: use a newer program", ErrSchema, version, db.newest())
	}
	return version, nil
}

// Restore makes the timelines of a folder from a file of Backup. The folder is made if it is not there; one that is
// in use, or has timelines with something in them, is left as it is. The file is checked before anything changes, and the
// folder has the timelines or does not, whenever the machine stops. Those of an earlier version are brought up to date
// when they are opened.
func Restore(ctx context.Context, file, dir string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore %s: %w", dir, err)
		}
	}()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := lockFolder(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.unlock()) }()
	path := filepath.Join(dir, databaseName)
	if err := mustBeEmpty(ctx, path); err != nil {
		return err
	}
	if hasLog(file) {
		return fmt.Errorf("%s is in use, or was copied while it was: %s-wal belongs to it; want a file that 'gaikei backup' made", file, file)
	}
	part, err := partial(dir, databaseName)
	if err != nil {
		return err
	}
	defer os.Remove(part) // gone already if all went well
	if err := copyFile(part, file); err != nil {
		return err
	}
	if _, err := checkFile(ctx, part); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := syncPath(part); err != nil {
		return err
	}
	// The log of an empty database must not be applied to another one.
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(part, path); err != nil {
		return err
	}
	return syncPath(dir)
}

// mustBeEmpty makes sure that there is no database, or one in which nothing was ever kept.
func mustBeEmpty(ctx context.Context, path string) (err error) {
	if i, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && i.Size() == 0 && !hasLog(path) {
		return nil
	}
	var extra []string
	if !hasLog(path) {
		extra = []string{"immutable", "1"} // as we have the lock; else it would leave files
	}
	db, err := openReadOnly(path, extra...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	for _, table := range []string{"block", "journal", "epoch", "evidence", "maintenance", "announced"} {
		var one int
		err := db.read.QueryRowContext(ctx, "SELECT 1 FROM "+table+" LIMIT 1").Scan(&one)
		if err == nil || !errors.Is(err, sql.ErrNoRows) {
			return errors.Join(fmt.Errorf("%s: %w; name another folder, or move it away", path, ErrExists), err)
		}
	}
	return nil
}
