package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli/timeline"
)

// databaseVariable may hold what --database would, so that a password need not be on the command line, where every user
// of the machine sees it.
const databaseVariable = "GAIKEI_DATABASE"

const databaseUsage = "`URL` of a PostgreSQL database for the timelines, postgres://… (default $" + databaseVariable + "; empty: SQLite in the folder)"

// database is the address that was given, by the flag or by the variable.
func database(flag string) string {
	if flag != "" {
		return flag
	}
	return os.Getenv(databaseVariable)
}

// openStore opens the timelines that a server keeps.
func (o *runOptions) openStore(ctx context.Context, opts timeline.Options) (*timeline.Store, error) {
	opts.Dir, opts.Database = o.data, database(o.database)
	if opts.Database != "" && exists(filepath.Join(o.data, "gaikei.db")) {
		opts.Logger.Warn("the folder has timelines of its own, which are not used: 'gaikei import' copies them into the database", "folder", o.data)
	}
	store, err := timeline.Open(ctx, opts)
	if err != nil && opts.Database != "" {
		return nil, unreachable(err, "--database, or $"+databaseVariable+", says where it is; 'postgres://USER@HOST/NAME?sslmode=verify-full' is an example")
	}
	if err != nil {
		return nil, unopened(err)
	}
	return store, nil
}

func newBackup(std streams) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the timelines of a data folder to a file, also while the server runs",
		Long: "Writes the timelines, as they are at one instant, to a file that must not exist yet. The server goes on meanwhile.\n" +
			"The file is checked before it gets its name. Results that wait in the queue are not in it, nor is the queue.\n" +
			"A PostgreSQL database is backed up with its own tools.",
		Example: "  gaikei backup --data gaikei-data monday.db",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := timeline.Backup(cmd.Context(), data, args[0]); err != nil {
				return unbacked(err)
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return unreachable(err, "")
			}
			fmt.Fprintf(std.out, "%s: %d bytes, checked\n", args[0], info.Size())
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "gaikei-data", "data `folder`")
	return cmd
}

func newRestore(std streams) *cobra.Command {
	var data string
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Make the timelines of a data folder from a file of 'gaikei backup'",
		Long: "Puts the timelines of a backup into a data folder, which is made if it is not there. A folder that a server has,\n" +
			"or that has timelines already, is left as it is. The file is checked first, and a backup of an earlier version\n" +
			"is brought up to date when the server starts.",
		Example: "  gaikei restore --data gaikei-data monday.db",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := timeline.Restore(cmd.Context(), args[0], data); err != nil {
				return unbacked(err)
			}
			fmt.Fprintf(std.out, "%s has the timelines of %s\n", data, args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "gaikei-data", "data `folder`")
	return cmd
}

func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(seeHelp(cmd), "got %d arguments, want one FILE", len(args))
	}
	return nil
}

// unbacked tells why there is no backup, or why it was not restored.
func unbacked(err error) error {
	switch {
	case errors.Is(err, timeline.ErrLocked):
		return unreachable(err, "stop that process first, or name another folder with --data")
	case errors.Is(err, timeline.ErrExists):
		return unreachable(err, "nothing is overwritten")
	case errors.Is(err, fs.ErrNotExist):
		return unreachable(err, "--data names the folder that 'gaikei run --data' was given")
	case errors.Is(err, fs.ErrPermission):
		return unreachable(err, "do it as the user that runs Gaikei")
	}
	return unreachable(err, "")
}

func newImport(std streams) *cobra.Command {
	var data, address string
	cmd := &cobra.Command{
		Use:   "import --database URL",
		Short: "Join the timelines of a data folder into a PostgreSQL database",
		Long: "Copies the timelines of a data folder into a PostgreSQL database, which servers may be using: what is there stays,\n" +
			"and where both know of a slot, what says more counts. So it may be repeated, and is best run once more after the\n" +
			"server of the folder has stopped. The folder is only read. What waits in its queue stays there, for the server\n" +
			"that is started on the folder with --database.",
		Example: "  export GAIKEI_DATABASE=postgres://gaikei:PASSWORD@db.example.com/gaikei\n  gaikei import --data gaikei-data",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := timeline.Options{Database: database(address), Logger: slog.New(slog.NewTextHandler(std.err, nil))}
			if o.Database == "" {
				return usage("it takes --database postgres://…, or $"+databaseVariable, "no database was named")
			}
			done, err := timeline.Import(cmd.Context(), data, o)
			if err != nil {
				return unbacked(err)
			}
			fmt.Fprintf(std.out, "the database has the timelines of %s: %d series, %d day blocks, %d epochs, %d messages\n",
				data, done.Series, done.Days, done.Epochs, done.Messages)
			if len(done.Moved) > 0 {
				fmt.Fprintf(std.out, "the slots of these regions move, since the database has other ordinals for them: %s\n", strings.Join(done.Moved, ", "))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&data, "data", "gaikei-data", "data `folder`")
	cmd.Flags().StringVar(&address, "database", "", "`URL` of the PostgreSQL database, postgres://… (default $"+databaseVariable+")")
	return cmd
}
